import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { attempt, record } from "./records.ts"

const fields = (changes: Parameters<typeof record>[0]) => JSON.parse(ledgerEntry(record(changes)).line)

describe("ledgerEntry", () => {
  it("is one line that names the request", () => {
    const given = record()
    const { id, line } = ledgerEntry(given)
    assert.strictEqual(id, given.id)
    assert.notInclude(line, "\n")
    assert.strictEqual(JSON.parse(line).id, given.id)
  })

  it("replaces what PostgreSQL text cannot hold, in values and in names", () => {
    const { raw_usage } = fields({
      rawUsage: { a: "\0x\ud800", "\0\udfff": ["\u{1f600}", "\ud83d\0\ude00"] },
    })
    assert.deepStrictEqual(raw_usage, {
      a: "\ufffdx\ufffd",
      "\ufffd\ufffd": ["\u{1f600}", "\ufffd\ufffd\ufffd"],
    })
  })

  it("keeps a written-out escape as the text it is", () => {
    const rawUsage = { a: "\\u0000", b: "\\\\ud800", c: "\u0001\n", d: "\\\u0000" }
    assert.deepStrictEqual(fields({ rawUsage }).raw_usage, { ...rawUsage, d: "\\\ufffd" })
  })

  it("changes no well-formed JSON without NUL", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (json) => {
        const text = JSON.stringify(json)
        fc.pre(!text.includes("\\u0000") && text.isWellFormed() && !/\\ud[89a-f]/.test(text))
        assert.deepStrictEqual(fields({ decision: json }).decision, JSON.parse(text))
      }),
    )
  })

  it("leaves no NUL and no lone surrogate in any text", () => {
    const unit = fc.constantFrom("\0", "\ud83d", "\ude00", "\\", "u0000", "\\ud800", '"', "é", "\u{1f600}")
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
        const { requested_model, decision } = fields({ requestedModel: text, decision: { [text]: text } })
        for (const held of [requested_model, ...Object.keys(decision), ...Object.values<string>(decision)]) {
          assert.strictEqual(held, text.toWellFormed().replaceAll("\0", "\ufffd"))
        }
      }),
    )
  })

  it.each([
    [Number.NaN, 0],
    [-1, 0],
    [0.6, 1],
    [2 ** 31, 2 ** 31 - 1],
    [Number.POSITIVE_INFINITY, 2 ** 31 - 1],
  ])("makes a latency of %d fit: %d", (latencyMs, expected) => {
    const { latency_ms, attempts } = fields({ latencyMs, attempts: [{ ...attempt, latencyMs }] })
    assert.strictEqual(latency_ms, expected)
    assert.strictEqual(attempts[0].latency_ms, expected)
  })

  it.each([Number.NaN, -1, 0.5, 2 ** 60, Number.POSITIVE_INFINITY])("takes a count of %d as unknown", (n) => {
    const usage = {
      inputTokens: n,
      outputTokens: 3,
      cachedTokens: n,
      cacheWriteTokens: 0,
      reasoningTokens: n,
    }
    const line = fields({
      usage,
      costNanoUsd: n,
      costReason: null,
      attempts: [{ ...attempt, costNanoUsd: n }],
    })
    assert.deepInclude(line, {
      input_tokens: null,
      output_tokens: 3,
      cached_tokens: null,
      reasoning_tokens: null,
      cost_nano_usd: null,
      cost_reason: "invalid_cost",
    })
    assert.strictEqual(line.attempts[0].cost_nano_usd, null)
  })

  it.each([
    [null, null],
    [0, 0],
    [90.6, 91],
    [Number.POSITIVE_INFINITY, 2 ** 31 - 1],
    [Number.NaN, null],
    [-1, null],
  ])("takes a first token after %d ms as %d", (firstTokenMs, expected) => {
    assert.strictEqual(fields({ firstTokenMs }).first_token_ms, expected)
  })

  it("keeps the reason for an unknown cost, also when there is none to give", () => {
    for (const costReason of ["missing_usage", null]) {
      assert.strictEqual(fields({ costNanoUsd: null, costReason }).cost_reason, costReason)
    }
  })

  it("gives a latency bucket to successes only", () => {
    assert.strictEqual(fields({ status: 200, latencyMs: 1024 }).latency_bucket, 200)
    for (const status of [199, 301, 400, 503]) assert.isNull(fields({ status }).latency_bucket)
    assert.isNull(fields({ status: 200, provider: null, model: null }).latency_bucket)
    assert.isNull(fields({ status: 200, stream: true, errorCode: "upstream_error" }).latency_bucket)
  })

  it("cuts names that no index entry could hold", () => {
    const { key_id, provider, model, requested_model } = fields({
      provider: "p".repeat(5_000),
      model: "\u{1f600}".repeat(5_000),
      requestedModel: "m".repeat(2_000_000),
    })
    assert.isBelow(Buffer.byteLength(key_id + provider + model), 2_704)
    assert.strictEqual(requested_model, "m".repeat(200))
  })

  it("gives up the free-form parts of a record that is too large or cannot be JSON", () => {
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    for (const rawUsage of ["x".repeat(70_000), cycle, { n: 1n }]) {
      assert.deepInclude(fields({ rawUsage }), { raw_usage: null, decision: null, input_tokens: 120 })
    }
  })
})
