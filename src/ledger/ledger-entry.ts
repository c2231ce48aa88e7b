import { Option, Result, Schema } from "effect"
import { latencyBucket } from "../domain/latency-histogram.ts"
import type { Entry } from "../journal/Journal.ts"
import type { AttemptRecord, LedgerRecord } from "./LedgerRecord.ts"

/**
 * A record as it is journaled and sent to the database: one line of JSON whose names are the statement's columns.
 * Nothing a client or a provider sent can make the line unwritable: numbers are made to fit their columns or
 * unknown, names are cut, and what PostgreSQL cannot hold in text is replaced.
 */
export type LedgerEntry = Entry

/** Longer lines lose the free-form parts: the provider's usage block and the decision. */
const MAX_LINE = 64 * 1024

/** Keeps three names together below what a B-tree entry may hold (2,704 bytes). */
const MAX_NAME = 200

const MAX_INT4 = 2 ** 31 - 1

export const ledgerEntry = (record: LedgerRecord): LedgerEntry => {
  // JSON that cannot be encoded (a cycle, a BigInt) costs the record its free-form parts, not its row.
  const whole = Result.try(() => encode(record, record.rawUsage, record.decision))
  const line =
    Result.isSuccess(whole) && whole.success.length <= MAX_LINE ? whole.success : encode(record, null, null)
  const endedMs = instant(record.startedAt) + clampInt4(record.latencyMs)
  return { id: record.id, endedMs, line: storable(line) }
}

/** When the request began and ended, from its line's first fields, in the order that `encode` writes. */
export const timesOf = (
  line: string,
): { readonly startedMs: number; readonly endedMs: number } | undefined => {
  const [found, startedAt, latency] =
    /^\{"id":"[^"]*","started_at_ms":(\d+),"latency_ms":(\d+)/.exec(line) ?? []
  const startedMs = Number(startedAt)
  return found === undefined ? undefined : { startedMs, endedMs: startedMs + Number(latency) }
}

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/** The same without what is free-form in it; undefined when there is nothing of that. */
export const withoutFreeForm = (entry: LedgerEntry): LedgerEntry | undefined => {
  const fields = Option.getOrUndefined(decode(entry.line))
  if (fields === undefined || (fields.raw_usage === null && fields.decision === null)) return undefined
  return { ...entry, line: JSON.stringify({ ...fields, raw_usage: null, decision: null }) }
}

const encode = (record: LedgerRecord, rawUsage: unknown, decision: unknown): string => {
  const latencyMs = clampInt4(record.latencyMs)
  // A stream that broke had its 200 long before.
  const success =
    record.provider !== null && record.status >= 200 && record.status < 300 && record.errorCode === null
  const cost = count(record.costNanoUsd)
  const costReason = record.costNanoUsd === cost ? record.costReason : "invalid_cost"
  return JSON.stringify({
    id: record.id,
    started_at_ms: instant(record.startedAt),
    latency_ms: latencyMs,
    // Present exactly for successes: the statement tells them by it.
    latency_bucket: success ? latencyBucket(latencyMs) : null,
    key_id: cut(record.keyId),
    endpoint: cut(record.endpoint),
    route: cut(record.route),
    requested_model: cut(record.requestedModel),
    provider: cut(record.provider),
    model: cut(record.model),
    status: httpStatus(record.status),
    error_code: cut(record.errorCode),
    stream: record.stream,
    first_token_ms: duration(record.firstTokenMs),
    finish_reason: cut(record.finishReason),
    input_tokens: count(record.usage?.inputTokens),
    output_tokens: count(record.usage?.outputTokens),
    cached_tokens: count(record.usage?.cachedTokens),
    reasoning_tokens: count(record.usage?.reasoningTokens),
    usage_estimated: record.usageEstimated,
    raw_usage: rawUsage,
    cost_nano_usd: cost,
    cost_reason: cut(costReason),
    price_version: cut(record.priceVersion),
    decision,
    attempts: record.attempts.map(encodeAttempt),
  })
}

const encodeAttempt = (attempt: AttemptRecord) => ({
  provider: cut(attempt.provider),
  model: cut(attempt.model),
  started_at_ms: instant(attempt.startedAt),
  latency_ms: clampInt4(attempt.latencyMs),
  outcome: attempt.outcome,
  upstream_status: attempt.upstreamStatus === null ? null : httpStatus(attempt.upstreamStatus),
  input_tokens: count(attempt.usage?.inputTokens),
  output_tokens: count(attempt.usage?.outputTokens),
  cached_tokens: count(attempt.usage?.cachedTokens),
  usage_estimated: attempt.usageEstimated,
  cost_nano_usd: count(attempt.costNanoUsd),
})

const cut = (name: string | null): string | null =>
  name !== null && name.length > MAX_NAME ? name.slice(0, MAX_NAME) : name

/** Whole and not negative, else unknown. */
const count = (n: number | null | undefined): number | null =>
  n !== null && n !== undefined && Number.isSafeInteger(n) && n >= 0 ? n : null

const clamp = (n: number, max: number): number => (n > 0 ? Math.min(Math.round(n), max) : 0)

const clampInt4 = (n: number): number => clamp(n, MAX_INT4)

/** Not negative, else unknown. */
const duration = (ms: number | null): number | null => (ms !== null && ms >= 0 ? clampInt4(ms) : null)

const httpStatus = (n: number): number => clamp(n, 999)

/** The last second of the year 9999, far inside what timestamptz holds. */
const instant = (ms: number): number => clamp(ms, 253_402_300_799_000)

/**
 * PostgreSQL holds neither NUL nor half a surrogate pair, in text or in jsonb. `JSON.stringify` writes both, and no
 * other surrogate, as escapes; the pattern steps over every other escape whole, so `\\u0000` stays what it is.
 */
const storable = (line: string): string =>
  line.includes("\\u")
    ? line.replace(/\\(?:(u0000|ud[89a-f][0-9a-f]{2})|.)/g, (sequence, bad) =>
        bad === undefined ? sequence : "\ufffd",
      )
    : line
