import { assert, it } from "@effect/vitest"
import { Notes } from "../../../src/dialects/messages/notes.ts"
import { lowerTools } from "../../../src/dialects/messages/tools.ts"

it("an empty list of tools and a choice among none are left out, but not a wish for one that is not there", () => {
  const lower = (body: object) => lowerTools({ ...body }, new Notes())
  for (const tools of [undefined, null, []]) {
    assert.deepStrictEqual(lower({ tools }), {})
    assert.deepStrictEqual(lower({ tools, tool_choice: { type: "none" } }), {})
    assert.deepStrictEqual(
      lower({ tools, tool_choice: { type: "auto", disable_parallel_tool_use: true } }),
      {},
    )
    assert.deepStrictEqual(lower({ tools, tool_choice: { type: "any" } }), { tool_choice: "required" })
  }
})
