/** The rollup tables as the migrations make them: the ledger writes them, analytics read them, the doctor compares. */

/** Columns that are sums over requests, in every one of the tables. */
export const ROLLUP_SUMS = [
  "requests",
  "errors",
  "input_tokens",
  "output_tokens",
  "cached_tokens",
  "reasoning_tokens",
  "cost_nano_usd",
  "unpriced_requests",
  "latency_ms",
]

/** Hours that a row of the tables below counts, counted since 1970; each size is made of whole ones of the one before. */
export const ROLLUP_HOURS = [1, 6, 24, 168]

export interface RollupTable {
  readonly name: string
  /** What its rows tell apart besides the mode. */
  readonly groups: ReadonlyArray<string>
}

/** The others are sums of its rows. */
export const USAGE: RollupTable = { name: "usage", groups: ["key_id", "provider", "model"] }

export const COARSER_USAGE: ReadonlyArray<RollupTable> = [
  { name: "key_usage", groups: ["key_id"] },
  { name: "model_usage", groups: ["provider", "model"] },
  { name: "total_usage", groups: [] },
]
