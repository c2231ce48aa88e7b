import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { parseDuration, parseRetryAfter } from "../../../src/providers/protocols/retry-after.ts"

const now = Date.UTC(2026, 10, 23, 12, 0, 0)
const parse = (retryAfter?: string, retryAfterMs?: string) =>
  parseRetryAfter({ retryAfter, retryAfterMs }, now)

describe("parseRetryAfter", () => {
  it.each<
    [name: string, retryAfter: string | undefined, retryAfterMs: string | undefined, ms: number | undefined]
  >([
    ["nothing", undefined, undefined, undefined],
    ["seconds", "7", undefined, 7000],
    ["fractional seconds", "0.25", undefined, 250],
    ["zero", "0", undefined, 0],
    ["milliseconds before seconds", "7", "6500", 6500],
    ["seconds when the milliseconds are garbage", "7", "soon", 7000],
    ["a fraction of a millisecond rounds up", undefined, "0.2", 1],
    ["a date", "Mon, 23 Nov 2026 12:00:30 GMT", undefined, 30_000],
    ["an RFC 850 date", "Monday, 23-Nov-26 12:00:30 GMT", undefined, 30_000],
    ["an asctime date, which is GMT", "Mon Nov 23 12:00:30 2026", undefined, 30_000],
    ["a past date is no wait", "Sun, 06 Nov 1994 08:49:37 GMT", undefined, 0],
    ["negative seconds are no wait", "-5", undefined, 0],
    ["a far date is cut", "Mon, 23 Nov 2099 12:00:30 GMT", undefined, 3_600_000],
    ["many seconds are cut", "999999999", undefined, 3_600_000],
    ["a word", "later", undefined, undefined],
    ["an empty value", "", undefined, undefined],
    ["a number with a unit", "7s", undefined, undefined],
    ["an exponent", "1e3", undefined, undefined],
    ["a list", "7, 8", undefined, undefined],
    ["a weekday without a date", "Mon, whenever", undefined, undefined],
    ["a date Date.parse knows and HTTP does not", "2026-11-23T12:00:30Z", undefined, undefined],
  ])("%s", (_name, retryAfter, retryAfterMs, ms) => {
    assert.strictEqual(parse(retryAfter, retryAfterMs), ms)
  })

  it("is a whole number within 0..1 h or nothing, for any text", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const ms = parse(a, b)
        assert.isTrue(ms === undefined || (Number.isInteger(ms) && ms >= 0 && ms <= 3_600_000))
      }),
    )
  })

  it("reads back every date that JavaScript writes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3600 }), (seconds) => {
        assert.strictEqual(parse(new Date(now + seconds * 1000).toUTCString()), seconds * 1000)
      }),
    )
  })
})

describe("parseDuration", () => {
  it.each<[value: unknown, ms: number | undefined]>([
    ["22s", 22_000],
    ["1.5s", 1500],
    ["0.000000001s", 1],
    ["0s", 0],
    ["-3s", 0],
    ["86400s", 3_600_000],
    ["22", undefined],
    ["22ms", undefined],
    ["1m", undefined],
    ["s", undefined],
    ["", undefined],
    [22, undefined],
    [null, undefined],
    [{ seconds: 22 }, undefined],
  ])("%j", (value, ms) => {
    assert.strictEqual(parseDuration(value), ms)
  })
})
