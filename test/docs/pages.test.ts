import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { runCli } from "../cli/run-cli.ts"

const read = (file: string) => readFileSync(file, "utf8")
const pages = readdirSync("docs").filter((name) => name.endsWith(".md") && name !== "README.md")

describe("the documentation", () => {
  it("has a README of three screens, and pages for the rest", () => {
    assert.isAtMost(read("README.md").split("\n").length, 150)
  })

  it.each(["docs/README.md", "docs/llms.txt"])("lists every page once in %s", (index) => {
    const listed = [...read(index).matchAll(/^- \[[^\]]+\]\(([\w-]+\.md)\): \S/gm)].map(([, name]) => name)
    assert.sameMembers(listed, pages)
  })

  it("has every route of the contract in docs/http.md, and no other", () => {
    const { paths } = JSON.parse(read("docs/openapi.json")) as { paths: Record<string, object> }
    const contract = new Set(Object.keys(paths).map((path) => path.replace(/\{\w+\}/g, ":x")))
    const [, table = ""] = /((?:^\|.*\n)+)/m.exec(read("docs/http.md")) ?? []
    const rows = table.split("\n").slice(2, -1)
    const named = rows.flatMap((row) => [...(row.split(" | ")[0] ?? "").matchAll(/…?\/[\w/:….-]+/g)])
    const templates = named.map(([path]) => path.replace(/:\w+/g, ":x").replace(/\?.*$/, ""))
    const whole = templates.filter((path) => path.startsWith("/") && !path.includes("…"))
    const unserved = new Set(["/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/ui"])
    assert.deepStrictEqual(
      whole.filter((path) => !contract.has(path) && !unserved.has(path)),
      [],
    )
    // Abbreviated ones stand beside their beginning.
    const ends = templates.map((path) => path.replace(/^…/, ""))
    assert.deepStrictEqual(
      [...contract].filter((path) => !ends.some((end) => path.endsWith(end))),
      [],
    )
  })

  it("has commands in docs/cli.md that there are", async () => {
    const names = [...read("docs/cli.md").matchAll(/^\| `([^`]+)`/gm)].map(([, command = ""]) => command)
    assert.isAbove(names.length, 20)
    for (const command of names) {
      const words = command.split(" ")
      const end = words.findIndex((word) => !/^[a-z-]+$/.test(word) || word.startsWith("-"))
      const path = (end === -1 ? words : words.slice(0, end)).filter((word) => word !== "config.yaml")
      const { code, stdout } = await Effect.runPromise(runCli([...path, "--help"], {}, "."))
      assert.strictEqual(code, 0, command)
      assert.include(stdout, `llm-gateway ${path.join(" ")}`, command)
    }
  })
})
