import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { outcomeHeaders, rateLimitFields } from "../../src/http/outcome-headers.ts"
import type { Outcome } from "../../src/inference/Outcome.ts"

const costHeader = (nanoUsd: number | null) => {
  // Nothing else of it is read.
  const outcome = {
    ...{ requestId: "r", attemptCount: 1, latencyMs: 2, timings: { authMs: 0, routeMs: 0, upstreamMs: 1 } },
    result: Result.succeed({ cost: { nanoUsd } }),
  } as unknown as Outcome
  return outcomeHeaders(outcome, rateLimitFields)["x-gateway-cost"]
}

describe("the header of an answer's cost", () => {
  it.each([
    [0, "0"],
    [1, "0.000000001"],
    [140_000, "0.00014"],
    [1_000_000_000, "1"],
    [123_456_789_012, "123.456789012"],
    [null, "unknown"],
  ])("is plain dollars: %s nano-dollars", (nanoUsd, dollars) => {
    assert.strictEqual(costHeader(nanoUsd), dollars)
  })
})
