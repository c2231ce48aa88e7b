import { Effect, Schedule } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { TimeRange } from "../domain/TimeRange.ts"
import type { Billed } from "../domain/Usage.ts"
import { readStoredUsage } from "../ledger/stored-usage.ts"
import { isDropped, isWithin, type LedgerPartition, ledgerPartitions } from "../ledger/tables/partitions.ts"
import {
  type AttemptChange,
  type CostChange,
  countRequests,
  isRolledBack,
  readRequests,
  type StoredRequest,
  writeCosts,
} from "./reprice-batch.ts"

/** Returns the cost of tokens of a request by when it started; undefined when the model has no price here. */
export type PriceUsage = (
  provider: string,
  model: string,
  usage: Billed,
  startedAt: number,
) =>
  | { readonly nanoUsd: number | null; readonly reason: string | null; readonly priceVersion: string | null }
  | undefined

export interface RepricedModel {
  readonly provider: string
  readonly model: string
  requests: number
  /** Requests whose cost is another than before. */
  changed: number
  /** Requests of the same cost by another row of the price list, or unknown for another reason. */
  relabelled: number
  newlyPriced: number
  /** Requests left as they are: the model has no price here, or what is stored does not say what to price. */
  kept: number
  beforeNanoUsd: bigint
  afterNanoUsd: bigint
}

export interface Recomputation {
  readonly total: number
  /** Requests looked at. */
  requests: number
  /** Requests among them that no provider answered: nothing to price. */
  unanswered: number
  /** Requests that somebody else re-priced meanwhile, and left at that. */
  contested: number
  attemptsChanged: number
  readonly models: Map<string, RepricedModel>
}

/** Requests a batch: it holds up the ledger's writer for the moment it takes, or everybody in an embedded database. */
const BATCH = 1_000

const again = Schedule.spaced("100 millis").pipe(Schedule.upTo({ times: 20 }))

interface RecomputeOptions {
  readonly span: TimeRange
  readonly price: PriceUsage
  /** Writes nothing. */
  readonly dryRun: boolean
  readonly onBatch: (sofar: Recomputation) => Effect.Effect<void>
}

/**
 * Prices what is in the ledger anew: requests that started in the span, and their attempts. Every batch is one
 * statement that also moves the rollups by what it changed, so that these are the sums of the rows at any moment, also
 * beside a gateway that writes and when this ends in the middle; what was not reached is done by doing it again.
 */
export const recomputeCosts = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  options: RecomputeOptions,
): Effect.fn.Return<Recomputation, SqlError.SqlError> {
  const days = (yield* ledgerPartitions(sql)).filter((day) => isWithin(day, options.span))
  const counts = yield* Effect.forEach(days, (day) =>
    countRequests(sql, day, options.span).pipe(Effect.catchIf(isDropped, () => Effect.succeed(0))),
  )
  const sofar: Recomputation = {
    total: counts.reduce((sum, count) => sum + count, 0),
    requests: 0,
    unanswered: 0,
    contested: 0,
    attemptsChanged: 0,
    models: new Map(),
  }
  for (const day of days) {
    yield* recomputeDay(sql, day, options, sofar).pipe(Effect.catchIf(isDropped, () => Effect.void))
  }
  return sofar
})

/** Prices the requests of one day, a batch at a time, and counts them in `sofar`. */
const recomputeDay = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  day: LedgerPartition,
  { span, price, dryRun, onBatch }: RecomputeOptions,
  sofar: Recomputation,
) {
  let after: StoredRequest | undefined
  while (true) {
    const rows = yield* readRequests(sql, day, span, after, BATCH)
    after = rows.at(-1)
    if (after === undefined) return
    const priced = rows.map((row) => priceRequest(row, price))
    const changed = dryRun ? changesOf(priced) : yield* writeChanges(sql, day, priced)
    for (const each of priced) count(sofar, each, changed)
    yield* onBatch(sofar)
  }
})

/** Writes what is to change; returns the ids of the requests that did. */
const writeChanges = (
  sql: SqlClient.SqlClient,
  day: LedgerPartition,
  priced: ReadonlyArray<PricedRequest>,
): Effect.Effect<ReadonlySet<string>, SqlError.SqlError> => {
  const changes = priced.flatMap(({ change }) => change ?? [])
  const attempts = priced.flatMap((each) => each.attempts)
  return changes.length + attempts.length === 0
    ? Effect.succeed(new Set())
    : Effect.retry(writeCosts(sql, day, changes, attempts), { schedule: again, while: isRolledBack })
}

/** Returns the ids of the requests that are to change. */
const changesOf = (priced: ReadonlyArray<PricedRequest>): ReadonlySet<string> =>
  new Set(priced.flatMap(({ change }) => change?.id ?? []))

interface PricedRequest {
  readonly row: StoredRequest
  readonly kept: boolean
  readonly change: CostChange | undefined
  readonly attempts: ReadonlyArray<AttemptChange>
}

const priceRequest = (row: StoredRequest, price: PriceUsage): PricedRequest => {
  const answer =
    row.provider === null || row.model === null
      ? undefined
      : price(row.provider, row.model, usageOf(row), row.started_ms)
  // A cost that was known once does not get lost to a lack of knowledge now.
  const kept = answer === undefined || (answer.nanoUsd === null && row.cost !== null)
  const same =
    kept ||
    (answer.nanoUsd === row.cost && answer.reason === row.reason && answer.priceVersion === row.version)
  return {
    row,
    kept,
    change: same
      ? undefined
      : {
          id: row.id,
          old_cost: row.cost,
          cost: answer.nanoUsd,
          reason: answer.reason,
          version: answer.priceVersion,
        },
    attempts: row.attempts.flatMap((attempt) => {
      const { provider, model } = attempt
      const cost = price(provider, model, readStoredUsage(attempt), row.started_ms)?.nanoUsd ?? attempt.cost
      return cost === attempt.cost
        ? []
        : { request_id: row.id, ordinal: attempt.ordinal, old_cost: attempt.cost, cost }
    }),
  }
}

/** Returns the usage that a request's cost is computed from: numbers that cannot be are not stored, and are not such that were not sent. */
const usageOf = (row: StoredRequest): Billed =>
  row.reason === "contradictory_usage" ? "contradictory" : readStoredUsage(row)

const count = (sofar: Recomputation, priced: PricedRequest, changed: ReadonlySet<string>) => {
  const { row, attempts } = priced
  sofar.requests += 1
  sofar.attemptsChanged += attempts.length
  if (row.provider === null || row.model === null) {
    sofar.unanswered += 1
    return
  }
  const key = `${row.provider}/${row.model}`
  const model = sofar.models.get(key) ?? {
    provider: row.provider,
    model: row.model,
    requests: 0,
    changed: 0,
    relabelled: 0,
    newlyPriced: 0,
    kept: 0,
    beforeNanoUsd: 0n,
    afterNanoUsd: 0n,
  }
  sofar.models.set(key, model)
  const change = changed.has(row.id) ? priced.change : undefined
  if (change === undefined && priced.change !== undefined) sofar.contested += 1
  const cost = change === undefined ? row.cost : change.cost
  model.requests += 1
  if (cost !== row.cost) model.changed += 1
  else if (change !== undefined) model.relabelled += 1
  if (row.cost === null && cost !== null) model.newlyPriced += 1
  if (priced.kept) model.kept += 1
  model.beforeNanoUsd += BigInt(row.cost ?? 0)
  model.afterNanoUsd += BigInt(cost ?? 0)
}
