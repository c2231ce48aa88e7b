import { connect, createServer, type Socket } from "node:net"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import { Idempotency } from "../../src/idempotency/Idempotency.ts"
import { IdempotencyLimits } from "../../src/idempotency/IdempotencyLimits.ts"
import { layerPostgres, migratedPostgresUrl } from "../support/Databases.ts"
import { scaled } from "../support/slowness.ts"
import { bodyPrint, claimId, kept, request, text } from "./requests.ts"

/** A port on loopback in front of a database, which can be cut off and come back on the same port. */
const makeFront = (onConnection: (socket: Socket) => void) =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      onConnection(socket)
    })
    const open = (port: number) =>
      Effect.callback<number>((resume) => {
        server.listen(port, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      })
    const cut = Effect.sync(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
      sockets.clear()
    })
    const port = yield* open(0)
    yield* Effect.addFinalizer(() => cut)
    return { port, cut, restore: open(port) }
  })

/** A database that accepts connections and never says a word. */
const hanging = makeFront(() => {})

/** The run's PostgreSQL, with a new database. Frozen, it keeps its connections and says nothing more. */
const reachable = Effect.gen(function* () {
  const url = new URL(Redacted.value(yield* migratedPostgresUrl))
  const port = Number(url.port)
  let frozen = false
  const links: Array<readonly [Socket, Socket]> = []
  const front = yield* makeFront((socket) => {
    if (frozen) return
    const upstream = connect(port, url.hostname)
    upstream.on("error", () => {})
    upstream.on("close", () => socket.destroy())
    socket.on("close", () => upstream.destroy())
    socket.pipe(upstream)
    upstream.pipe(socket)
    links.push([socket, upstream])
  })
  const freeze = Effect.sync(() => {
    frozen = true
    for (const [socket, upstream] of links) socket.unpipe(upstream)
  })
  url.port = String(front.port)
  return { ...front, freeze, url: url.href }
})

const onDatabase = (url: string) =>
  Effect.map(
    Layer.build(Idempotency.layer.pipe(Layer.provide(PgClient.layer({ url: Redacted.make(url) })))),
    Context.get(Idempotency),
  )

const refusedInTime = (idempotency: Idempotency["Service"]) =>
  Effect.gen(function* () {
    let ran = false
    const work = Effect.sync(() => {
      ran = true
      return kept("never")
    })
    const [took, error] = yield* Effect.timed(Effect.flip(idempotency.run(request("k"), () => work)))
    assert.strictEqual(error.reason, "unavailable")
    assert.isAbove(error.retryAfterMs ?? 0, 0)
    assert.isBelow(Duration.toMillis(took), scaled(2_500))
    assert.isFalse(ran)
  })

const live = (name: string, body: Effect.Effect<unknown, unknown, Scope.Scope>) => it.live(name, () => body)

describe("a request with a key is refused in time, and does not run", () => {
  live(
    "when nothing listens where the database was",
    Effect.gen(function* () {
      const { port, cut } = yield* hanging
      yield* cut
      yield* refusedInTime(yield* onDatabase(`postgres://postgres@127.0.0.1:${port}/none`))
    }),
  )

  live(
    "when the database hangs",
    Effect.gen(function* () {
      const { port, cut } = yield* hanging
      yield* refusedInTime(yield* onDatabase(`postgres://postgres@127.0.0.1:${port}/none`))
      yield* cut
    }),
  )

  live(
    "when the database stops answering on open connections",
    Effect.gen(function* () {
      const { url, freeze, cut } = yield* reachable
      const idempotency = yield* onDatabase(url)
      yield* idempotency.run(request("before"), () => Effect.succeed(kept("fine")))
      yield* freeze
      yield* refusedInTime(idempotency)
      yield* cut
    }),
  )

  live(
    "when another transaction holds the key's row",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const idempotency = yield* Idempotency
      yield* (yield* ClaimStore).claim(
        claimId("k"),
        bodyPrint("hello"),
        "00000000-0000-4000-8000-000000000000",
      )
      yield* sql`UPDATE idempotency_claims SET lease_until = clock_timestamp()`
      const locked = yield* Deferred.make<void>()
      const transaction = yield* sql
        .withTransaction(
          sql`SELECT FROM idempotency_claims FOR UPDATE`.pipe(
            Effect.andThen(Deferred.succeed(locked, undefined)),
            Effect.andThen(Effect.never),
          ),
        )
        .pipe(Effect.forkChild)
      yield* Deferred.await(locked)
      yield* refusedInTime(idempotency)
      const waiting = sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
      yield* waiting.pipe(Effect.repeat({ until: (rows) => rows.length === 0 }), Effect.timeout("5 seconds"))
      yield* Fiber.interrupt(transaction)
      assert.strictEqual(
        text(yield* idempotency.run(request("k"), () => Effect.succeed(kept("free again")))),
        "free again",
      )
    }).pipe(
      Effect.provide(
        Layer.mergeAll(Idempotency.layer, ClaimStore.layer).pipe(Layer.provideMerge(layerPostgres)),
      ),
    ),
  )
})

live(
  "an answer that was ready while the database was away is delivered, and stored once it is back",
  Effect.gen(function* () {
    const { url, cut, restore } = yield* reachable
    const one = yield* Effect.provideService(onDatabase(url), IdempotencyLimits, {
      ...IdempotencyLimits.defaultValue(),
      deliverAnywayMs: 500,
    })
    const two = yield* Effect.provideService(onDatabase(url), IdempotencyLimits, {
      ...IdempotencyLimits.defaultValue(),
      waitMs: 20_000,
    })
    const started = yield* Deferred.make<void>()
    const gate = yield* Deferred.make<void>()
    const work = Effect.andThen(
      Deferred.succeed(started, undefined),
      Effect.as(Deferred.await(gate), kept("in spite of it")),
    )
    const call = yield* Effect.forkChild(one.run(request("k"), () => work))
    yield* Deferred.await(started)
    yield* cut
    yield* Deferred.succeed(gate, undefined)
    assert.strictEqual(text(yield* Fiber.join(call)), "in spite of it")
    assert.strictEqual((yield* Effect.flip(two.run(request("k"), () => work))).reason, "unavailable")
    yield* restore
    const replay = yield* two.run(request("k"), () => Effect.succeed(kept("a second run")))
    assert.deepStrictEqual([text(replay), replay.replayed], ["in spite of it", true])
  }),
)
