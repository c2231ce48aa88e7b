import { Schema } from "effect"

/**
 * Money inside the gateway: whole nano-dollars (1 USD = 1e9). Never a float, never negative.
 * A safe integer holds 9 million dollars, far above any single request.
 */
export const NanoUsd = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).pipe(Schema.brand("NanoUsd"))
export type NanoUsd = typeof NanoUsd.Type

const NANO_PER_USD = 1_000_000_000

/** Returns dollars for people and JSON: only for the last step before output. */
export const toUsd = (nano: number | bigint): number => Number(nano) / NANO_PER_USD

/** Returns the nearest whole number of nano-dollars. The input must be finite and >= 0. */
export const fromUsd = (usd: number): NanoUsd => NanoUsd.make(Math.round(usd * NANO_PER_USD))

/** Plain decimal dollars, at most nine places: never exponent notation. The input must be whole and >= 0. */
export const decimalUsd = (nanoUsd: number): string => {
  const below = nanoUsd % NANO_PER_USD
  const dollars = String((nanoUsd - below) / NANO_PER_USD)
  if (below === 0) return dollars
  let digits = below
  let places = 9
  while (digits % 10 === 0) {
    digits /= 10
    places -= 1
  }
  return `${dollars}.${String(digits).padStart(places, "0")}`
}

/**
 * Returns the nano-dollars of an amount that has no smaller decimals: by its digits, since the product of a large amount may
 * be off by one. The input must be finite and >= 0.
 */
export const exactNanoUsd = (usd: number): NanoUsd => NanoUsd.make(Number(usd.toFixed(9).replace(".", "")))
