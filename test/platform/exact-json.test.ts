import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { parseExactJson, roundedNumber } from "../../src/platform/exact-json.ts"
import { cpuMs } from "../support/cpu-time.ts"

describe("exact JSON", () => {
  it("is JSON.parse for everything but integers that a number cannot hold", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        const rounded = JSON.parse(text)
        const parsed = parseExactJson(text)
        assert.strictEqual(JSON.stringify(JSON.parse(JSON.stringify(parsed))), JSON.stringify(rounded))
        if (!/\d{16}/.test(text)) assert.deepStrictEqual(parsed, rounded)
      }),
    )
  })

  it("keeps every digit of an integer, wherever it is and whatever is around it", () => {
    const place = fc.constantFrom(
      (n: string) => `[${n}]`,
      (n: string) => `[0,\n\t ${n} ]`,
      (n: string) => `{"a":${n}}`,
      (n: string) => `{"a":{"b":[{"c" : ${n}}],"d":"${n}"}}`,
      (n: string) => `{"__proto__":{"constructor":${n}}}`,
    )
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), place, (n, at) => {
        const text = at(String(n))
        assert.strictEqual(
          JSON.stringify(parseExactJson(text)),
          text.replace(/\s(?=[^"]*(?:"[^"]*"[^"]*)*$)/g, ""),
        )
      }),
    )
  })

  it("rounds them for who needs a number", () => {
    const [long, short, text] = Object.values(Object(parseExactJson('{"a":9007199254740993,"b":5,"c":"5"}')))
    assert.deepStrictEqual(
      [roundedNumber(long), roundedNumber(short), roundedNumber(text)],
      [2 ** 53, 5, "5"],
    )
  })

  it("throws where JSON.parse throws, and only there", () => {
    const long = "12345678901234567890"
    for (const text of [
      `{"a":${long}`,
      `{"a":1,${long}:2}`,
      `[${long}${long}`,
      `[0${long}]`,
      `[--${long}]`,
      `[+${long}]`,
      `[${long}.]`,
      `[${long}e]`,
      `[${long}.5e+]`,
      `[${long}x]`,
      `[1 ${long}]`,
      `[1e-${long}]`,
      `[1E+${long}]`,
      `[0.${long}]`,
      `[-0.${long}e${long}]`,
      `[${long}e-5]`,
      `[${long}.0]`,
      `["\\"${long}", ${long}]`,
      `${long}`,
      ` -${long} `,
    ]) {
      let parsed: unknown
      try {
        parsed = JSON.parse(text)
      } catch {
        assert.throws(() => parseExactJson(text, true), SyntaxError, undefined, text)
        continue
      }
      const exact = JSON.stringify(parseExactJson(text, true))
      assert.strictEqual(JSON.stringify(JSON.parse(exact)), JSON.stringify(parsed), text)
    }
  })

  it("costs little more with such an integer than without", () => {
    const zeros = Array(500_000).fill(0).join()
    const best = (text: string) =>
      Math.min(...Array.from({ length: 5 }, () => cpuMs(() => parseExactJson(text))))
    // A reviver, called for every value, takes some thirty times as long.
    assert.isBelow(best(`[12345678901234567890,${zeros}]`), 8 * best(`[0,${zeros}]`) + 10)
  })
})
