import { assert, describe, it } from "@effect/vitest"
import { sessionHeader } from "../../src/http/session-header.ts"

describe("a client's own name of its conversation", () => {
  it("is found in the field of each kind of client, and nowhere else", () => {
    for (const name of [
      "x-claude-code-session-id",
      "x-session-id",
      "x-session-affinity",
      "session-id",
      "session_id",
      "x-litellm-session-id",
    ]) {
      assert.strictEqual(sessionHeader({ headers: { [name]: "one" } }), "one", name)
    }
    assert.isUndefined(sessionHeader({ headers: { "x-request-id": "one", "x-session-id": "" } }))
  })
})
