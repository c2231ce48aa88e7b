/**
 * Holds `/v1/responses` to the compliance suite of Open Responses, against a gateway without provider keys, which answers by
 * its simulated providers. Everything stays on loopback.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { GatewayProcess } from "../test/support/GatewayProcess.ts"

const HELP = `Usage: npm run verify:openresponses -- --suite DIR [-- ARGUMENT OF THE SUITE ...]

  git clone https://github.com/openresponses/openresponses /tmp/openresponses
  npm install --prefix /tmp/openresponses --no-save --no-package-lock --ignore-scripts tsx
  npm run verify:openresponses -- --suite /tmp/openresponses
  npm run verify:openresponses -- --suite /tmp/openresponses -- --filter basic-response --verbose

  --suite DIR    a clone of the suite, with its dependencies and tsx
  --help

Exit code: that of the suite, which is 0 when nothing failed; 1 when it took too long, 2 on wrong usage.
`
/** Its tests run at the same time, and none waits longer than half a minute. */
const SUITE_TIMEOUT_MS = 120_000
const TESTS = "bin/compliance-test.ts"

const { positionals, values } = parseArgs({
  options: { suite: { type: "string" }, help: { type: "boolean", default: false } },
  allowPositionals: true,
})
const { suite } = values
if (values.help || suite === undefined || !existsSync(join(suite, TESTS))) {
  console.log(HELP)
  process.exit(values.help ? 0 : 2)
}

const gateway = await GatewayProcess.start({})
try {
  const { key } = await gateway.createKey({ rpm: 100_000 })
  const target = ["--base-url", `${gateway.url}/v1`, "--model", "auto"]
  const tests = spawn(process.execPath, ["--import", "tsx", TESTS, ...target, ...positionals], {
    cwd: suite,
    env: { ...process.env, OPENRESPONSES_API_KEY: key },
    stdio: "inherit",
    timeout: SUITE_TIMEOUT_MS,
  })
  const [code] = await once(tests, "close")
  process.exitCode = code ?? 1
} finally {
  await gateway.stop()
}
