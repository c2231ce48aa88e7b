import { createHash } from "node:crypto"
import type { Ask } from "./asks.ts"
import type { Attempt, Books, Row } from "./Books.ts"
import { hasRow, type Send } from "./Clients.ts"

/** Calls that reached a provider: by ask, then by provider. */
type Calls = ReadonlyMap<number, ReadonlyMap<string, number>>

interface History {
  readonly sends: ReadonlyArray<Send>
  readonly calls: Calls
  readonly books: Books
  /** Times at which a gateway was killed, epoch milliseconds. */
  readonly kills: ReadonlyArray<number>
}

/** Outcomes of attempts that need not have reached anybody. */
const UNHEARD = new Set(["connect", "cancelled", "hedged", "lost"])

/** Every way in which what clients and providers saw differs from what the database says; empty is right. */
export const violations = (history: History): ReadonlyArray<string> => {
  const { books, sends } = history
  const rows = new Map(books.rows.map((row) => [row.id, row]))
  const owners = ownersOf(sends, books.rows)
  const found: Array<string> = []

  if (rows.size < books.rows.length) found.push(`${books.rows.length - rows.size} ids have more than one row`)
  found.push(...sends.flatMap((send) => sendFaults(send, rows)))
  found.push(...strangers(sends, books.rows, owners))
  found.push(...attemptFaults(history, rows, owners))
  found.push(...idempotencyFaults(history, owners))
  found.push(...books.rollupFaults.map((fault) => `a rollup differs: ${fault}`))
  return found
}

const nameOf = ({ ask, requestId, sentAt, endedAt, status, ending }: Send): string =>
  `ask ${ask.number} (${ask.stream ? "stream" : "whole"}, ${status} ${ending}, ${requestId}, from ${sentAt} to ${endedAt})`

const rowName = ({ id, startedAt, latencyMs, status, error }: Row): string =>
  `row ${id} (${status} ${error}, from ${startedAt} for ${latencyMs} ms)`

/** What a client has of an answer, or of a refusal, has its row. */
const sendFaults = (send: Send, rows: ReadonlyMap<string, Row>): ReadonlyArray<string> => {
  const { code, ending, requestId, text } = send
  if (requestId === undefined || !hasRow(send)) return []
  const row = rows.get(requestId)
  // Of refusals only a key's first ones in a minute have a row; those with attempts all have, as `attemptFaults` sees.
  if (row === undefined && ending === "refused" && send.status !== 502) return []
  if (row === undefined) return [`${nameOf(send)} has no row`]
  if (row.requestedModel !== send.ask.route) return [`${nameOf(send)} has the row of ${row.requestedModel}`]
  if (row.user !== send.ask.user && !standsForMany(row)) {
    return [`${nameOf(send)} has the row of ${row.user}`]
  }
  if (ending === "delivered") {
    if (row.status !== 200 || row.error !== null) {
      return [`${nameOf(send)} was delivered, its row says ${row.status} ${row.error}`]
    }
    const cost = costIn(text)
    if (cost !== undefined && cost !== row.costNanoUsd) {
      return [`${nameOf(send)} cost ${cost}, its row says ${row.costNanoUsd}`]
    }
  }
  if (ending === "broken" && row.error === null) return [`${nameOf(send)} broke, its row is good`]
  // With a claim, what is said of the claim need not be what became of the run.
  const unclaimed = send.ask.idempotencyKey === undefined
  if (unclaimed && ending === "refused" && row.error !== code) {
    return [`${nameOf(send)} was refused with ${code}, its row says ${row.error}`]
  }
  return []
}

/** Alike refusals of one key, of more users than are counted apart, are one row of no user. */
const standsForMany = ({ attempts, user }: Row): boolean => user === null && attempts === 0

/** Nano-dollars in an answer of `/infer`, whole or the last event of a stream; undefined: it is silent. */
const costIn = (text: string): number | null | undefined => {
  const cost = /"cost":(null|[0-9.e-]+)/.exec(text)?.[1]
  if (cost === undefined) return undefined
  return cost === "null" ? null : Math.round(Number(cost) * 1e9)
}

/** Rows by the ask they are of: by their id when a client knows it, else by their user. */
const ownersOf = (sends: ReadonlyArray<Send>, rows: ReadonlyArray<Row>): ReadonlyMap<string, Ask> => {
  const known = new Map(sends.map(({ ask, requestId }) => [requestId, ask]))
  const byUser = new Map<string | null, Ask>(sends.map(({ ask }) => [ask.user, ask]))
  return new Map(
    rows.flatMap(({ id, user }) => {
      const ask = known.get(id) ?? byUser.get(user)
      return ask === undefined ? [] : [[id, ask]]
    }),
  )
}

/** A row that no client has the id of is that of a client that was cut off, or had left, before it could know. */
const strangers = (
  sends: ReadonlyArray<Send>,
  rows: ReadonlyArray<Row>,
  owners: ReadonlyMap<string, Ask>,
): ReadonlyArray<string> => {
  const ids = new Set(sends.map(({ requestId }) => requestId))
  const silent = countBy(
    sends.filter(({ requestId }) => requestId === undefined),
    ({ ask }) => ask,
  )
  const unknown = rows.filter(({ id }) => !ids.has(id))
  return [
    ...unknown
      .filter((row) => !owners.has(row.id) && !standsForMany(row))
      .map((row) => `${rowName(row)} is nobody's`),
    ...[...countBy(unknown, ({ id }) => owners.get(id))]
      .filter(([ask, count]) => ask !== undefined && count > (silent.get(ask) ?? 0))
      .map(([ask, count]) => {
        const of = rows.filter(({ id }) => owners.get(id) === ask).map(rowName)
        const seen = sends.filter((send) => send.ask === ask).map(nameOf)
        return `ask ${ask?.number} has ${count} rows that no client of it can have caused: ${[...of, ...seen].join("; ")}`
      }),
  ]
}

/** Each call that a provider counted has its attempt, and each attempt its call unless it cannot have got there. */
const attemptFaults = (
  { books, calls }: History,
  rows: ReadonlyMap<string, Row>,
  owners: ReadonlyMap<string, Ask>,
): ReadonlyArray<string> => {
  const found: Array<string> = []
  const ofRequest = Map.groupBy(books.attempts, ({ requestId }) => requestId)
  for (const { id, attempts } of books.rows) {
    const written = ofRequest.get(id)?.length ?? 0
    if (written !== attempts) found.push(`row ${id} says ${attempts} attempts, there are ${written}`)
  }
  const ofAsk = new Map<number, Array<Attempt>>()
  for (const [requestId, attempts] of ofRequest) {
    const ask = owners.get(requestId)
    if (!rows.has(requestId)) found.push(`attempts of ${requestId}, which has no row`)
    if (ask !== undefined) ofAsk.set(ask.number, [...(ofAsk.get(ask.number) ?? []), ...attempts])
  }
  for (const number of new Set([...calls.keys(), ...ofAsk.keys()])) {
    for (const provider of ["p0", "p1", "dead"]) {
      const counted = calls.get(number)?.get(provider) ?? 0
      const attempts = (ofAsk.get(number) ?? []).filter((attempt) => attempt.provider === provider)
      const unheard = attempts.filter(({ outcome }) => UNHEARD.has(outcome)).length
      if (counted > attempts.length || counted < attempts.length - unheard) {
        const outcomes = attempts.map(({ outcome }) => outcome).join(", ")
        found.push(`${provider} counted ${counted} calls of ask ${number}, its attempts are: ${outcomes}`)
      }
    }
  }
  return found
}

/** One completed run per key, and one answer, unless a gateway died: then its run may be made again. */
const idempotencyFaults = (
  { books, kills, sends }: History,
  owners: ReadonlyMap<string, Ask>,
): ReadonlyArray<string> => {
  const found: Array<string> = []
  const claims = new Map(books.claims.map((claim) => [claim.keyHash, claim]))
  const completed = Map.groupBy(
    books.rows.filter(({ id, status, error }) => status === 200 && error === null && owners.has(id)),
    ({ id }) => owners.get(id),
  )
  for (const [ask, runs] of completed) {
    if (ask?.idempotencyKey === undefined || runs.length === 1) continue
    const owned = claims.get(createHash("sha256").update(ask.idempotencyKey).digest("hex"))?.runs ?? 0
    const times = runs.map(({ startedAt }) => startedAt).toSorted((a, b) => a - b)
    const died = times
      .slice(1)
      .every((again, i) => kills.some((kill) => kill >= (times[i] ?? 0) && kill <= again))
    if (runs.length > owned || !died) found.push(`ask ${ask.number} was completed ${runs.length} times`)
  }
  const answers = Map.groupBy(
    sends.filter(({ ending, ask }) => ending === "delivered" && ask.idempotencyKey !== undefined),
    ({ requestId }) => requestId,
  )
  for (const [requestId, [first, ...others]] of answers) {
    if (others.some(({ text }) => text !== first?.text)) found.push(`the answers of ${requestId} differ`)
    if (others.filter(({ replayed }) => !replayed).length > 0 && first?.replayed === false) {
      found.push(`${requestId} was answered twice as if it were new`)
    }
  }
  return found
}

const countBy = <A, B>(list: ReadonlyArray<A>, of: (item: A) => B): Map<B, number> => {
  const counts = new Map<B, number>()
  for (const item of list) counts.set(of(item), (counts.get(of(item)) ?? 0) + 1)
  return counts
}
