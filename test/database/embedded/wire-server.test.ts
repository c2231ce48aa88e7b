import { once } from "node:events"
import { connect } from "node:net"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Queue, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../../src/database/Database.ts"
import { listen } from "../../../src/database/embedded/wire-server.ts"
import { layerEmbedded, temporaryDirectory } from "../../support/Databases.ts"
import { scaled } from "../../support/slowness.ts"

const message = (type: string, body = "") => {
  const header = Buffer.alloc(5)
  header.write(type)
  header.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([header, Buffer.from(body)])
}
const query = (text: string) => message("Q", `${text}\0`)
const ready = (status: "I" | "T") => message("Z", status)
const startup = Buffer.from("\0\0\0\x13\0\x03\0\0user\0test\0\0", "latin1")

/** A connection that speaks bytes, to do what a client library does not. */
const rawConnection = (path: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = connect(path)
      await once(socket, "connect")
      socket.write(startup)
      await once(socket, "data")
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy()),
  )

layer(layerEmbedded, { excludeTestServices: true })("connections to the embedded database", (it) => {
  it.effect("get the answers to their own statements", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ask = (n: number) =>
        n % 3 === 0
          ? sql`SELECT ${n}::int AS n`
          : n % 3 === 1
            ? sql`SELECT ${n}::int AS n, 'wider' AS text`
            : sql.withTransaction(sql`SELECT ${n}::int AS n, true AS yes`)
      const numbers = Array.from({ length: 300 }, (_, n) => n)
      const answers = yield* Effect.forEach(numbers, ask, { concurrency: 30 })
      assert.deepStrictEqual(
        answers.map(([row]) => row?.n),
        numbers,
      )
    }),
  )

  it.effect("run their transactions one after the other", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE counters (value int NOT NULL)`
      yield* sql`INSERT INTO counters (value) VALUES (0)`
      const increment = sql.withTransaction(
        Effect.gen(function* () {
          const [row] = yield* sql<{ value: number }>`SELECT value FROM counters`
          yield* Effect.yieldNow
          yield* sql`UPDATE counters SET value = ${(row?.value ?? 0) + 1}`
        }),
      )
      yield* Effect.all(
        Array.from({ length: 25 }, () => increment),
        { concurrency: "unbounded" },
      )
      assert.deepStrictEqual(yield* sql`SELECT value FROM counters`, [{ value: 25 }])
    }),
  )

  it.effect("that die inside a transaction are rolled back and block nobody", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { connection } = yield* Database
      yield* sql`CREATE TABLE marks (value int NOT NULL)`
      const socket = yield* rawConnection(connection.path ?? "")
      socket.write(query("BEGIN; INSERT INTO marks VALUES (1)"))
      yield* Effect.promise(() => once(socket, "data"))
      const count = yield* Effect.forkChild(sql`SELECT count(*)::int AS n FROM marks`, {
        startImmediately: true,
      })
      socket.destroy()
      assert.deepStrictEqual(yield* Fiber.join(count), [{ n: 0 }])
    }),
  )

  it.effect("exchange values larger than a socket's buffer", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bytes = new Uint8Array(3_000_000).map((_, index) => index % 251)
      const [row] = yield* sql<{ bytes: Uint8Array }>`SELECT ${bytes}::bytea AS bytes`
      assert.isTrue(Buffer.from(bytes).equals(row?.bytes ?? new Uint8Array()))
    }),
  )

  it.effect("hear what others notify", () =>
    Effect.gen(function* () {
      const pg = yield* PgClient.PgClient
      const heard = yield* pg.listen("changes")
      yield* pg.notify("changes", "key_1")
      assert.strictEqual((yield* Queue.take(heard)).payload, "key_1")
    }).pipe(Effect.scoped),
  )

  it.effect("survive a failing statement of another", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, n) => n),
        (n) => Effect.result(n % 2 === 0 ? sql`SELECT 1 / (${n}::int * 0)` : sql`SELECT ${n}::int AS n`),
        { concurrency: 10 },
      )
      assert.deepStrictEqual(
        outcomes.map(({ _tag }) => _tag),
        outcomes.map((_, n) => (n % 2 === 0 ? "Failure" : "Success")),
      )
    }),
  )
})

describe("the wire server", () => {
  const serve = (execute: (messages: Buffer) => Buffer, transactionIdleMs = 60_000) =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "socket")
      const faults: Array<unknown> = []
      const server = yield* Effect.acquireRelease(
        Effect.promise(() =>
          listen({
            path,
            execute: (messages) => execute(Buffer.from(messages)),
            onFatal: (cause) => faults.push(cause),
            transactionIdleMs,
          }),
        ),
        (server) => Effect.promise(() => server.close(0)),
      )
      return { path, faults, server }
    })

  it.live("gives the backend one whole cycle at a time", () =>
    Effect.gen(function* () {
      const units: Array<string> = []
      const { path } = yield* serve((messages) => {
        units.push(messages.toString("latin1").replace(/[^A-Z]/g, ""))
        return ready("I")
      })
      units.length = 0
      const one = yield* rawConnection(path)
      const two = yield* rawConnection(path)
      // Half a cycle, also cut inside a message, then a whole one of somebody else.
      one.write(Buffer.concat([message("P"), message("B").subarray(0, 3)]))
      two.write(Buffer.concat([message("P"), message("B"), message("S")]))
      yield* Effect.promise(() => once(two, "data"))
      one.write(Buffer.concat([message("B").subarray(3), message("S")]))
      yield* Effect.promise(() => once(one, "data"))
      assert.deepStrictEqual(units, ["PBS", "PBS"])
    }),
  )

  it.live("takes the backend from a connection that idles in a transaction", () =>
    Effect.gen(function* () {
      const { path } = yield* serve(
        (messages) => ready(messages.toString().includes("BEGIN") ? "T" : "I"),
        20,
      )
      const idler = yield* rawConnection(path)
      const patient = yield* rawConnection(path)
      idler.write(query("BEGIN"))
      yield* Effect.promise(() => once(idler, "data"))
      patient.write(query("SELECT"))
      const [answer] = yield* Effect.promise(() => once(patient, "data"))
      assert.deepStrictEqual(answer, ready("I"))
      if (!idler.destroyed) yield* Effect.promise(() => once(idler, "close"))
    }),
  )

  it.live("calls a backend that stops answering broken", () =>
    Effect.gen(function* () {
      let healthy = true
      const { path, faults } = yield* serve(() => (healthy ? ready("I") : Buffer.alloc(0)))
      const socket = yield* rawConnection(path)
      healthy = false
      socket.write(message("S"))
      yield* Effect.suspend(() => (faults.length > 0 ? Effect.void : Effect.fail("not yet"))).pipe(
        Effect.retry({ times: 200, schedule: Schedule.spaced("10 millis") }),
      )
      assert.include(String(faults[0]), "gave no answer")
    }),
  )

  it.live("lets connections finish before it closes, also those that still come", () =>
    Effect.gen(function* () {
      const { path, server } = yield* serve(() => ready("I"))
      const early = yield* rawConnection(path)
      let closed = false
      const closing = server.close(10_000).then(() => {
        closed = true
      })
      const late = yield* rawConnection(path)
      early.end(message("X"))
      yield* Effect.promise(() => once(early, "close"))
      late.write(query("SELECT"))
      const [answer] = yield* Effect.promise(() => once(late, "data"))
      assert.deepStrictEqual(answer, ready("I"))
      assert.isFalse(closed)
      late.end(message("X"))
      const { ms } = yield* Effect.map(Effect.timed(Effect.promise(() => closing)), ([duration]) => ({
        ms: Duration.toMillis(duration),
      }))
      assert.isBelow(ms, scaled(5_000))
    }),
  )
})
