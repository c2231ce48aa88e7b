import { assert, it } from "@effect/vitest"
import { AuthError } from "../../src/auth/AuthError.ts"
import { fromAuth } from "../../src/http/client-errors.ts"

it("a key that there is no place to check is an overload with a time to come back, not a fault of the key or database", () => {
  const error = fromAuth(new AuthError({ reason: "overloaded", retryAfterMs: 1_000 }))
  assert.deepInclude(error, { code: "overloaded", status: 503, final: false, retryAfterMs: 1_000 })
  assert.notMatch(error.detail, /database/i)
})
