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

/** Returns SQL for the histogram of a group of buckets, of each of which so many were counted. */
export const histogramOf = (counted: string): string =>
  `string_agg(int2send(bucket) || int4send(${counted}), '' ORDER BY bucket)`

/** Bytes up to which histograms are appended to each other: to make one of both is slow, and much of it would be moved out of the row. */
const MOST_APPENDED = 1_500

/** Returns SQL that adds the histogram of `excluded` to that of `table`. One behind the other they are a sum as well. */
export const joinedHistograms = (table: string, column: string, most = MOST_APPENDED): string =>
  `${column} = CASE
    WHEN length(${table}.${column}) + length(excluded.${column}) > ${most}
    THEN compact_latencies(${table}.${column} || excluded.${column})
    ELSE ${table}.${column} || excluded.${column}
  END`

/** Sizes of rows of `first_token_usage`. */
export const FIRST_TOKEN_HOURS = [1, 24]

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
const ROLLUP_HOURS = [1, 6, 24, 168]

export interface RollupTable {
  readonly name: string
  /** Columns that tell its rows apart, besides size, start and mode. */
  readonly groups: ReadonlyArray<string>
  readonly hours: ReadonlyArray<number>
  /** Whether it has histograms: of many small groups they would be most of it. */
  readonly hasLatencies: boolean
}

const inAllSizes = (name: string, ...groups: ReadonlyArray<string>): RollupTable => ({
  name,
  groups,
  hours: ROLLUP_HOURS,
  hasLatencies: true,
})

/** The table of which the other three are sums. */
export const USAGE = inAllSizes("usage", "key_id", "provider", "model")

export const COARSER_USAGE: ReadonlyArray<RollupTable> = [
  inAllSizes("key_usage", "key_id"),
  inAllSizes("model_usage", "provider", "model"),
  inAllSizes("total_usage"),
]

/** What usage is known by that is a column of requests, but not of every table of sums. */
export type Dimension = "endpoint" | "team" | "tag" | "user"

/**
 * Usage by what a request belongs to. Only requests that have a team, a user or a tag are in tables of it, and one with two
 * tags is in two rows.
 */
export interface AttributedTable extends RollupTable {
  readonly dimension: Dimension
}

/** The tables of each dimension, whose column is the first of their groups: the smallest first, the last with all that is told apart. */
export const ATTRIBUTED_USAGE: ReadonlyArray<AttributedTable> = [
  { dimension: "endpoint", ...inAllSizes("endpoint_usage", "endpoint") },
  { dimension: "team", ...inAllSizes("team_usage", "team") },
  { dimension: "team", ...inAllSizes("team_cell_usage", "team", "key_id", "provider", "model") },
  { dimension: "tag", ...inAllSizes("tag_usage", "tag") },
  {
    dimension: "tag",
    name: "tag_model_usage",
    groups: ["tag", "provider", "model"],
    hours: [24, 168],
    hasLatencies: false,
  },
  { dimension: "user", name: "user_usage", groups: ["end_user"], hours: [24], hasLatencies: false },
]

/** Columns that tell rows of `attributed_recent` apart. */
export const ATTRIBUTED_CELL = "hour, dimension, name, key_id, provider, model, stream"

/** Returns the column of `attributed_recent` that has what a table of a dimension has in `group`. */
export const recentColumn = (group: string): string =>
  group === "key_id" || group === "provider" || group === "model" ? group : "name"

/**
 * Returns SQL for the rows of `attributed_recent` that a request, or one of its attempts, counts in: a source named `member`,
 * with '' for what the tables of its dimension do not tell apart.
 */
export const membersOf = (request: string, provider: string, model: string): string => `(
  SELECT 'endpoint' AS dimension, ${request}.endpoint AS name, '' AS key_id, '' AS provider, '' AS model
  UNION ALL
  SELECT 'team', ${request}.team, ${request}.key_id, ${provider}, ${model} WHERE ${request}.team <> ''
  UNION ALL
  SELECT 'user', ${request}.end_user, '', '', '' WHERE ${request}.end_user <> ''
  UNION ALL
  SELECT DISTINCT 'tag', tag, '', ${provider}, ${model} FROM unnest(${request}.tags) AS tag
) AS member`

/** SQL for the columns of a `member`. */
export const MEMBER = "member.dimension, member.name, member.key_id, member.provider, member.model"

/** SQL for whether latencies of a dimension are kept in histograms. */
export const HAS_LATENCIES = "dimension <> 'user'"
