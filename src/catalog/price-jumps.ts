import { toUsd } from "../domain/Money.ts"
import { dayOf, type Price, type PriceRow } from "./model.ts"
import { priceAt, rowsOf } from "./price-history.ts"

/** Finds prices that change by so much that somebody has to look at them. */

/** A price may double or halve. */
const MAX_FACTOR = 2

/** Prices of tokens, and what they are called. */
export const RATES = [
  ["inputNanoPer1M", "input"],
  ["cachedInputNanoPer1M", "cached input"],
  ["cacheWriteNanoPer1M", "cache write"],
  ["cacheWrite1hNanoPer1M", "cache write for an hour"],
  ["outputNanoPer1M", "output"],
  ["audioInputNanoPer1M", "audio input"],
  ["cachedAudioInputNanoPer1M", "cached audio input"],
  ["audioOutputNanoPer1M", "audio output"],
  ["imageOutputNanoPer1M", "image output"],
] as const

const isJump = (before: number, after: number): boolean =>
  before !== after && (before === 0 || after === 0 || Math.max(before / after, after / before) > MAX_FACTOR)

/** Returns what jumps from one price to another, on any day and for prompts of any length, in words. */
export const jumpsBetween = (before: Price | undefined, after: Price | undefined): ReadonlyArray<string> => {
  const days = [...rowsOf(before), ...rowsOf(after)].map(({ validFrom }) => validFrom)
  return [...new Set(days)].flatMap((day) => {
    const at = day ?? Number.NEGATIVE_INFINITY
    const [old, next] = [priceAt(before, at), priceAt(after, at)]
    if (old === undefined || next === undefined) return []
    const since = day === undefined ? "" : ` from ${dayOf(day)} on`
    return jumpsOf(old, next).map((jump) => `${jump}${since}`)
  })
}

const jumpsOf = (old: PriceRow, next: PriceRow): ReadonlyArray<string> => {
  const found: Array<string> = []
  const compare = (what: string, before: number | undefined, after: number | undefined, where: string) => {
    if (before !== undefined && after !== undefined && isJump(before, after)) {
      found.push(`${what} ${toUsd(before)} -> ${toUsd(after)} USD${where}`)
    }
  }
  const bounds = [...(old.bands ?? []), ...(next.bands ?? [])].map(({ aboveTokens }) => aboveTokens)
  for (const bound of new Set([0, ...bounds])) {
    const [a, b] = [old, next].map(
      (row) => row.bands?.findLast(({ aboveTokens }) => bound >= aboveTokens) ?? row,
    )
    const where = bound === 0 ? "" : ` above ${bound} tokens`
    for (const [field, what] of RATES) compare(what, a?.[field], b?.[field], where)
  }
  compare("request", old.requestNano, next.requestNano, "")
  compare("web search", old.webSearchNano, next.webSearchNano, "")
  compare("file search", old.fileSearchNano, next.fileSearchNano, "")
  return found
}
