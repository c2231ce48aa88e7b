import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { usedUpLimits } from "../../../src/providers/http/used-up-limits.ts"
import {
  parseDuration,
  parseRetryAfter,
  untilReset,
  waitInWords,
  waitOf,
} from "../../../src/providers/protocols/retry-after.ts"

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

describe("untilReset", () => {
  it.each<[name: string, reset: string, ms: number | undefined]>([
    ["seconds", "30", 30_000],
    ["fractional seconds", "11.382867097854614", 11_383],
    ["an instant in seconds", String(now / 1000 + 30), 30_000],
    ["an instant in milliseconds", String(now + 30_000), 30_000],
    ["RFC 3339", "2026-11-23T12:00:30Z", 30_000],
    ["RFC 3339 of another zone", "2026-11-23T13:00:30.5+01:00", 30_500],
    ["Go's minutes and seconds", "6m0s", 360_000],
    ["Go's milliseconds", "120ms", 120],
    ["Go's fractions", "2m59.56s", 179_560],
    ["Go's hours, cut", "1h2m3s", 3_600_000],
    ["Go's microseconds, rounded up", "500µs", 1],
    ["blanks around it", " 30 ", 30_000],
    ["an instant that is over", "2026-11-23T11:00:00Z", 0],
    ["the year 2001 in seconds, which is over", "1000000000", 0],
    ["years", "99999999", undefined],
    ["the year 2099", "2099-01-01T00:00:00Z", undefined],
    ["a negative number", "-1", undefined],
    ["a word", "soon", undefined],
    ["an empty value", "", undefined],
    ["an exponent", "1e3", undefined],
    ["a day without a time", "2026-11-24", undefined],
    ["a unit that Go does not have", "2d", undefined],
  ])("%s", (_name, reset, ms) => {
    assert.strictEqual(untilReset([reset], now), ms)
  })

  it("is of the limit that takes longest, past what is not understood", () => {
    assert.strictEqual(untilReset(["soon", "1s", "7.66s", "99999999", "3s"], now), 7_660)
    assert.isUndefined(untilReset([], now))
    assert.isUndefined(untilReset(undefined, now))
  })

  it("is a whole number within 0..1 h or nothing, for any text", () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.hmsuZT:+-]{0,80}$/))
    fc.assert(
      fc.property(text, (reset) => {
        const ms = untilReset([reset], now)
        assert.isTrue(ms === undefined || (Number.isInteger(ms) && ms >= 0 && ms <= 3_600_000), String(ms))
      }),
    )
  })
})

describe("waitInWords", () => {
  it.each<[words: string | undefined, ms: number | undefined]>([
    ["Limit 30000, Used 29937, Requested 385. Please try again in 644ms.", 644],
    ["Please try again in 1m0.363142857s. Visit https://console.groq.com", 60_364],
    ["Please retry after 37 seconds. Please contact Azure support", 37_000],
    ["Please retry after 1 second.", 1_000],
    ["limit: 0\nPlease retry in 10.689924287s.", 10_690],
    ["Please try again in 24h0m0s", 3_600_000],
    ["Please try again in 99999999s", undefined],
    ["Please try again in a few moments.", undefined],
    ["Please try again later.", undefined],
    ["Please try again in 20", undefined],
    ["Please try again in 5 minutes", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%j", (words, ms) => {
    assert.strictEqual(waitInWords(429, words), ms)
    assert.isUndefined(waitInWords(500, words))
  })
})

describe("usedUpLimits", () => {
  it("are those of which nothing is left", () => {
    const headers = {
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": "1s",
      "x-ratelimit-remaining-tokens": "7",
      "x-ratelimit-reset-tokens": "6m0s",
      ratelimit: '"default";r=50;t=30, "tokens";t=25;r=0, "day" ; r=0 ; t=7, "none";r=0, odd;r=0;t=1',
    }
    assert.deepStrictEqual(usedUpLimits(headers, true), ["1s", "25", "7"])
  })

  it("are all whose rest is not stated in a refusal, and none in an answer", () => {
    const headers = { "x-ratelimit-reset": "30" }
    assert.deepStrictEqual(usedUpLimits(headers, true), ["30"])
    assert.isUndefined(usedUpLimits(headers, false))
  })

  it("are none where there is something left, or nothing known", () => {
    assert.isUndefined(usedUpLimits({ "x-ratelimit-remaining": "1", "x-ratelimit-reset": "30" }, true))
    assert.isUndefined(
      usedUpLimits({ "x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "0" }, true),
    )
    assert.isUndefined(usedUpLimits({ "x-ratelimit-remaining": "0" }, true))
  })
})

describe("waitOf", () => {
  it("heeds fields made for it, then the body, then limits that are used up", () => {
    const resets = ["30"]
    assert.strictEqual(waitOf({ retryAfter: "7", retryAfterMs: "6500", resets }, now, 1), 6_500)
    assert.strictEqual(waitOf({ retryAfter: "7", retryAfterMs: undefined, resets }, now, 1), 7_000)
    assert.strictEqual(waitOf({ retryAfter: undefined, retryAfterMs: undefined, resets }, now, 1), 1)
    assert.strictEqual(waitOf({ retryAfter: "soon", retryAfterMs: undefined, resets }, now), 30_000)
    assert.isUndefined(waitOf({ retryAfter: undefined, retryAfterMs: undefined }, now))
  })
})
