/**
 * Costs for PostgreSQL of many gateways that poll for changed API keys, and how late a revocation is noticed, against
 * the same with LISTEN and NOTIFY. Both in one run, in turns, on one PostgreSQL; nobody else uses it.
 *
 *   node bench/key-changes.ts [--replicas 100] [--cached 100] [--seconds 15] [--changes 5]
 *
 * "idle" is without changes, the other rows have `--changes` revocations a second. CPU of PostgreSQL is that of all its
 * processes, of the gateways that of this process, which runs all of them. What LISTEN needed beside it is included:
 * each replica compared its cache with the table every 5 s, for listeners that died without a word.
 */
import { parseArgs } from "node:util"
import { PgClient } from "@effect/sql-pg"
import { Context, Deferred, Effect, Exit, Layer, Queue, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { AuthError } from "../src/auth/AuthError.ts"
import { KeyCache } from "../src/auth/KeyCache.ts"
import { KeyChanges } from "../src/auth/KeyChanges.ts"
import type { Principal } from "../src/auth/Principal.ts"
import { Database } from "../src/database/Database.ts"
import { migrateDatabase } from "../src/database/migrations.ts"
import { KeyId } from "../src/domain/Ids.ts"
import { monotonicMs } from "../src/platform/monotonic.ts"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { postmasterOf } from "../test/support/postgres-signals.ts"
import { principalOf } from "../test/support/principal-of.ts"
import { postgresMeter } from "./proc.ts"

const { values } = parseArgs({
  options: {
    replicas: { type: "string", default: "100" },
    cached: { type: "string", default: "100" },
    seconds: { type: "string", default: "15" },
    changes: { type: "string", default: "5" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node bench/key-changes.ts [--replicas 100] [--cached 100] [--seconds 15] [--changes 5]")
  process.exit(0)
}
const replicas = Number(values.replicas)
const cached = Number(values.cached)
const seconds = Number(values.seconds)
const changesPerSecond = Number(values.changes)

const postgres = await createPostgresServer()
await postgres.start()
const postmaster = await postmasterOf(postgres.url)
const server = Database.layerServer(Redacted.make(postgres.url))
const pool = (maxConnections: number) =>
  Database.layerPool({ applicationName: "bench", maxConnections, statementTimeoutMs: 5_000 })

let revoked = 0

/** Takes the time from the sending of a revocation to each replica's notice of it. */
class Notices {
  readonly latenciesMs: Array<number> = []
  readonly #revokedAtMs = new Map<string, number>()

  revoked(id: string): void {
    this.#revokedAtMs.set(id, performance.now())
  }

  noticed(id: string): void {
    const revokedAtMs = this.#revokedAtMs.get(id)
    if (revokedAtMs !== undefined) this.latenciesMs.push(performance.now() - revokedAtMs)
  }
}

class WatchedCache extends KeyCache {
  readonly #notices: Notices
  readonly #seen = new Set<string>()

  constructor(notices: Notices) {
    super()
    this.#notices = notices
  }

  override forget(id: string, current?: bigint): void {
    super.forget(id, current)
    if (!this.#seen.has(id)) this.#notices.noticed(id)
    this.#seen.add(id)
  }
}

const decodeKeys = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ id: KeyId, changeSeq: Schema.BigInt })),
)

/** One replica as it is now, with its cache full. */
const poll = Effect.fnUntraced(function* (notices: Notices) {
  const services = yield* Layer.build(KeyChanges.layer.pipe(Layer.provideMerge(pool(3)), Layer.fresh))
  const cache = new WatchedCache(notices)
  const keys = yield* decodeKeys(
    yield* Context.get(services, SqlClient.SqlClient)`
      SELECT id, change_seq AS "changeSeq" FROM api_keys ORDER BY id LIMIT ${cached}`,
  )
  for (const { id, changeSeq } of keys) {
    const lookup = { id, result: Deferred.makeUnsafe<Principal, AuthError>(), changeSeq }
    cache.beginLookup(id, lookup)
    cache.endLookup(id, lookup, {
      principal: Exit.succeed(principalOf(id)),
      changeSeq,
      checkedAtMs: yield* monotonicMs,
      validUntilMs: Number.POSITIVE_INFINITY,
    })
  }
  yield* Context.get(services, KeyChanges).follow(cache)
})

/** One replica with LISTEN: what it heard, and the comparison that guarded it. */
const listen = Effect.fnUntraced(function* (notices: Notices) {
  const pg = Context.get(yield* Layer.build(Layer.fresh(pool(3))), PgClient.PgClient)
  const changes = yield* pg.listen("gateway_api_keys")
  yield* Queue.take(changes).pipe(
    Effect.map(({ payload }) => notices.noticed(payload)),
    Effect.forever,
    Effect.forkScoped,
  )
  const ids = (yield* pg<{ id: string }>`SELECT id FROM api_keys ORDER BY id LIMIT ${cached}`).map(
    ({ id }) => id,
  )
  yield* pg`SELECT id, change_seq FROM api_keys WHERE id = ANY(${ids}::text[])`.pipe(
    Effect.andThen(Effect.sleep("5 seconds")),
    Effect.forever,
    Effect.forkScoped,
  )
})

const setUp = Effect.gen(function* () {
  yield* migrateDatabase
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO api_keys (id, name, secret_hash)
    SELECT lpad(n::text, 12, '0'), 'bench', 'x' FROM generate_series(1, 20000) n`
  yield* sql`ANALYZE api_keys`
}).pipe(Effect.provide(pool(1)))

const measure = (name: string, replica: typeof poll | typeof listen, revocations: number) =>
  Effect.gen(function* () {
    const sql = Context.get(yield* Layer.build(Layer.fresh(pool(1))), SqlClient.SqlClient)
    const notices = new Notices()
    // Real replicas are not started together.
    yield* Effect.forEach(Array.from({ length: replicas }), () =>
      Effect.andThen(replica(notices), Effect.sleep(300 / replicas)),
    )
    yield* Effect.sleep("2 seconds")
    const committed = sql<{ n: number }>`
      SELECT pg_stat_force_next_flush(), xact_commit::int AS n FROM pg_stat_database WHERE datname = current_database()`
    const count = Effect.map(Effect.andThen(Effect.sleep("1 second"), committed), ([row]) => row?.n ?? 0)
    const before = yield* count
    const serverSeconds = postgresMeter(postmaster)
    const [clientBefore, startedAtMs] = [process.cpuUsage(), performance.now()]
    for (let turn = 0; turn < seconds * Math.max(1, revocations); turn++) {
      if (revocations > 0) {
        revoked += 1
        const id = String(revoked).padStart(12, "0")
        notices.revoked(id)
        yield* sql`UPDATE api_keys SET revoked_at = now() WHERE id = ${id}`
      }
      yield* Effect.sleep(1_000 / Math.max(1, revocations))
    }
    const elapsed = (performance.now() - startedAtMs) / 1_000
    const client = process.cpuUsage(clientBefore)
    const serverCpu = serverSeconds()
    const statements = (yield* count) - before
    const latencies = notices.latenciesMs.sort((a, b) => a - b)
    const at = (q: number) =>
      latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))]?.toFixed(1)
    console.log(
      [
        name.padEnd(14),
        `${(statements / (elapsed + 1)).toFixed(0)} statements/s`.padStart(18),
        `PostgreSQL ${((serverCpu / elapsed) * 1_000).toFixed(1)} ms CPU/s`.padStart(28),
        `each gateway ${((client.user + client.system) / 1e3 / elapsed / replicas).toFixed(2)} ms CPU/s`.padStart(
          30,
        ),
        latencies.length === 0
          ? ""
          : `   noticed after p50 ${at(0.5)} ms, max ${at(1)} ms (${latencies.length} of ${turnsOf(revocations) * replicas})`,
      ].join(""),
    )
  }).pipe(Effect.scoped)

const turnsOf = (revocations: number) => seconds * revocations

await Effect.gen(function* () {
  yield* setUp
  console.log(`${replicas} replicas, ${cached} keys cached in each, ${seconds} s a row`)
  for (const changes of [0, changesPerSecond]) {
    const load = changes === 0 ? "idle" : `${changes}/s`
    for (let round = 0; round < 2; round++) {
      yield* measure(`listen, ${load}`, listen, changes)
      yield* measure(`poll, ${load}`, poll, changes)
    }
  }
}).pipe(Effect.provide(server), Effect.ensuring(Effect.promise(() => postgres.remove())), Effect.runPromise)
process.exit(0)
