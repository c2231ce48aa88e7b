import { assert, layer } from "@effect/vitest"
import { Context, type Duration, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { Ledger } from "../../src/ledger/Ledger.ts"
import { layerPostgres, temporaryDirectory } from "../support/Databases.ts"
import { eventually } from "./eventually.ts"
import { logged } from "./logged.ts"
import { record } from "./records.ts"
import { assertHoldsExactly, emptyTables } from "./rows.ts"

type Call = () => Effect.Effect<unknown>

/** Records while the driver does something else than answer its first call, and waits as long as it should. */
const afterFault = (
  driver: (call: Call, isFirst: () => boolean) => Effect.Effect<unknown>,
  wait: Duration.Input,
) =>
  Effect.gen(function* () {
    yield* emptyTables
    const sql = yield* SqlClient.SqlClient
    let calls = 0
    const faulty = new Proxy(sql, {
      apply: (target, self, args) =>
        driver(
          () => Reflect.apply(target, self, args),
          () => ++calls === 1,
        ),
    })
    const given = [record(), record(), record()]
    const { lines } = yield* Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const services = yield* Layer.build(Layer.fresh(Ledger.layerFile({ directory, maxBytes: 1e9 })))
      const ledger = Context.get(services, Ledger)
      yield* Effect.forEach(given, ledger.record, { discard: true })
      const flushed = yield* Effect.forkChild(ledger.flush(120_000), { startImmediately: true })
      yield* eventually(Effect.sync(() => calls > 0))
      yield* TestClock.adjust(wait)
      assert.isTrue(yield* Fiber.join(flushed))
    }).pipe(Effect.provideService(SqlClient.SqlClient, faulty), logged)
    yield* assertHoldsExactly(given)
    return lines.join("\n")
  })

layer(layerPostgres)("a ledger whose driver has a fault", (it) => {
  it.effect("writes the batch again after a defect", () =>
    Effect.gen(function* () {
      const log = yield* afterFault(
        (call, isFirst) => Effect.suspend(() => (isFirst() ? Effect.die(new Error("fault")) : call())),
        "1 second",
      )
      assert.include(log, "ledger batch not written")
    }),
  )

  it.effect("writes the batch again when there was no answer for half a minute", () =>
    Effect.gen(function* () {
      const log = yield* afterFault(
        (call, isFirst) => Effect.suspend(() => (isFirst() ? Effect.never : call())),
        "31 seconds",
      )
      assert.include(log, "ledger batch not written")
    }),
  )

  it.effect("goes on when its writer itself failed", () =>
    Effect.gen(function* () {
      const log = yield* afterFault((call, isFirst) => {
        if (isFirst()) throw new Error("fault")
        return call()
      }, "1 second")
      assert.include(log, "the ledger's writer failed")
    }),
  )
})
