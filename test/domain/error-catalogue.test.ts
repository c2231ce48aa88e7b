import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { errorCatalogue } from "../../src/domain/GatewayError.ts"

const documented = new Map(
  [...readFileSync("docs/errors.md", "utf8").matchAll(/^\| `(\w+)` *\| (\d{3}) *\| (yes|no|–) *\|/gm)].map(
    ([, code = "", status = "", retry = ""]) => [code, { status: Number(status), retry }],
  ),
)

describe("docs/errors.md", () => {
  it("lists exactly the codes of the catalogue", () => {
    assert.deepStrictEqual([...documented.keys()].sort(), Object.keys(errorCatalogue).sort())
  })

  it("gives each code its status and whether a retry can help", () => {
    for (const [code, { status, final }] of Object.entries(errorCatalogue)) {
      assert.strictEqual(documented.get(code)?.status, status, code)
      assert.strictEqual(documented.get(code)?.retry === "no", final, code)
    }
  })
})
