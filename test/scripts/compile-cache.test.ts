import { spawnSync } from "node:child_process"
import { resolve } from "node:path"
import { assert, it } from "@effect/vitest"

it("keeps compiled code with the packages, also for the database's thread", () => {
  // The latter is set where coverage is taken.
  const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, ...env } = process.env
  const program = `import { Worker } from "node:worker_threads"; import { getCompileCacheDir } from "node:module"
    console.log(getCompileCacheDir())
    new Worker('console.log(require("node:module").getCompileCacheDir())', { eval: true, execArgv: [] })`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", resolve("scripts/compile-cache.mjs"), "--input-type=module", "--eval", program],
    { encoding: "utf8", env },
  )
  const [ofProcess = "", ofThread = ""] = stdout.trim().split("\n")
  assert.include(ofProcess, resolve("node_modules/.cache/node-compile"), stderr)
  assert.include(ofThread, resolve("node_modules/.cache/node-compile"), stderr)
})
