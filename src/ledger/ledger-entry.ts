import { Option, Result, Schema } from "effect"
import type { Entry } from "../journal/Journal.ts"
import { endedAtMs, requestLine } from "./columns.ts"
import type { LedgerRecord } from "./LedgerRecord.ts"

/**
 * A record as it is journaled and sent to the database: one line of JSON, its fields as the model of columns has them.
 * Whatever a client or a provider sent, the line can be written: numbers are made to fit their columns or unknown,
 * texts are cut, and what PostgreSQL cannot hold in text is replaced.
 */
export type LedgerEntry = Entry

/** Characters above which a line loses its free-form parts: the provider's usage block and the decision. */
const MAX_LINE = 64 * 1024

const encode = (record: LedgerRecord): string => JSON.stringify(requestLine(record))

export const ledgerEntry = (record: LedgerRecord): LedgerEntry => {
  // JSON that cannot be encoded (a cycle, a BigInt) costs the record its free-form parts, not its row.
  const whole = Result.try(() => encode(record))
  const line =
    Result.isSuccess(whole) && whole.success.length <= MAX_LINE
      ? whole.success
      : encode({ ...record, rawUsage: null, decision: null })
  return { id: record.id, endedMs: endedAtMs(record), line: storable(line) }
}

/** Returns when the request began and ended, from its line's first fields, in the order that `requestLine` has them. */
export const timesOf = (
  line: string,
): { readonly startedMs: number; readonly endedMs: number } | undefined => {
  const [found, startedAt, latency] =
    /^\{"id":"[^"]*","started_at_ms":(\d+),"latency_ms":(\d+)/.exec(line) ?? []
  const startedMs = Number(startedAt)
  return found === undefined ? undefined : { startedMs, endedMs: startedMs + Number(latency) }
}

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/** Returns the entry without what is free-form in it; undefined when there is nothing of that. */
export const withoutFreeForm = (entry: LedgerEntry): LedgerEntry | undefined => {
  const fields = Option.getOrUndefined(decode(entry.line))
  if (fields === undefined || (fields.raw_usage === null && fields.decision === null)) return undefined
  return { ...entry, line: JSON.stringify({ ...fields, raw_usage: null, decision: null }) }
}

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
