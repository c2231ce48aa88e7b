import { Schema, Struct } from "effect"

/** The rollup tables as the migrations make them: the ledger writes them, analytics read them, a check compares. */

/**
 * Columns that are sums, in every one of the tables: over requests, in the row of whoever answered, and for
 * `wasted_nano_usd` and `unpriced_attempts` over attempts whose cost is not their request's, in the row of the attempt's provider
 * and model.
 */
export const RollupSums = Schema.Struct({
  requests: Schema.Finite,
  errors: Schema.Finite,
  input_tokens: Schema.Finite,
  output_tokens: Schema.Finite,
  cached_tokens: Schema.Finite,
  reasoning_tokens: Schema.Finite,
  cost_nano_usd: Schema.Finite,
  unpriced_requests: Schema.Finite,
  latency_ms: Schema.Finite,
  wasted_nano_usd: Schema.Finite,
  unpriced_attempts: Schema.Finite,
})

export const ROLLUP_SUMS = Struct.keys(RollupSums.fields)

/** Returns SQL that adds the sums of `excluded` to those of `table`. */
export const addedSums = (table: string): string =>
  ROLLUP_SUMS.map((column) => `${column} = ${table}.${column} + excluded.${column}`).join(", ")

/** SQL for all sums of a row that may have some of them only. */
export const KNOWN_SUMS = ROLLUP_SUMS.map((column) => `coalesce(${column}, 0)`).join(", ")

/**
 * Returns SQL that tells whether an attempt's cost was wasted: the request's answer, and with it the request's cost, is its
 * last attempt's or nobody's. `count` is how many attempts the request had.
 */
export const isWasted = (attempt: string, request: string, count = `${request}.attempts`): string =>
  `(${attempt}.ordinal, ${attempt}.provider, ${attempt}.model) IS DISTINCT FROM ` +
  `(${count}, ${request}.provider, ${request}.model)`

/** SQL for whether an attempt used tokens whose cost is not known. */
const isUnpriced = (attempt: string): string =>
  `${attempt}.cost_nano_usd IS NULL AND ${attempt}.input_tokens IS NOT NULL`

/** SQL for the sums over attempts that were wasted, and for which of those have any. */
export const wastedSums = (attempt: string): { readonly sums: string; readonly hasAny: string } => ({
  sums:
    `sum(${attempt}.cost_nano_usd) AS wasted_nano_usd, ` +
    `count(*) FILTER (WHERE ${isUnpriced(attempt)}) AS unpriced_attempts`,
  hasAny: `(${attempt}.cost_nano_usd > 0 OR ${isUnpriced(attempt)})`,
})

/** Sizes of rows in hours, each a multiple of the one before; rows start at multiples of their size since 1970. */
export const ROLLUP_HOURS = [1, 6, 24, 168]

export interface RollupTable {
  readonly name: string
  /** Columns that tell its rows apart, besides size, start and mode. */
  readonly groups: ReadonlyArray<string>
}

/** The table of which the others are sums. */
export const USAGE: RollupTable = { name: "usage", groups: ["key_id", "provider", "model"] }

export const COARSER_USAGE: ReadonlyArray<RollupTable> = [
  { name: "key_usage", groups: ["key_id"] },
  { name: "model_usage", groups: ["provider", "model"] },
  { name: "total_usage", groups: [] },
]
