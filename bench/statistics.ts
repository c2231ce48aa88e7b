/** Numbers of several rounds as one: the median with its extremes. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Returns the number below which this share (0 to 1) of the numbers lie; NaN of none. */
export const percentile = (numbers: ReadonlyArray<number>, share: number): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Returns median, least and most; of an even number of rounds the median is the middle of the two in the middle. */
export const spread = (numbers: ReadonlyArray<number>): Spread => {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const below = sorted[Math.floor(middle)] ?? Number.NaN
  const above = sorted[Math.ceil(middle)] ?? Number.NaN
  return { median: (below + above) / 2, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}

const rounded = (digits: number, value: number): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })

/** Writes `147 (134 to 149)`, or the median alone where all rounds agree. */
export const shown = ({ median, min, max }: Spread, digits: number): string => {
  if (Number.isNaN(median)) return "-"
  const [middle, least, most] = [rounded(digits, median), rounded(digits, min), rounded(digits, max)]
  return least === most ? middle : `${middle} (${least} to ${most})`
}

/** Returns the spread of what two subjects gave in the same rounds, put together. */
export const paired = (
  ours: ReadonlyArray<number>,
  theirs: ReadonlyArray<number>,
  put: (ours: number, theirs: number) => number,
): Spread => spread(ours.map((value, round) => put(value, theirs[round] ?? Number.NaN)))
