import { assert, describe, it } from "@effect/vitest"
import { dispositions, ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { fromBrokenStream, fromProviders } from "../../src/inference/failures.ts"

const failure = (
  kind: ProviderErrorKind,
  provider = "a",
  more: { message?: string; retryAfterMs?: number } = {},
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
  })

  it("passes on a provider's words only about the client's own request", () => {
    const words = "Incorrect API key provided: sk-abc***xyz"
    for (const kind of Object.keys(dispositions) as Array<ProviderErrorKind>) {
      const shown = fromProviders([failure(kind, "a", { message: words })]).detail.includes("sk-abc")
      assert.strictEqual(
        shown,
        ["bad_request", "context_length_exceeded", "content_filter"].includes(kind),
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
