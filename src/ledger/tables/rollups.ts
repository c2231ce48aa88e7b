import { Schema, Struct } from "effect"

/** The rollup tables as the migrations make them: the ledger writes them, analytics read them, a check compares. */

/** Columns that are sums over requests, in every one of the tables. */
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
})

export const ROLLUP_SUMS = Struct.keys(RollupSums.fields)

/** Returns SQL that adds the sums of `excluded` to those of `table`. */
export const addedSums = (table: string): string =>
  ROLLUP_SUMS.map((column) => `${column} = ${table}.${column} + excluded.${column}`).join(", ")

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
