import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"

const program = fileURLToPath(new URL("print-settings.ts", import.meta.url))

let directory = ""
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "settings-"))
})
afterEach(() => rmSync(directory, { recursive: true }))

const start = (env: Record<string, string>) =>
  JSON.parse(execFileSync(process.execPath, [program], { cwd: directory, env, encoding: "utf8" }))

describe("a process's settings", () => {
  it("come from the environment, then from .env in the working directory", () => {
    writeFileSync(
      join(directory, ".env"),
      "PORT=1111\nexport HOST='::1' # comment\nMAX_BODY_BYTES=3333\nDATA_DIR=\n",
    )
    // HOST_NAME and an empty MAX_BODY_BYTES must not hide what the file says.
    const found = start({ PORT: "2222", HOST_NAME: "x", MAX_BODY_BYTES: "" })
    assert.strictEqual(found.port, 2222)
    assert.strictEqual(found.host, "::1")
    assert.strictEqual(found.maxBodyBytes, 3333)
    assert.strictEqual(found.dataDir, "./data")
  })

  it("need no .env, and say so when there is one that cannot be read", () => {
    assert.strictEqual(start({}).port, 8000)
    mkdirSync(join(directory, ".env"))
    assert.deepStrictEqual(start({}), { faults: [".env is present but cannot be read"] })
  })

  it("come from files too, whose names other variables hold", () => {
    const file = join(directory, "secret")
    writeFileSync(file, "  6666\n")
    assert.strictEqual(start({ PORT_FILE: file }).port, 6666)
    // As everywhere, an empty value is unset.
    assert.strictEqual(start({ PORT_FILE: file, PORT: "" }).port, 6666)
    assert.strictEqual(start({ PORT_FILE: "" }).port, 8000)
    writeFileSync(join(directory, ".env"), `PORT_FILE=${file}\n`)
    assert.strictEqual(start({}).port, 6666)
    assert.deepStrictEqual(start({ PORT: "1" }), { faults: ["PORT must not be set beside PORT_FILE"] })
    writeFileSync(file, "no port")
    assert.deepStrictEqual(start({}).faults, ["PORT must be a whole number from 0 to 65535"])
    assert.deepStrictEqual(start({ PORT_FILE: "/nowhere" }), {
      faults: ["PORT cannot be read from the file that PORT_FILE names"],
    })
  })
})
