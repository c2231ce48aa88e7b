import { BigDecimal } from "effect"

/** Decimal dollars, every digit of them and nine decimals at least. */
export const exactDollars = (usd: BigDecimal.BigDecimal): string => {
  const shortest = BigDecimal.normalize(usd)
  const { value, scale } = shortest.scale < 9 ? BigDecimal.scale(shortest, 9) : shortest
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, "0")
  return `${value < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** Whole nano-dollars as decimal dollars. */
export const dollars = (nanoUsd: bigint): string => exactDollars(BigDecimal.make(nanoUsd, 9))
