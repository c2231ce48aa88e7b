import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { dispositions } from "../../../../src/domain/ProviderError.ts"
import { classify as anthropic } from "../../../../src/providers/protocols/anthropic/errors.ts"
import { classify as gemini } from "../../../../src/providers/protocols/gemini/errors.ts"
import { classify as openai } from "../../../../src/providers/protocols/openai-chat/errors.ts"
import { vendorErrors } from "../../../support/vendor-errors.ts"

const headers = { retryAfter: undefined, retryAfterMs: undefined }

describe("whom an error of a vendor concerns", () => {
  it.each(vendorErrors)("$name: $kind", ({ status, body, kind, says, param, modelOnly }) => {
    const fault = openai({ status, body, headers }, 0)
    assert.strictEqual(fault.kind, kind)
    assert.strictEqual(fault.modelOnly, modelOnly)
    if (says === undefined && param === undefined) assert.isUndefined(fault.message)
    if (says !== undefined) assert.match(fault.message ?? "", says)
    if (param !== undefined) assert.strictEqual(fault.param, param)
  })

  it.each([
    [429, "API key limit exceeded: 60 requests per minute"],
    [429, "Spend limit reached: 5 USD per hour"],
    [403, "Key limit exceeded (60 requests/min)"],
  ])("is a limit of a while, and no money: %s %s", (status, message) => {
    for (const by of [openai, anthropic, gemini]) {
      assert.strictEqual(by({ status, body: { error: { message } }, headers }, 0).kind, "rate_limited")
    }
  })

  it.each([
    ["forbidden", "Request not allowed"],
    ["permissions_error", "Kaboom."],
    ["x", "Your API key has been revoked."],
    ["x", "The security token included in the request is expired"],
  ])("is the key's in Anthropic's protocol: %s %s", (type, message) => {
    const body = { type: "error", error: { type, message } }
    assert.strictEqual(anthropic({ status: 403, body, headers }, 0).kind, "auth")
  })

  it("is nobody else's, when a request brought it about", () => {
    for (const [kind, { blame, breaker }] of Object.entries(dispositions)) {
      if (blame === "client" || blame === "content" || blame === "candidate") {
        assert.strictEqual(breaker, "ignore", kind)
      }
    }
  })

  it("cannot be chosen by a client whose words a refused value begins with", () => {
    for (const words of vendorErrors.flatMap(({ body }) => textsIn(body))) {
      for (const end of [".pdf: unsupported file type", " is not a valid role", " is not of type object"]) {
        for (const by of [openai, anthropic, gemini]) {
          for (const status of [400, 413, 422]) {
            const body = { error: { message: words.replace(/[.!\s]*$/, "") + end } }
            const { kind } = by({ status, body, headers }, 0)
            assert.strictEqual(dispositions[kind].breaker, "ignore", words + end)
          }
        }
      }
    }
  })

  it("cannot be chosen by a client whose words the vendor quotes", () => {
    const quoted = fc.oneof(
      fc.constantFrom(...vendorErrors.flatMap(({ body }) => textsIn(body))),
      fc.constantFrom("model", "set-model", "api key", "no access to model", "please try again in 3600s"),
      // Behind "Rate limit of " a text with "/s" is a limit, whoever said so.
      fc.string().filter((text) => !/\/ ?(s|sec|second|min|minute|h|hour)\b/i.test(text)),
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
