import { connect, createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Redacted, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { answerWithin } from "../../src/database/answer-within.ts"
import { Database } from "../../src/database/Database.ts"
import { isUnavailable } from "../../src/database/is-unavailable.ts"
import { migrateWhenAvailable, migrations } from "../../src/database/migrations.ts"
import { layerPostgres, migratedPostgresUrl } from "../support/Databases.ts"
import { createPostgresServer } from "../support/postgres-server.ts"
import { scaled } from "../support/slowness.ts"

const pool = Database.layerPool({ applicationName: "test", maxConnections: 2, statementTimeoutMs: 500 })

const one = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`SELECT 1 AS one`
})

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const value = yield* effect
    return { value, ms: (yield* Clock.currentTimeMillis) - before }
  })

const postgresServer = Effect.acquireRelease(Effect.promise(createPostgresServer), (server) =>
  Effect.promise(server.remove),
)

/** Accepts connections and never says a word. */
const hangingServer = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => sockets.add(socket.on("error", () => socket.destroy())))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = address !== null && typeof address === "object" ? address.port : 0
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      resume(Effect.succeed({ port, close }))
    })
  }),
  ({ close }) => Effect.sync(close),
)

/** Stands before a server; while silent it swallows what both sides say, as a broken network does. */
const silenceableProxy = (target: Redacted.Redacted) =>
  Effect.acquireRelease(
    Effect.callback<{
      readonly url: string
      /** Ends every connection, as the kernel does when it gives up on them. */
      readonly cut: () => void
      readonly close: () => void
      silent: boolean
    }>((resume) => {
      const url = new URL(Redacted.value(target))
      const { hostname, port } = url
      const sockets = new Set<Socket>()
      const server = createServer((client) => {
        const upstream = connect(Number(port), hostname)
        for (const [from, to] of [
          [client, upstream],
          [upstream, client],
        ] as const) {
          sockets.add(from)
          from.on("data", (data) => proxy.silent || to.write(data))
          from.on("error", () => from.destroy())
          from.on("close", () => to.destroy())
        }
      })
      const proxy = {
        url: "",
        silent: false,
        cut: () => {
          for (const socket of sockets) socket.destroy()
        },
        close: () => {
          server.close()
          proxy.cut()
        },
      }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        url.hostname = "127.0.0.1"
        url.port = String(address !== null && typeof address === "object" ? address.port : 0)
        proxy.url = url.href
        resume(Effect.succeed(proxy))
      })
    }),
    ({ close }) => Effect.sync(close),
  )

const layerAt = (url: string) => pool.pipe(Layer.provideMerge(Database.layerServer(Redacted.make(url))))

const untilAvailable = Effect.retry(one, {
  while: (error: SqlError.SqlError) => isUnavailable(error),
  schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "15 seconds" })),
})

describe("a server that", () => {
  it.live("is down at the start is used when it comes, and again after kill -9", () =>
    Effect.gen(function* () {
      const server = yield* postgresServer
      yield* Effect.gen(function* () {
        const down = yield* timed(Effect.flip(one))
        assert.strictEqual(down.value.reason._tag, "ConnectionError")
        assert.isBelow(down.ms, scaled(1_000))
        const migrated = yield* Effect.forkChild(migrateWhenAvailable, { startImmediately: true })
        yield* Effect.promise(server.start)
        assert.lengthOf(yield* Fiber.join(migrated), Object.keys(migrations).length)

        yield* Effect.promise(server.kill)
        const killed = yield* timed(Effect.flip(Effect.forever(one)))
        assert.isTrue(isUnavailable(killed.value), String(killed.value.cause))
        assert.isBelow(killed.ms, scaled(2_000))
        yield* Effect.promise(server.start)
        assert.deepStrictEqual(yield* untilAvailable, [{ one: 1 }])
      }).pipe(Effect.provide(layerAt(server.url)))
    }),
  )

  it.live("accepts and never answers fails within the connect timeout", () =>
    Effect.gen(function* () {
      const { port } = yield* hangingServer
      const silent = layerAt(`postgres://user:password@127.0.0.1:${port}/name`)
      const { value, ms } = yield* timed(Effect.flip(one)).pipe(Effect.provide(silent))
      assert.strictEqual(value.reason._tag, "ConnectionError")
      assert.isBelow(ms, scaled(5_000))
    }),
  )

  it.live("falls silent keeps nobody longer than their deadline, connected or waiting for a connection", () =>
    Effect.gen(function* () {
      const proxy = yield* silenceableProxy(yield* migratedPostgresUrl)
      yield* Effect.gen(function* () {
        yield* Effect.all([one, one], { concurrency: 2 })
        proxy.silent = true
        const call = timed(Effect.flip(answerWithin("1 second")(one)))
        const refusals = yield* Effect.all([call, call, call, call, call, call], { concurrency: "unbounded" })
        for (const { value, ms } of refusals) {
          assert.isTrue(isUnavailable(value))
          assert.isBelow(ms, scaled(3_000))
        }
        proxy.silent = false
        proxy.cut()
        assert.deepStrictEqual(yield* untilAvailable, [{ one: 1 }])
      }).pipe(Effect.provide(layerAt(proxy.url)))
    }),
  )
})

it.live("a statement ends at the pool's timeout", () =>
  Effect.gen(function* () {
    const url = yield* migratedPostgresUrl
    const sql = SqlClient.SqlClient
    const error = yield* Effect.flip(sql.use((sql) => sql`SELECT pg_sleep(20)`)).pipe(
      Effect.provide(layerAt(Redacted.value(url))),
    )
    assert.strictEqual(error.reason._tag, "StatementTimeoutError")
  }),
)

it.live("a session that an administrator ended counts as unavailable, a wrong statement does not", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    assert.isTrue(isUnavailable(yield* Effect.flip(sql`SELECT pg_terminate_backend(pg_backend_pid())`)))
    assert.isFalse(isUnavailable(yield* Effect.flip(sql`SELECT nothing`)))
  }).pipe(
    Effect.provide(
      pool.pipe(Layer.provide(Layer.unwrap(Effect.map(migratedPostgresUrl, Database.layerServer)))),
    ),
  ),
)

it.live("a pool whose connections are all taken does not delay another", () =>
  Effect.gen(function* () {
    const busy = yield* Layer.build(
      Database.layerPool({ applicationName: "busy", maxConnections: 1, statementTimeoutMs: 20_000 }),
    )
    const sleeping = SqlClient.SqlClient.use((sql) => sql`SELECT pg_sleep(3)`).pipe(Effect.provide(busy))
    yield* Effect.forkScoped(sleeping, { startImmediately: true })
    const waiting = yield* Effect.forkScoped(Effect.provide(one, busy), { startImmediately: true })
    assert.deepStrictEqual(yield* Effect.provide(one, pool), [{ one: 1 }])
    assert.isUndefined(waiting.pollUnsafe())
  }).pipe(Effect.scoped, Effect.provide(Layer.unwrap(Effect.map(migratedPostgresUrl, Database.layerServer)))),
)

it.effect("moving a test's clock leaves its database connections alone", () =>
  Effect.gen(function* () {
    const first = yield* Effect.forkChild(one, { startImmediately: true })
    yield* TestClock.adjust("1 hour")
    assert.deepStrictEqual(yield* Fiber.join(first), [{ one: 1 }])
  }).pipe(Effect.provide(layerPostgres)),
)
