import { Effect, Latch } from "effect"
import type { SqlClient } from "effect/sql"
import { answerWithin } from "../database/answer-within.ts"
import { type EntryQueue, type Journal, type Orphan, sizeOf } from "../journal/Journal.ts"
import type { MemoryJournal } from "../journal/MemoryJournal.ts"
import { deliverBatch } from "./deliver-batch.ts"
import { endLeases } from "./tables/leases.ts"
import type { WriterHealth } from "./WriterHealth.ts"

/** A batch leaves when it is full or this old, whichever comes first. */
const BATCH_RECORDS = 500
const BATCH_AGE = "200 millis"

const LEASES_TIMEOUT = "5 seconds"

/** Queues, and what they had taken at a time. */
type Targets = Map<EntryQueue, number>

interface Flush {
  /** As of when it was asked for. */
  readonly targets: Targets
  readonly resume: () => void
}

/** Takes entries out of the journal, out of memory and out of orphans, and gets them into the database in batches. */
export class BatchShipper {
  readonly #sql: SqlClient.SqlClient
  readonly #journal: Journal
  readonly #overflow: MemoryJournal
  readonly #health: WriterHealth
  readonly #orphans: Array<{ readonly orphan: Orphan; readonly after: Targets }> = []
  readonly #filled = Latch.makeUnsafe()
  readonly #batchReady = Latch.makeUnsafe()
  readonly #orphansFound = Latch.makeUnsafe()
  readonly #flushes = new Set<Flush>()

  constructor(sql: SqlClient.SqlClient, journal: Journal, overflow: MemoryJournal, health: WriterHealth) {
    this.#sql = sql
    this.#journal = journal
    this.#overflow = overflow
    this.#health = health
  }

  /** Number of records that are not in the database. */
  waiting(): number {
    return this.#queues().reduce((sum, queue) => sum + sizeOf(queue), 0)
  }

  /** Milliseconds since the request of the oldest record that waits ended. */
  oldestAgeMs(nowMs: number): number {
    const ended = this.#queues().flatMap((queue) => (sizeOf(queue) === 0 ? [] : (queue.oldestMs() ?? [])))
    return ended.length === 0 ? 0 : Math.max(0, nowMs - Math.min(...ended))
  }

  /** Says that there is a new entry in the journal or in memory. */
  wake(): void {
    this.#filled.openUnsafe()
    if (sizeOf(this.#journal) + sizeOf(this.#overflow) >= BATCH_RECORDS) this.#batchReady.openUnsafe()
  }

  /** Takes what a dead process left; of what that was working on there are records in this one's journal by now. */
  add(orphan: Orphan): void {
    this.#orphans.push({ orphan, after: this.#targets([this.#journal, this.#overflow]) })
    this.#filled.openUnsafe()
    this.#batchReady.openUnsafe()
  }

  /** Says that every orphan that is there has been added: from then on a flush knows what to wait for. */
  orphansFound(): void {
    this.#orphansFound.openUnsafe()
  }

  /** Lets those that wait also wait for what went from memory to the journal. */
  extendFlushes(): void {
    for (const { targets } of this.#flushes) targets.set(this.#journal, this.#journal.appended())
    for (const { after } of this.#orphans) after.set(this.#journal, this.#journal.appended())
  }

  /** Resolves when everything taken in so far is in the database, or fails to within `timeoutMs` (false). */
  flush(timeoutMs: number): Effect.Effect<boolean> {
    return this.#orphansFound.await.pipe(
      Effect.andThen(Effect.callback<void>((resume) => this.#register(() => resume(Effect.void)))),
      Effect.as(true),
      Effect.timeoutOrElse({ duration: timeoutMs, orElse: () => Effect.succeed(false) }),
    )
  }

  /** Ships for ever. */
  readonly run: Effect.Effect<never> = Effect.suspend(() => this.#next).pipe(
    Effect.forever,
    Effect.catchDefect((defect) =>
      Effect.andThen(Effect.logError("the ledger's writer failed", { defect }), Effect.sleep("1 second")),
    ),
    Effect.forever,
  )

  readonly #next = Effect.gen({ self: this }, function* () {
    yield* this.#removeEmptyOrphans
    this.#resumeFlushes()
    if (this.waiting() === 0) {
      this.#filled.closeUnsafe()
      // An orphan is left whose leases could not be ended.
      yield* this.#orphans.length === 0
        ? this.#filled.await
        : Effect.timeoutOption(this.#filled.await, LEASES_TIMEOUT)
    }
    if (this.waiting() >= BATCH_RECORDS || this.#flushes.size > 0) this.#batchReady.openUnsafe()
    yield* Effect.timeoutOption(this.#batchReady.await, BATCH_AGE)
    // Opened again by those who come while this batch is shipped.
    this.#batchReady.closeUnsafe()
    yield* this.#ship
  })

  /** Ships the first batch that can be had. One queue that cannot be read at the moment does not hold up the others. */
  readonly #ship = Effect.gen({ self: this }, function* () {
    for (const queue of this.#queues()) {
      if (sizeOf(queue) === 0) continue
      const entries = yield* queue.peek(BATCH_RECORDS)
      if (entries.length === 0) continue
      this.#health.began()
      yield* Effect.withSpan(deliverBatch(this.#sql, entries, this.#health), "ledger.batch", {
        attributes: { "gateway.records": entries.length },
      })
      this.#health.ended()
      yield* queue.acknowledge
      if (queue === this.#overflow) for (const { id } of entries) this.#journal.release(id)
      return
    }
    yield* Effect.sleep(BATCH_AGE)
  })

  readonly #removeEmptyOrphans = Effect.gen({ self: this }, function* () {
    for (const done of this.#orphans.filter(
      ({ after, orphan }) => sizeOf(orphan.queue) === 0 && isReached(after),
    )) {
      // Failing, it is tried again: the journal is still there.
      if (!(yield* this.endLeases(done.orphan.name))) return
      yield* done.orphan.remove
      this.#orphans.splice(this.#orphans.indexOf(done), 1)
    }
  })

  /** Queues in the order they are shipped: first what would be lost with the process, then the oldest. */
  #queues(): ReadonlyArray<EntryQueue> {
    return [this.#overflow, ...this.#orphans.map(({ orphan }) => orphan.queue), this.#journal]
  }

  #targets(queues: ReadonlyArray<EntryQueue>): Targets {
    return new Map(queues.map((queue) => [queue, queue.appended()]))
  }

  /** Says that everything that a process recorded is in the database. Tells whether that was heard. */
  endLeases(holder: string): Effect.Effect<boolean> {
    return endLeases(this.#sql, holder).pipe(
      answerWithin(LEASES_TIMEOUT),
      Effect.as(true),
      Effect.catchCause((cause) =>
        Effect.as(Effect.logWarning("budgets that a process held could not be given back", cause), false),
      ),
    )
  }

  #register(resume: () => void): Effect.Effect<void> {
    this.#journal.flush()
    const flush: Flush = { targets: this.#targets(this.#queues()), resume }
    this.#flushes.add(flush)
    this.#resumeFlushes()
    this.#batchReady.openUnsafe()
    return Effect.sync(() => void this.#flushes.delete(flush))
  }

  #resumeFlushes(): void {
    for (const flush of this.#flushes) {
      if (!isReached(flush.targets)) continue
      this.#flushes.delete(flush)
      flush.resume()
    }
  }
}

const isReached = (targets: Targets): boolean =>
  ![...targets].some(([queue, appended]) => queue.acknowledged() < appended)
