import { readFileSync } from "node:fs"
import { expect, it } from "vitest"
import { withTables } from "./tables.ts"

const page = new URL("../../docs/simulation.md", import.meta.url).pathname

it("docs/simulation.md says which worlds and laws there are", async () => {
  await expect(withTables(readFileSync(page, "utf8"))).toMatchFileSnapshot(page)
})
