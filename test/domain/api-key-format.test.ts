import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import {
  formatApiKey,
  generateApiKeyId,
  generateApiKeySecret,
  parseApiKey,
} from "../../src/domain/ApiKeyFormat.ts"

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
const base62 = (length: number) =>
  fc.string({ unit: fc.constantFrom(...BASE62), minLength: length, maxLength: length })
const parts = fc.record({ id: base62(12), secret: base62(43) })

describe("API key format", () => {
  it("is the documented shape", () => {
    const key = formatApiKey({ id: "0".repeat(12), secret: "a".repeat(43) })
    assert.match(key, /^gwk_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}[0-9A-Za-z]{6}$/)
    // Reference value: CRC-32 (IEEE) of the text before it, computed by another implementation.
    assert.strictEqual(key.slice(-6), "0dQkFZ")
  })

  it("parses what it wrote", () => {
    fc.assert(
      fc.property(parts, (key) => {
        assert.deepStrictEqual(parseApiKey(formatApiKey(key)), key)
      }),
    )
  })

  it("refuses any single changed character", () => {
    fc.assert(
      fc.property(
        parts,
        fc.nat({ max: 65 }),
        fc.constantFrom(...BASE62, "_", " ", "\0", "é"),
        (key, at, character) => {
          const token = formatApiKey(key)
          fc.pre(token[at] !== character)
          assert.isUndefined(parseApiKey(token.slice(0, at) + character + token.slice(at + 1)))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it("refuses a cut, a padded and a doubled key", () => {
    const token = formatApiKey({ id: "A".repeat(12), secret: "z".repeat(43) })
    for (const wrong of [
      token.slice(1),
      token.slice(0, -1),
      `${token}\n`,
      ` ${token}`,
      `${token}\0`,
      token + token,
    ]) {
      assert.isUndefined(parseApiKey(wrong))
    }
  })

  it("never throws and never accepts noise", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 200 }),
          fc.string({ unit: "binary", minLength: 66, maxLength: 66 }),
          fc.tuple(base62(12), base62(49)).map(([id, rest]) => `gwk_${id}_${rest}`),
          fc.constantFrom("", "gwk_", "gwk_' OR 1=1 --", "gwk_%s_%n", "\u001b[31m", "gwk_\0\0\0"),
        ),
        (noise) => {
          assert.isUndefined(parseApiKey(noise))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it("does not read through a long input", () => {
    const time = (input: string) => {
      const started = performance.now()
      for (let i = 0; i < 20_000; i++) assert.isUndefined(parseApiKey(input))
      return performance.now() - started
    }
    // Hashing 2 GB takes hundreds of times as long.
    assert.isBelow(time(`gwk_${"a".repeat(100_000)}`), 20 * time("gwk_a") + 50)
  })

  it("draws every character equally often", () => {
    const counts = new Map<string, number>()
    let drawn = 0
    for (let i = 0; i < 3_000; i++) {
      for (const character of generateApiKeySecret(randomBytes)) {
        counts.set(character, (counts.get(character) ?? 0) + 1)
        drawn += 1
      }
    }
    assert.strictEqual(counts.size, 62)
    const expected = drawn / 62
    let chiSquared = 0
    for (const count of counts.values()) chiSquared += (count - expected) ** 2 / expected
    // 61 degrees of freedom: 1 in 10^9 for a fair source; taking every byte modulo 62 gives about 850.
    assert.isBelow(chiSquared, 145)
  })

  it("draws again instead of using a byte that would bias the result", () => {
    const bytes = [255, 248, 247, 0]
    let at = 0
    const id = generateApiKeyId((size) =>
      Uint8Array.from({ length: size }, () => bytes[at++ % bytes.length] ?? 0),
    )
    assert.match(id, /^[z0]{12}$/)
  })
})
