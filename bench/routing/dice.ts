/** Numbers drawn from a seed: the same place in a run is the same number, whoever asks and in whatever order. */

const mix = (n: number): number => {
  let x = n | 0
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
  return (x ^ (x >>> 15)) >>> 0
}

/** Returns a number from 0 to 1 for a place. */
export const at = (seed: number, ...place: ReadonlyArray<number>): number => {
  let state = mix(seed + 0x9e3779b9)
  for (const step of place) state = mix(state ^ Math.imul(step + 1, 0x85ebca6b))
  return (state + 0.5) / 4_294_967_296
}

/** Returns the next number from 0 to 1 at each call. */
export type Dice = () => number

export const makeDice = (seed: number): Dice => {
  let count = 0
  return () => at(seed, count++)
}

/** Turns two numbers from 0 to 1 into one of the standard normal distribution. */
export const normal = (one: number, other: number): number =>
  Math.sqrt(-2 * Math.log(one)) * Math.cos(2 * Math.PI * other)

export const between = (dice: Dice, low: number, high: number): number => low + dice() * (high - low)

/** Draws evenly over orders of magnitude. */
export const logBetween = (dice: Dice, low: number, high: number): number =>
  Math.exp(between(dice, Math.log(low), Math.log(high)))

/** Draws from a log-normal distribution with a median. */
export const logNormal = (dice: Dice, median: number, sigma: number): number =>
  median * Math.exp(sigma * normal(dice(), dice()))

export const exponential = (dice: Dice, mean: number): number => -mean * Math.log(dice())

export const pick = <A>(dice: Dice, all: ReadonlyArray<A>): A =>
  all[Math.min(all.length - 1, Math.floor(dice() * all.length))] as A
