import type { JsonObject } from "../../../platform/json.ts"
import { numberOf } from "./schema.ts"

/** Multiples that are tried: of fractions, not every multiple divides evenly again. */
const MAX_TRIES = 200

/** Makes a number that fits a schema's bounds, 1 where that is one; the next ones are its variants. */
export const simulatedNumber = (schema: JsonObject, whole: boolean, variant: number): number => {
  const { low, high, lowOpen, highOpen } = boundsOf(schema)
  const fits = (value: number) =>
    (lowOpen ? value > low : value >= low) && (highOpen ? value < high : value <= high)
  const multiple = numberOf(schema.multipleOf)
  const step = multiple !== undefined && multiple > 0 ? multiple : whole ? 1 : undefined
  if (step === undefined) {
    const start = Math.min(Math.max(1, low), high) + variant
    if (fits(start)) return start
    // Between the bounds, or just beside the only one.
    const from = low === Number.NEGATIVE_INFINITY ? high - 2 : low
    const to = high === Number.POSITIVE_INFINITY ? low + 2 : high
    return from + (to - from) / (variant + 2)
  }
  const first = Math.max(1, Math.ceil(low / step))
  const last = Math.floor(high / step)
  let left = variant
  for (let i = 0; i < MAX_TRIES + variant; i++) {
    // A bound below the first of them turns the way around.
    const value = exact((last < first ? last - i : first + i) * step)
    const isMultiple = multiple === undefined || Number.isInteger(value / multiple)
    if (fits(value) && isMultiple && (!whole || Number.isInteger(value)) && left-- === 0) return value
  }
  return fits(0) ? 0 : exact(first * step)
}

/** Takes away what multiplication adds to a decimal fraction. */
const exact = (value: number): number => (Number.isSafeInteger(value) ? value : Number(value.toPrecision(15)))

/** Reads the bounds, also those of older schemas, where `exclusiveMinimum` is true beside `minimum`. */
const boundsOf = (schema: JsonObject) => {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  const [least, above] = [numberOf(minimum) ?? Number.NEGATIVE_INFINITY, numberOf(exclusiveMinimum)]
  const [most, below] = [numberOf(maximum) ?? Number.POSITIVE_INFINITY, numberOf(exclusiveMaximum)]
  return {
    low: Math.max(least, above ?? least),
    high: Math.min(most, below ?? most),
    lowOpen: exclusiveMinimum === true || (above !== undefined && above >= least),
    highOpen: exclusiveMaximum === true || (below !== undefined && below <= most),
  }
}
