import { assert, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { KeyCache, type Lookup } from "../../src/auth/KeyCache.ts"
import { KeyChanges } from "../../src/auth/KeyChanges.ts"
import { KeyRecords, KeyRecordsUnavailable } from "../../src/auth/KeyRecords.ts"
import { monotonicMs } from "../../src/platform/monotonic.ts"
import { principalOf } from "../support/principal-of.ts"
import { KeyTable } from "./KeyTable.ts"
import { START_MS } from "./world.ts"

/** Polls under virtual time, of a database that does what the test says. */
export class Feed {
  readonly cache = new KeyCache()
  readonly table = new KeyTable()
  polls = 0
  /** Until an answer arrives; undefined: never. */
  answerMs: number | undefined = 0
  down = false

  readonly start = Effect.gen({ self: this }, function* () {
    const records = this.table.records((answer) => {
      this.polls += 1
      if (this.down) return new KeyRecordsUnavailable({ cause: "down" })
      return Effect.as(this.answerMs === undefined ? Effect.never : Effect.sleep(this.answerMs), answer)
    })
    const services = yield* Layer.build(
      KeyChanges.layerNoDeps.pipe(Layer.provide(Layer.succeed(KeyRecords, records))),
    )
    yield* Context.get(services, KeyChanges).follow(this.cache)
  })

  /** Starts a check whose row was not read yet. */
  beginLookup(id: string): Lookup {
    const lookup: Lookup = { id, result: Deferred.makeUnsafe(), changeSeq: undefined }
    this.cache.beginLookup(id, lookup)
    return lookup
  }

  readRow(lookup: Lookup): void {
    lookup.changeSeq = this.table.rows.get(lookup.id)
  }

  /** Ends a check with the verdict that the row it read deserves. */
  endLookup(lookup: Lookup, changeSeq = lookup.changeSeq ?? assert.fail("no row was read")) {
    return Effect.map(monotonicMs, (checkedAtMs) =>
      this.cache.endLookup(lookup.id, lookup, {
        principal: Exit.succeed(principalOf("AdaAdaAdaAda")),
        changeSeq,
        checkedAtMs,
        validUntilMs: Number.POSITIVE_INFINITY,
      }),
    )
  }

  /** Makes a key known as it is, creating it if need be. */
  learn(id: string) {
    if (!this.table.rows.has(id)) this.table.change(id)
    const lookup = this.beginLookup(id)
    this.readRow(lookup)
    return this.endLookup(lookup)
  }

  find(id: string) {
    return Effect.map(monotonicMs, (nowMs) => {
      const found = this.cache.find(id, nowMs)
      return typeof found === "object" ? "known" : (found ?? "unknown")
    })
  }
}

/** A test of a feed of its own, which has been polled once. */
export const feedTest = (name: string, body: (feed: Feed) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(name, () => {
    const feed = new Feed()
    return TestClock.setTime(START_MS).pipe(
      Effect.andThen(feed.start),
      Effect.andThen(TestClock.adjust(0)),
      Effect.andThen(body(feed)),
    )
  })
