import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Metric, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type JournalDisk, realDisk } from "../../src/journal/SegmentWriter.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import type { AttemptIntent, LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { ledgerOverflow } from "../../src/observability/Metrics.ts"
import { afterCrash } from "../journal/files.ts"
import { temporaryDirectory } from "../support/Databases.ts"
import { quiet } from "./logged.ts"
import { numberedRecord } from "./records.ts"

/** Requests whose fibers are interrupted while the write that they share has yet to come. */

const intentOf = ({ id, startedAt, keyId, stream }: LedgerRecord): AttemptIntent => ({
  ...{ id, requestStartedAt: startedAt, keyId, endpoint: "/infer", route: "auto", requestedModel: "auto" },
  ...{ stream, provider: "openai", model: "gpt-5-mini", startedAt },
})

const numbered = (count: number) => Array.from({ length: count }, (_, n) => numberedRecord(n))

/** A ledger with two requests under way, over a disk that can be filled. */
const openLedger = Effect.gen(function* () {
  const state = { full: false }
  const disk: JournalDisk = {
    ...realDisk,
    write: (...args) => {
      if (state.full) throw Object.assign(new Error("full"), { code: "ENOSPC" })
      return realDisk.write(...args)
    },
  }
  const directory = yield* temporaryDirectory
  const services = yield* Layer.build(Layer.fresh(Ledger.layerFile({ directory, maxBytes: 1e9, disk })))
  const ledger = Context.get(services, Ledger)
  for (const n of [100, 101]) yield* ledger.recordIntent(intentOf(numberedRecord(n)))
  return { ledger, directory, state }
})

/** Starts all of them in one turn, and interrupts each at once. */
const startAndInterrupt = (effects: ReadonlyArray<Effect.Effect<void>>) =>
  Effect.gen(function* () {
    const fibers = yield* Effect.forEach(effects, (effect) =>
      Effect.forkChild(effect, { startImmediately: true }),
    )
    for (const fiber of fibers) assert.isUndefined(fiber.pollUnsafe())
    yield* Fiber.interruptAll(fibers)
  })

/** Runs in a scope of its own and closes it: without its database the ledger takes five seconds of virtual time. */
const inScope = <A, E, R>(effect: Effect.Effect<A, E, R | Scope.Scope>) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Scope.provide(effect, scope)
    const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
    yield* TestClock.adjust("5 seconds").pipe(
      Effect.repeat({ while: () => closing.pollUnsafe() === undefined, times: 1_000 }),
    )
    yield* Fiber.join(closing)
  })

// Nothing listens on port 1.
const unreachable = PgClient.layer({ url: Redacted.make("postgres://nobody@127.0.0.1:1/nothing") })

layer(unreachable)("a request that is interrupted while its record is being written", (it) => {
  it.effect("has its record in the journal", () =>
    Effect.gen(function* () {
      const { ledger, directory } = yield* openLedger
      const given = numbered(5)
      yield* startAndInterrupt(given.map(ledger.record))
      assert.deepStrictEqual((yield* afterCrash(directory)).entries, given.map(ledgerEntry))
    }).pipe(inScope, quiet),
  )

  it.effect("has its record in memory when the disk does not take it", () =>
    Effect.gen(function* () {
      const { ledger, state } = yield* openLedger
      state.full = true
      yield* startAndInterrupt(numbered(5).map(ledger.record))
      assert.strictEqual((yield* Metric.value(ledgerOverflow)).value, 5)
      state.full = false
    }).pipe(inScope, quiet),
  )

  it.effect("has its call noted", () =>
    Effect.gen(function* () {
      const { ledger, directory } = yield* openLedger
      yield* startAndInterrupt(numbered(3).map((record) => ledger.recordIntent(intentOf(record))))
      assert.lengthOf((yield* afterCrash(directory)).lost, 5)
    }).pipe(inScope, quiet),
  )
})
