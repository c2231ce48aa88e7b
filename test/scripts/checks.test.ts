import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"

let folder = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "checks-"))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** What a script complains about in a repository of these files. */
const complaints = (script: string, files: Readonly<Record<string, string>>): ReadonlyArray<string> => {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const { status, stderr } = spawnSync(process.execPath, [`scripts/${script}`, folder], { encoding: "utf8" })
  const lines = stderr.split("\n").filter((line) => line !== "")
  assert.strictEqual(status, lines.length === 0 ? 0 : 1, stderr)
  return lines
}

describe("check-exports", () => {
  it("names an export that nobody imports, whatever it is", () => {
    const lines = complaints("check-exports.ts", {
      "src/a.ts":
        "export const one = 1\nexport interface Two {}\nexport async function three() {}\nexport class Four {}\n",
      "src/b.ts": 'import { one } from "./a.ts"\nconsole.log(one)\n',
    })
    assert.deepStrictEqual(
      lines.map((line) => line.split(" is ")[0]),
      ["src/a.ts: Two", "src/a.ts: three", "src/a.ts: Four"],
    )
  })

  it("counts each way to import", () => {
    const lines = complaints("check-exports.ts", {
      "src/a.ts":
        "export const one = 1\nexport type Two = 2\nexport const three = 3\nexport const four = 4\n",
      "src/b.ts": 'import {\n  one as uno,\n  type Two,\n} from "./a.ts"\nconsole.log(uno satisfies Two)\n',
      "test/c.ts": 'import * as A from "../src/a.ts"\nconsole.log(A.three)\n',
      "test/d.ts": 'const { four } = await import("../src/a.ts")\nconsole.log(four)\n',
    })
    assert.deepStrictEqual(lines, [])
  })
})

describe("check-markdown", () => {
  it("names links, headings and paths that lead nowhere", () => {
    const lines = complaints("check-markdown.ts", {
      "README.md":
        "# Top\n\n[a](docs/gone.md) [b](docs/page.md#none) [c](#nowhere) `src/gone.ts` `http/gone.ts` `Gone.ts`\n",
      "docs/page.md": "# Page\n\n[back](../README.md#tops)\n",
    })
    assert.deepStrictEqual(
      lines.map((line) => line.replace(" does not exist", "")),
      [
        "README.md: docs/gone.md",
        "README.md: docs/page.md#none",
        "README.md: #nowhere",
        "README.md: src/gone.ts",
        "README.md: http/gone.ts",
        "README.md: Gone.ts",
        "docs/page.md: ../README.md#tops",
      ],
    )
  })

  it("is content with what is there, and reads no code", () => {
    const lines = complaints("check-markdown.ts", {
      "README.md":
        "# What it's for, and `why`?\n\n[a](docs/page.md#the-page) [b](#what-its-for-and-why) [c](https://example.org/x#y) `http/Server.ts` `Server.ts` `src/http` `test/http/wire` `[x](y)`\n\n```md\n[d](gone.md) `src/gone.ts`\n```\n",
      "docs/page.md": "## The page\n",
      "src/http/Server.ts": "",
      "test/http/wire.test.ts": "",
    })
    assert.deepStrictEqual(lines, [])
  })
})
