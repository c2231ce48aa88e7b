import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { dispositions } from "../../../../src/domain/ProviderError.ts"
import { classify as anthropic } from "../../../../src/providers/protocols/anthropic/errors.ts"
import { classify as gemini } from "../../../../src/providers/protocols/gemini/errors.ts"
import { classify as openai } from "../../../../src/providers/protocols/openai-chat/errors.ts"
import { vendorErrors } from "../../../support/vendor-errors.ts"

const headers = { retryAfter: undefined, retryAfterMs: undefined }

describe("whom an error of a vendor concerns", () => {
  it.each(vendorErrors)("$name: $kind", ({ status, body, kind, says, param }) => {
    const fault = openai({ status, body, headers }, 0)
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
      fc.constantFrom(...vendorErrors.flatMap(({ body }) => textsIn(body))),
      fc.constantFrom("model", "set-model", "api key", "no access to model", "please try again in 3600s"),
      fc.string(),
    )
    const before = fc.constantFrom(...BEFORE)
    const statuses = fc.constantFrom(...STATUSES)
    const told = fc.constantFrom(
      (message: string): unknown => ({ error: { message } }),
      (message: string): unknown => ({ detail: message }),
      (message: string): unknown => ({
        error: { message: "Provider returned error", metadata: { raw: message } },
      }),
      (message: string): unknown => ({ message: { detail: [{ loc: ["body", "x"], msg: message }] } }),
    )
    for (const by of [openai, anthropic, gemini]) {
      fc.assert(
        fc.property(
          before,
          quoted,
          fc.constantFrom("'", '"', "' is not known", ""),
          statuses,
          told,
          (start, words, end, status, body) => {
            const faultOf = (text: string) => by({ status, body: body(`${start}${text}${end}`), headers }, 0)
            const fault = faultOf(words)
            if (dispositions[fault.kind].breaker === "ignore") return
            assert.strictEqual(fault.kind, faultOf("x").kind, words)
          },
        ),
        { numRuns: 5_000 },
      )
    }
  })
})

const BEFORE = [
  "Invalid value: '",
  "Invalid role: ",
  "The tool '",
  "The tool ",
  "Your tool ",
  "Could not parse ",
  "Your request was: ",
  "Rate limit of ",
  'No endpoints found that support tool use. Try disabling "',
]

const STATUSES = [
  ...[400, 401, 402, 403, 404, 405, 408, 409, 412, 413, 418, 422, 424, 429, 451, 498],
  ...[500, 502, 503, 504, 529],
]

const textsIn = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string"
    ? [value]
    : typeof value === "object" && value !== null
      ? Object.values(value).flatMap(textsIn)
      : []
