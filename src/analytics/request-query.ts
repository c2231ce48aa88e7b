import { Effect, Option, Predicate, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { RequestDetail } from "../api/logged-request.ts"
import { decodeRows } from "../database/decode-rows.ts"
import { toUsd } from "../domain/Money.ts"
import type { Usage } from "../domain/Usage.ts"
import { ATTEMPT_COLUMNS, REQUEST_COLUMNS } from "../ledger/columns.ts"
import { readStoredUsage, storedUsage } from "../ledger/stored-usage.ts"
import { isDropped, isWithin, type LedgerPartition, ledgerPartitions } from "../ledger/tables/partitions.ts"
import { requestRow, StoredRequest } from "./requests-query.ts"

const StoredDetail = Schema.Struct({
  ...StoredRequest.fields,
  ...storedUsage,
  requested_model: Schema.String,
  reasoning_tokens: Schema.NullOr(Schema.Finite),
  raw_usage: Schema.Unknown,
  decision: Schema.Unknown,
})

const StoredAttempt = Schema.Struct({
  ...storedUsage,
  ordinal: Schema.Int,
  provider: Schema.String,
  model: Schema.String,
  started_at: Schema.Date,
  latency_ms: Schema.Int,
  outcome: Schema.String,
  dispatched: Schema.NullOr(Schema.String),
  upstream_status: Schema.NullOr(Schema.Int),
  usage_estimated: Schema.Boolean,
  cost_nano_usd: Schema.NullOr(Schema.Finite),
})

const decodeDetail = decodeRows(StoredDetail)
const decodeAttempts = decodeRows(StoredAttempt)

/** Columns with numbers as JavaScript's, under the names of `storedUsage`. */
const selected = (columns: typeof REQUEST_COLUMNS): string =>
  columns
    .flatMap(({ column, stored, type }) => {
      if (stored === undefined) return []
      const value = type === "bigint" ? `${column}::float8` : column
      return `${value} AS ${column === "reported_nano_usd" ? "reported" : column === "usage_details" ? "details" : column}`
    })
    .join(", ")

const REQUEST = selected(REQUEST_COLUMNS)
const ATTEMPT = selected(ATTEMPT_COLUMNS)

/** How far the clock that names requests and the one that dates them may be apart. */
const SLACK_MS = 60_000

/**
 * Reads one request with its attempts; undefined: there is none. An id tells its day, which is looked at first; then all others,
 * the newest first, by their primary keys.
 */
export const readRequest = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, id: string) {
  const atMs = timeOf(id)
  const near = { fromMs: atMs - SLACK_MS, toMs: atMs + SLACK_MS }
  const days = (yield* ledgerPartitions(sql)).toReversed()
  const likely = days.filter((day) => isWithin(day, near))
  for (const day of [...likely, ...days.filter((day) => !isWithin(day, near))]) {
    const found = yield* readFrom(sql, day, id)
    if (found !== undefined) return found
  }
  return undefined
})

/** Returns the epoch milliseconds that begin a UUID of version 7; of others they mean nothing. */
const timeOf = (id: string): number => Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)

const readFrom = Effect.fnUntraced(
  function* (sql: SqlClient.SqlClient, { attempts, requests }: LedgerPartition, id: string) {
    const [request] = yield* decodeDetail(
      sql`SELECT id AS request_id, ${sql.literal(REQUEST)} FROM ${sql(requests)} WHERE id = ${id}`.unprepared,
    )
    if (request === undefined) return undefined
    const tried = yield* decodeAttempts(
      sql`
        SELECT ordinal, ${sql.literal(ATTEMPT)} FROM ${sql(attempts)} WHERE request_id = ${id} ORDER BY ordinal`
        .unprepared,
    )
    return inFull(request, tried)
  },
  // Its time has come meanwhile.
  (read) => Effect.catchIf(read, isDropped, () => Effect.succeed(undefined)),
)

/** All that the ledger has of a request; `usage` is what its cost was computed from, null where that is not known. */
export interface RequestInFull extends Omit<typeof RequestDetail.Type, "cost"> {
  readonly usage: Usage | null
  readonly reportedNanoUsd: number | null
}

const inFull = (
  stored: typeof StoredDetail.Type,
  tried: ReadonlyArray<typeof StoredAttempt.Type>,
): RequestInFull => {
  const { cached_tokens, cache_write_tokens, requested_model, reasoning_tokens, ...rest } = stored
  const { decision, details, raw_usage, reported, ...shown } = rest
  const request = requestRow(shown)
  return {
    request,
    requested_model,
    tokens: {
      input: request.input_tokens,
      cached: cached_tokens,
      cache_write: cache_write_tokens,
      output: request.output_tokens,
      reasoning: reasoning_tokens,
      details: details ?? {},
    },
    raw_usage,
    attempts: tried.map(
      ({ cost_nano_usd, details: _details, reported: _reported, started_at, ...attempt }) => ({
        ...attempt,
        started_at: started_at.toISOString(),
        cost_usd: cost_nano_usd === null ? null : toUsd(cost_nano_usd),
        answered:
          attempt.ordinal === request.attempts &&
          attempt.provider === request.provider &&
          attempt.model === request.model,
      }),
    ),
    decision: Predicate.isObject(decision) ? { ...decision } : null,
    prediction: predictionOf(request, decision),
    usage: readStoredUsage(stored),
    reportedNanoUsd: reported,
  }
}

const Decided = Schema.Struct({
  candidates: Schema.Array(
    Schema.Struct({
      provider: Schema.String,
      model: Schema.String,
      predicted_ms: Schema.Finite,
      predicted_cost_usd: Schema.NullOr(Schema.Finite),
      predicted_output_tokens: Schema.optionalKey(Schema.Finite),
    }),
  ),
})

const decodeDecided = Schema.decodeUnknownOption(Decided)

/** Finds in a decision what it predicted of the model that answered; decisions of other versions may say nothing. */
const predictionOf = (request: RequestInFull["request"], decision: unknown): RequestInFull["prediction"] => {
  const decided = Option.getOrUndefined(decodeDecided(decision))
  const predicted = decided?.candidates.find(
    ({ model, provider }) => model === request.model && provider === request.provider,
  )
  return predicted === undefined
    ? null
    : {
        predicted_ms: predicted.predicted_ms,
        actual_ms: request.stream ? request.first_token_ms : request.latency_ms,
        predicted_cost_usd: predicted.predicted_cost_usd,
        actual_cost_usd: request.cost_usd,
        predicted_output_tokens: predicted.predicted_output_tokens ?? null,
        actual_output_tokens: request.output_tokens,
      }
}
