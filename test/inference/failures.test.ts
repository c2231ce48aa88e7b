import { assert, describe, it } from "@effect/vitest"
import { GatewayError } from "../../src/domain/GatewayError.ts"
import { MAX_COOLDOWN_MS } from "../../src/domain/OperatorRest.ts"
import { dispositions, ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { fromBrokenStream, fromProviders, fromRouting } from "../../src/inference/failures.ts"
import type { Exclusion, ExclusionRule } from "../../src/routing/exclusion.ts"
import { ModelNotAllowed, ModelNotFound, NoCandidate } from "../../src/routing/plan.ts"

const failure = (
  kind: ProviderErrorKind,
  provider = "a",
  more: { message?: string; retryAfterMs?: number; status?: number } = {},
) => new ProviderError({ kind, provider, model: "m", ...more })

describe("fromProviders", () => {
  it.each([
    ["bad_request", 400, "invalid_request"],
    ["context_length_exceeded", 400, "context_length_exceeded"],
    ["content_filter", 400, "content_filter"],
    ["auth", 502, "upstream_auth"],
    ["model_not_found", 502, "upstream_error"],
    ["quota_exhausted", 503, "upstream_quota"],
    ["rate_limited", 429, "upstream_rate_limited"],
    ["overloaded", 503, "upstream_overloaded"],
    ["tier_unavailable", 503, "upstream_overloaded"],
    ["request_conflict", 502, "upstream_error"],
    ["server_error", 502, "upstream_error"],
    ["server_error_once", 502, "upstream_error"],
    ["bad_response", 502, "upstream_bad_response"],
    ["too_large", 502, "upstream_bad_response"],
    ["timeout", 504, "upstream_timeout"],
    ["connect", 502, "upstream_error"],
    ["reset", 502, "upstream_error"],
  ] as const)("one provider's %s is the client's %i %s", (kind, status, code) => {
    const error = fromProviders([failure(kind)])
    assert.strictEqual(error.status, status)
    assert.strictEqual(error.code, code)
  })

  it("tells that a budget does not suffice only where that is known of every candidate", () => {
    const heldBack = (code: "budget_exceeded" | "budget_unavailable") =>
      new ProviderError({
        kind: "held_back",
        provider: "a",
        model: "m",
        refusal: new GatewayError({ code, detail: "" }),
      })
    const [exceeded, unavailable] = [heldBack("budget_exceeded"), heldBack("budget_unavailable")]
    assert.strictEqual(fromProviders([exceeded, exceeded]).code, "budget_exceeded")
    assert.strictEqual(fromProviders([exceeded, unavailable]).code, "budget_unavailable")
    assert.strictEqual(fromProviders([unavailable, exceeded]).code, "budget_unavailable")
    assert.strictEqual(fromProviders([failure("connect"), unavailable]).code, "upstream_error")
  })

  it("tells that a body is too large as the provider did, and otherwise what is wrong with it", () => {
    const tooLarge = { message: "Request exceeds the maximum size", status: 413 }
    const error = fromProviders([failure("refused", "a", tooLarge)])
    assert.deepInclude(error, { code: "payload_too_large", detail: tooLarge.message })
    const prompt = fromProviders([failure("context_length_exceeded", "a", tooLarge)])
    assert.strictEqual(prompt.code, "context_length_exceeded")
  })

  it("never shows a client 401 or 403, whatever a provider says", () => {
    for (const kind of Object.keys(dispositions) as Array<ProviderErrorKind>) {
      assert.notInclude([401, 403], fromProviders([failure(kind)]).status)
    }
  })

  it("answers 503 with a time to come back when several providers are down in different ways", () => {
    const error = fromProviders([failure("connect", "a"), failure("server_error", "b")])
    assert.strictEqual(error.code, "no_provider_available")
    assert.isAbove(error.retryAfterMs ?? 0, 0)
  })

  it("tells the end of a stream as the client's own doing, where it is, and else as a reason to repeat it", () => {
    const words = failure("content_filter", "a", { message: "The answer was stopped." })
    assert.deepInclude(fromBrokenStream(words), { code: "content_filter", detail: "The answer was stopped." })
    assert.match(fromBrokenStream(failure("reset")).detail, /again/)
  })

  it("gives the shortest wait of all rate-limited providers", () => {
    const error = fromProviders([
      failure("rate_limited", "a", { retryAfterMs: 30_000 }),
      failure("rate_limited", "b", { retryAfterMs: 4_000 }),
    ])
    assert.strictEqual(error.code, "upstream_rate_limited")
    assert.strictEqual(error.retryAfterMs, 4_000)
    const far = fromProviders([failure("rate_limited", "a", { retryAfterMs: 24 * 3_600_000 })])
    assert.strictEqual(far.retryAfterMs, MAX_COOLDOWN_MS)
  })

  it("passes on a provider's words only about the client's own request", () => {
    const words = "Incorrect API key provided: sk-abc***xyz"
    for (const kind of Object.keys(dispositions) as Array<ProviderErrorKind>) {
      const shown = fromProviders([failure(kind, "a", { message: words })]).detail.includes("sk-abc")
      assert.strictEqual(
        shown,
        [
          "bad_request",
          "unsupported",
          "refused",
          "needs_rewording",
          "context_length_exceeded",
          "content_filter",
        ].includes(kind),
        kind,
      )
    }
  })

  it("lets a client's own mistake win over earlier trouble", () => {
    const error = fromProviders([
      failure("server_error", "a"),
      failure("bad_request", "b", { message: "bad" }),
    ])
    assert.strictEqual(error.code, "invalid_request")
  })
})

describe("fromRouting", () => {
  const refuse = (...excluded: ReadonlyArray<Exclusion>) =>
    fromRouting(new NoCandidate({ route: "auto", excluded }))
  const at = (target: string, rule: ExclusionRule): Exclusion => {
    const [provider = "", model = ""] = target.split("/")
    return { provider, model, ...rule }
  }
  const tooLong: ExclusionRule = {
    rule: "context_window",
    param: "messages",
    inputTokens: 9,
    outputTokens: 5,
    limit: 8,
  }
  const tooMuch: ExclusionRule = { rule: "max_output_tokens", param: "max_tokens", asked: 9, limit: 8 }
  const unsupported: ExclusionRule = { rule: "unsupported", param: "seed", text: "No seeds here." }
  const kind: ExclusionRule = { rule: "kind", kind: "embedding" }
  const parameter: ExclusionRule = { rule: "parameter", param: "top_p" }
  const input: ExclusionRule = { rule: "input", param: "input", input: "audio", inputs: ["text", "image"] }

  it("blames the model for a name that is unknown or not allowed", () => {
    const unknown = fromRouting(new ModelNotFound({ requestedModel: "x" }))
    assert.deepInclude(unknown, { code: "model_not_found", param: "model" })
    const forbidden = fromRouting(new ModelNotAllowed({ requestedModel: "x" }))
    assert.deepInclude(forbidden, { code: "model_not_allowed", param: "model" })
  })

  it("names to a key no model that it may not use", () => {
    const error = refuse(at("hidden/secret", { rule: "not_allowed" }), at("a/m", unsupported))
    assert.strictEqual(
      error.detail,
      "No model of auto can take this request. a/m: unsupported: seed: No seeds here.",
    )
    assert.notMatch(error.detail, /hidden|secret|not_allowed/)
  })

  it("says of every other model why it is left out", () => {
    assert.strictEqual(
      refuse(at("a/m", tooLong), at("b/m", tooMuch), at("c/e", kind)).detail,
      "No model of auto can take this request. a/m: context_window: about 9 input tokens plus 5 of output do not fit 8; " +
        "b/m: max_output_tokens: 9 asked, at most 8 possible; c/e: kind: a model of kind embedding cannot take this request",
    )
  })

  it("says what to do about a parameter that nobody takes, and about an input that nobody reads", () => {
    assert.strictEqual(
      refuse(at("a/m", parameter), at("b/m", input)).detail,
      "No model of auto can take this request. a/m: parameter: top_p: the model's documentation says that it is not taken; " +
        "b/m: input: audio: this model reads text, image. Leave top_p out, or ask for another model.",
    )
  })

  it.each<[param: string, code: GatewayError["code"], rules: ReadonlyArray<ExclusionRule>]>([
    ["messages", "context_length_exceeded", [kind, unsupported, tooMuch, tooLong]],
    ["max_tokens", "invalid_request", [kind, unsupported, tooMuch]],
    ["top_p", "invalid_request", [kind, input, unsupported, parameter]],
    ["seed", "invalid_request", [kind, input, unsupported]],
    ["input", "invalid_request", [kind, input]],
    ["model", "invalid_request", [kind, { rule: "not_allowed" }]],
  ])("blames %s, of the model that came closest, with %s", (param, code, rules) => {
    for (const order of [rules, rules.toReversed()]) {
      assert.deepInclude(refuse(...order.map((rule, index) => at(`p${index}/m`, rule))), { param, code })
    }
  })
})
