import { latencyBucket } from "../domain/latency-histogram.ts"
import type { AttemptRecord, LedgerRecord } from "./LedgerRecord.ts"

/**
 * The columns of `requests` and `attempts`: for each its name, its SQL type and how its value comes from a record. The
 * journaled line, the statement that writes lines to the tables, and the lists of columns that analytics and the doctor
 * read all come from here. A new column is a migration and one line below; the API's schema has one more if clients see
 * it.
 *
 * The lists are object literals, run once with `TYPES` and for every record with `VALUES`. That costs a record what a
 * plain literal does, within two hundredths of a microsecond; a loop over columns takes three times as long.
 */
const requestFields = <Out>(as: Kinds<Out>, record: LedgerRecord) => {
  const latencyMs = clampInt4(record.latencyMs)
  // A stream that broke had its 200 long before.
  const success =
    record.provider !== null && record.status >= 200 && record.status < 300 && record.errorCode === null
  const cost = countOf(record.costNanoUsd)
  return {
    // These three come first: `timesOf` finds them by their place.
    id: as.uuid(record.id),
    started_at_ms: as.instant(record.startedAt),
    latency_ms: as.integer(latencyMs),
    latency_bucket: as.bucket(success ? latencyBucket(latencyMs) : null),
    key_id: as.text(record.keyId),
    endpoint: as.text(record.endpoint),
    route: as.text(record.route),
    requested_model: as.text(record.requestedModel),
    provider: as.text(record.provider),
    model: as.text(record.model),
    status: as.status(record.status),
    error_code: as.text(record.errorCode),
    stream: as.boolean(record.stream),
    first_token_ms: as.durationIfKnown(record.firstTokenMs),
    finish_reason: as.text(record.finishReason),
    input_tokens: as.count(record.usage?.inputTokens),
    output_tokens: as.count(record.usage?.outputTokens),
    cached_tokens: as.count(record.usage?.cachedTokens),
    cache_write_tokens: as.count(record.usage?.cacheWriteTokens),
    service_tier: as.text(record.usage?.serviceTier ?? null),
    reported_nano_usd: as.count(record.usage?.reportedNanoUsd),
    usage_details: as.json(record.usage?.details ?? null),
    reasoning_tokens: as.count(record.usage?.reasoningTokens),
    usage_estimated: as.boolean(record.usageEstimated),
    raw_usage: as.json(record.rawUsage),
    cost_nano_usd: as.count(cost),
    cost_reason: as.text(record.costNanoUsd === cost ? record.costReason : "invalid_cost"),
    price_version: as.text(record.priceVersion),
    decision: as.json(record.decision),
    attempts: as.attempts(record.attempts),
    requests: as.population(record.requests),
    charges: as.unstored(record.charges ?? null),
    team: as.text(record.team),
    end_user: as.text(record.user),
    tags: as.texts(record.tags),
  }
}

const attemptFields = <Out>(as: Kinds<Out>, attempt: AttemptRecord) => ({
  provider: as.text(attempt.provider),
  model: as.text(attempt.model),
  started_at_ms: as.instant(attempt.startedAt),
  latency_ms: as.duration(attempt.latencyMs),
  outcome: as.text(attempt.outcome),
  dispatched: as.text(attempt.dispatched),
  upstream_status: as.status(attempt.upstreamStatus),
  input_tokens: as.count(attempt.usage?.inputTokens),
  output_tokens: as.count(attempt.usage?.outputTokens),
  cached_tokens: as.count(attempt.usage?.cachedTokens),
  cache_write_tokens: as.count(attempt.usage?.cacheWriteTokens),
  service_tier: as.text(attempt.usage?.serviceTier ?? null),
  reported_nano_usd: as.count(attempt.usage?.reportedNanoUsd),
  usage_details: as.json(attempt.usage?.details ?? null),
  usage_estimated: as.boolean(attempt.usageEstimated),
  cost_nano_usd: as.count(attempt.costNanoUsd),
})

/** Kinds of columns: each makes of a record's value what a list is asked for. */
interface Kinds<Out> {
  readonly uuid: (id: string) => Out
  /** Cut to the length that fits an index. */
  readonly text: (text: string | null) => Out
  /** None where a line does not say. */
  readonly texts: (texts: ReadonlyArray<string>) => Out
  /** Epoch milliseconds in the line, under the column's name and `_ms`. */
  readonly instant: (ms: number) => Out
  /** Whole, and within what four bytes hold. */
  readonly integer: (n: number) => Out
  readonly duration: (ms: number) => Out
  readonly durationIfKnown: (ms: number | null) => Out
  /** Number of the histogram's bucket, exactly for successes: the statement tells them by it. There is no column. */
  readonly bucket: (bucket: number | null) => Out
  readonly status: (status: number | null) => Out
  /** False where a line of an older version does not say. */
  readonly boolean: (flag: boolean) => Out
  readonly count: (n: number | null | undefined) => Out
  /** One where a line of an older version does not say. */
  readonly population: (n: number) => Out
  readonly json: (value: unknown) => Out
  /** For the statement alone. */
  readonly unstored: (value: unknown) => Out
  /** A list in the line, its length in the column. */
  readonly attempts: (attempts: ReadonlyArray<AttemptRecord>) => Out
}

/** Characters of a text at most: three of them together fit into a B-tree entry (2,704 bytes). */
const MAX_TEXT = 200

const MAX_TEXTS = 100

const MAX_INT4 = 2 ** 31 - 1

const clamp = (n: number, max: number): number => (n > 0 ? Math.min(Math.round(n), max) : 0)

const clampInt4 = (n: number): number => clamp(n, MAX_INT4)

/** Milliseconds up to the last second of the year 9999, far inside what timestamptz holds. */
const instant = (ms: number): number => clamp(ms, 253_402_300_799_000)

/** Returns whole numbers that are not negative, and null for everything else. */
const countOf = (n: number | null | undefined): number | null =>
  n !== null && n !== undefined && Number.isSafeInteger(n) && n >= 0 ? n : null

const fits = (text: string): boolean => text.length <= MAX_TEXT

const cut = (text: string): string => (fits(text) ? text : text.slice(0, MAX_TEXT))

const VALUES: Kinds<unknown> = {
  uuid: (id) => id,
  text: (text) => (text === null ? text : cut(text)),
  texts: (texts) => {
    if (texts.length === 0) return undefined
    return texts.length <= MAX_TEXTS && texts.every(fits) ? texts : texts.slice(0, MAX_TEXTS).map(cut)
  },
  instant,
  integer: (n) => n,
  duration: clampInt4,
  durationIfKnown: (ms) => (ms !== null && ms >= 0 ? clampInt4(ms) : null),
  bucket: (bucket) => bucket,
  status: (status) => (status === null ? null : clamp(status, 999)),
  boolean: (flag) => flag,
  count: countOf,
  population: clampInt4,
  json: (value) => value,
  unstored: (value) => value,
  attempts: (attempts) => attempts.map((attempt) => attemptFields(VALUES, attempt)),
}

/** Returns when the request ended, in epoch milliseconds, as its line tells it. */
export const endedAtMs = ({ startedAt, latencyMs }: LedgerRecord): number =>
  instant(startedAt) + clampInt4(latencyMs)

/** Returns a record's line as an object: every value fits its column, or is unknown. */
export const requestLine = (record: LedgerRecord) => requestFields(VALUES, record)

/** The kind of a column to the statement that turns lines into rows. */
interface Kind {
  /** SQL type of the value in the line. */
  readonly type:
    | "uuid"
    | "text"
    | "text[]"
    | "double precision"
    | "integer"
    | "smallint"
    | "bigint"
    | "boolean"
    | "jsonb"
  /** Returns SQL for what the column gets, from SQL for the line's value; undefined where there is no column. */
  readonly stored: ((value: string) => string) | undefined
}

const plain = (type: Kind["type"]) => (): Kind => ({ type, stored: (value) => value })

const TYPES: Kinds<Kind> = {
  uuid: plain("uuid"),
  text: plain("text"),
  texts: () => ({ type: "text[]", stored: (value) => `coalesce(${value}, '{}')` }),
  instant: () => ({ type: "double precision", stored: (value) => `to_timestamp(${value} / 1000)` }),
  integer: plain("integer"),
  duration: plain("integer"),
  durationIfKnown: plain("integer"),
  bucket: () => ({ type: "smallint", stored: undefined }),
  status: plain("smallint"),
  boolean: () => ({ type: "boolean", stored: (value) => `coalesce(${value}, false)` }),
  count: plain("bigint"),
  population: () => ({ type: "integer", stored: (value) => `coalesce(${value}, 1)` }),
  json: plain("jsonb"),
  unstored: () => ({ type: "jsonb", stored: undefined }),
  attempts: () => ({ type: "jsonb", stored: (value) => `jsonb_array_length(${value})` }),
}

/** One value of a line. */
export interface LineColumn extends Kind {
  /** Its name in the line. */
  readonly name: string
  /** Its name in the table, where it has a column. */
  readonly column: string
}

const listed = (fields: Readonly<Record<string, Kind>>): ReadonlyArray<LineColumn> =>
  Object.entries(fields).map(([name, kind]) => ({ ...kind, name, column: name.replace(/_at_ms$/, "_at") }))

// Assertions: `TYPES` looks at no value, so there need not be any.
export const REQUEST_COLUMNS = listed(requestFields(TYPES, {} as LedgerRecord))
export const ATTEMPT_COLUMNS = listed(attemptFields(TYPES, {} as AttemptRecord))

type ColumnOf<Name> = Name extends `${infer Column}_at_ms`
  ? `${Column}_at`
  : Exclude<Name, "latency_bucket" | "charges">

/** Name of a column of the table `requests`. */
type RequestColumn = ColumnOf<keyof ReturnType<typeof requestLine>>

const BIGINTS = new Set(REQUEST_COLUMNS.flatMap(({ type, column }) => (type === "bigint" ? column : [])))

/** Returns SQL that selects columns of `requests`, with the numbers among them as JavaScript's. */
export const selectColumns = (columns: ReadonlyArray<RequestColumn>): string =>
  columns.map((column) => (BIGINTS.has(column) ? `${column}::float8 AS ${column}` : column)).join(", ")

/** Columns of `requests` that hold times, tokens, money and counts: never negative, or null. */
export const REQUEST_QUANTITIES: ReadonlyArray<string> = REQUEST_COLUMNS.flatMap(({ type, name, column }) =>
  type === "integer" || type === "bigint" || name === "attempts" ? column : [],
)
