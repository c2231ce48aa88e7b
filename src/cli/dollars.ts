/** Whole nano-dollars as decimal dollars, every digit of them. */
export const dollars = (nanoUsd: bigint): string => {
  const digits = (nanoUsd < 0n ? -nanoUsd : nanoUsd).toString().padStart(10, "0")
  return `${nanoUsd < 0n ? "-" : ""}${digits.slice(0, -9)}.${digits.slice(-9)}`
}
