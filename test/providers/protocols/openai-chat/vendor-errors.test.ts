import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { dispositions, type ProviderErrorKind } from "../../../../src/domain/ProviderError.ts"
import { classify } from "../../../../src/providers/protocols/openai-chat/errors.ts"
import { vendorErrors } from "../../../support/vendor-errors.ts"

const headers = { retryAfter: undefined, retryAfterMs: undefined }

describe("whom an error of a vendor concerns", () => {
  it.each(vendorErrors)("$name: $kind", ({ status, body, kind, says, param }) => {
    const fault = classify({ status, body, headers }, 0)
    assert.strictEqual(fault.kind, kind)
    if (says === undefined && param === undefined) assert.isUndefined(fault.message)
    if (says !== undefined) assert.match(fault.message ?? "", says)
    if (param !== undefined) assert.strictEqual(fault.param, param)
  })

  it("is nobody else's, when a request brought it about", () => {
    for (const [kind, { blame, breaker }] of Object.entries(dispositions)) {
      if (blame === "client" || blame === "content" || blame === "candidate") {
        assert.strictEqual(breaker, "ignore", kind)
      }
    }
  })

  it("cannot be chosen by a client whose words the vendor quotes", () => {
    const quoted = fc.oneof(
      fc.constantFrom(
        ...vendorErrors.flatMap(({ body }) => {
          const { error } = Object(body)
          return typeof error === "string"
            ? [error]
            : typeof error?.message === "string"
              ? [error.message]
              : []
        }),
      ),
      fc.string(),
    )
    const before = fc.constantFrom("Invalid value: '", "Invalid role: ", "The tool '", "Could not parse ")
    fc.assert(
      fc.property(before, quoted, fc.constantFrom(400, 422), (start, words, status) => {
        const message = `${start}${words}'`
        const { kind } = classify({ status, body: { error: { message } }, headers }, 0)
        assert.strictEqual(dispositions[kind].breaker, "ignore", message)
        assert.notInclude(["auth", "quota_exhausted"] satisfies Array<ProviderErrorKind>, kind)
      }),
    )
  })
})
