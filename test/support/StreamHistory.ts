import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, type Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { parseEvents, StreamClient, type StreamRequest } from "./StreamClient.ts"

/** Answers to requests whose key could not be checked: nobody's requests have no row. */
const NO_PRINCIPAL = /"auth_unavailable"|As many API keys are being checked/

/**
 * Everything that clients asked of one gateway, for what must hold of all of it when a test file is through,
 * whatever went wrong on the way.
 */
export class StreamHistory {
  readonly #clients: Array<StreamClient> = []
  /** Requests made in another way. */
  others = 0

  ask(request: StreamRequest): StreamClient {
    const client = new StreamClient(request)
    this.#clients.push(client)
    return client
  }

  /** Every stream ends in `[DONE]` or an error, never in both and never in neither. */
  checkEndings(): void {
    for (const { status, streamed, ending, text, requestId } of this.#clients) {
      if (ending === "left") continue
      assert.strictEqual(ending, "end", `${requestId}: ${status}`)
      if (streamed) assert.isDefined(endOf(text), `${requestId}:\n${text.slice(-500)}`)
    }
  }

  /**
   * The ledger has one row for each request that was no replay, and one for each attempt; the providers counted the
   * same attempts. Those that found no connection, or whose client left, need not have got there.
   */
  async checkLedger(
    databaseUrl: Redacted.Redacted,
    upstreams: ReadonlyArray<{ count: number }>,
  ): Promise<void> {
    const asked = this.#clients.filter(
      // What a crowded machine's database was too slow to authenticate belongs to no key.
      ({ headers, text }) => headers["idempotent-replayed"] === undefined && !NO_PRINCIPAL.test(text),
    )
    const expected = asked.length + this.others
    const ledger = await readLedger(databaseUrl, expected)
    const ids = new Set(ledger.ids)
    const missing = asked.filter(({ status, requestId }) => status > 0 && !ids.has(requestId))
    assert.deepStrictEqual(
      missing.map(({ requestId, status, text }) => `${requestId}: ${status} ${text.slice(0, 200)}`),
      [],
    )
    assert.strictEqual(ledger.ids.length, expected)
    assert.strictEqual(ids.size, expected)

    const all = sum([...ledger.attempts.values()])
    assert.strictEqual(all, ledger.attemptsOfRequests)
    const unheard = (ledger.attempts.get("connect") ?? 0) + (ledger.attempts.get("cancelled") ?? 0)
    const counted = sum(upstreams.map(({ count }) => count))
    assert.isAtMost(counted, all)
    assert.isAtLeast(counted, all - unheard)
  }
}

/** How a stream said that it was over; undefined: it did not, or in more than one way. */
export const endOf = (text: string): "done" | "error" | undefined => {
  const ends = parseEvents(text).map(({ data }) => {
    if (data === "[DONE]") return "done"
    // The last event of a good `/infer` stream has no error, and a chunk never has one.
    return data.startsWith('{"error":') ? "error" : undefined
  })
  return ends.filter((end) => end !== undefined).length === 1 ? ends.at(-1) : undefined
}

interface LedgerContents {
  readonly ids: ReadonlyArray<string>
  readonly attemptsOfRequests: number
  /** By outcome. */
  readonly attempts: ReadonlyMap<string, number>
}

/** Rows come in the background; more than expected would have come with the others. */
const readLedger = (databaseUrl: Redacted.Redacted, expected: number): Promise<LedgerContents> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    for (let tries = 0; ; tries++) {
      const requests = yield* sql<{ id: string; attempts: number }>`SELECT id, attempts FROM requests`
      if (requests.length < expected && tries < 200) {
        yield* Effect.sleep("50 millis")
        continue
      }
      const attempts = yield* sql<{ outcome: string; n: number }>`
        SELECT outcome, count(*)::int AS n FROM attempts GROUP BY outcome`
      return {
        ids: requests.map(({ id }) => id),
        attemptsOfRequests: sum(requests.map((row) => row.attempts)),
        attempts: new Map(attempts.map(({ outcome, n }) => [outcome, n])),
      }
    }
  }).pipe(
    Effect.provide(PgClient.layer({ url: databaseUrl, prepare: false }), { local: true }),
    Effect.runPromise,
  )

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, each) => total + each, 0)
