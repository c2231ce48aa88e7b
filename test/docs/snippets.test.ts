import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { GatewayProcess } from "../support/GatewayProcess.ts"

const run = promisify(execFile)

/** Beside the packages that they import. */
const folder = join(import.meta.dirname, "../../node_modules/.cache/snippets")

const snippets = ["README.md", "docs/first-hour.md"].flatMap((page) =>
  [...readFileSync(page, "utf8").matchAll(/```ts\n([\s\S]*?)```/g)].map(
    ([, code = ""], i) => [`${page}, ${i + 1}`, code] as const,
  ),
)

let gateway: GatewayProcess
let key = ""
beforeAll(async () => {
  mkdirSync(folder, { recursive: true })
  gateway = await GatewayProcess.start()
  key = (await gateway.createKey()).key
})
afterAll(async () => {
  await gateway.stop()
  rmSync(folder, { recursive: true })
})

describe("programs in the documentation", () => {
  it("are there", () => {
    assert.isAtLeast(snippets.length, 3)
  })

  it.each(snippets)("run: %s", async (name, code) => {
    const file = join(folder, `${name.replaceAll(/\W+/g, "-")}.mjs`)
    assert.include(code, "http://127.0.0.1:8000")
    writeFileSync(file, code.replaceAll("http://127.0.0.1:8000", gateway.url).replaceAll("gwk_…", key))
    await run(process.execPath, [file])
  })
})
