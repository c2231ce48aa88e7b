import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { outcomeHeaders, progressHeaders, rateLimitFields } from "../../src/http/outcome-headers.ts"
import type { Outcome, Progress } from "../../src/inference/Outcome.ts"

const costHeader = (nanoUsd: number | null) => {
  // Nothing else of it is read.
  const outcome = {
    ...{ requestId: "r", attemptCount: 1, latencyMs: 2, timings: { authMs: 0, routeMs: 0, upstreamMs: 1 } },
    result: Result.succeed({ cost: { nanoUsd } }),
  } as unknown as Outcome
  return outcomeHeaders(outcome, rateLimitFields)["x-gateway-cost"]
}

const droppedHeader = (dropped: ReadonlyArray<string>) => {
  // Nothing else of it is read.
  const progress = {
    ...{ requestId: "r", attemptCount: 1, latencyMs: 2, timings: { authMs: 0, routeMs: 0, upstreamMs: 1 } },
    candidate: { provider: { name: "p" }, model: { name: "m" }, call: { dropped: () => dropped } },
  } as unknown as Progress
  return progressHeaders(progress, rateLimitFields)["x-gateway-dropped"]
}

describe("the header of what was left out", () => {
  const places = (count: number, field: string) =>
    Array.from({ length: count }, (_, index) => `messages[${index}].${field}`)

  it("names each place", () => {
    assert.strictEqual(
      droppedHeader(["seed", ...places(2, "name")]),
      "seed, messages[0].name, messages[1].name",
    )
    assert.isUndefined(droppedHeader([]))
  })

  it("names what stands in many places once, and says how many more there are", () => {
    assert.strictEqual(
      droppedHeader(["seed", ...places(1000, "name"), "tools[3].strict"]),
      "seed, messages[].name, tools[3].strict",
    )
    const many = Array.from({ length: 100 }, (_, index) => `f${index}`)
    assert.strictEqual(droppedHeader(many), [...many.slice(0, 20), "and 80 more"].join(", "))
  })

  it("holds whatever a client calls its fields", () => {
    assert.strictEqual(droppedHeader(["x\r\ny", "Ünkown", "\ud800"]), "x%0D%0Ay, %C3%9Cnkown, %EF%BF%BD")
    assert.strictEqual(droppedHeader(["x".repeat(1000)]), "x".repeat(100))
  })
})

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
