import { type Clock, Effect, Metric } from "effect"
import { type Entry, type Journal, type Refusal, sizeOf } from "../journal/Journal.ts"
import type { MemoryJournal } from "../journal/MemoryJournal.ts"
import { ledgerCallsNotNoted, ledgerDropped } from "../observability/Metrics.ts"
import type { BatchShipper } from "./BatchShipper.ts"
import type { AttemptIntent, LedgerRecord } from "./LedgerRecord.ts"
import { ledgerEntry } from "./ledger-entry.ts"
import { intentLine } from "./lost-request.ts"
import type { WriterHealth } from "./WriterHealth.ts"

/** Entries that go from memory to the journal before requests get a turn. */
const SAVE_ENTRIES = 500

const REFUSAL_LOG_INTERVAL_MS = 10_000

/**
 * Puts records and intents into the journal, and records that it does not take into memory. Nothing that was begun is
 * interrupted: it ends with this turn of the event loop, and a record that was handed over must not lose its way.
 */
export class RecordIntake {
  readonly #journal: Journal
  readonly #overflow: MemoryJournal
  readonly #shipper: BatchShipper
  readonly #clock: Clock.Clock
  readonly #health: WriterHealth
  /** Refusals since the last line in the log. */
  #refused = { kept: 0, dropped: 0, calls: 0 }
  #loggedAtMs = Number.NEGATIVE_INFINITY
  #lost = 0

  constructor(
    journal: Journal,
    overflow: MemoryJournal,
    shipper: BatchShipper,
    clock: Clock.Clock,
    health: WriterHealth,
  ) {
    this.#journal = journal
    this.#overflow = overflow
    this.#shipper = shipper
    this.#clock = clock
    this.#health = health
  }

  /** Number of records that were dropped. */
  lost(): number {
    return this.#lost
  }

  readonly record = (record: LedgerRecord): Effect.Effect<void> =>
    Effect.uninterruptible(
      Effect.callback<void>((resume) => {
        const entry = ledgerEntry(record)
        this.#journal.append(entry, (refusal) => resume(this.#appended(entry, refusal)))
      }),
    )

  readonly recordIntent = (intent: AttemptIntent): Effect.Effect<void> =>
    Effect.uninterruptible(
      Effect.callback<void>((resume) => {
        this.#journal.recordIntent(intent.id, intentLine(intent), (refusal) =>
          resume(refusal === undefined ? Effect.void : this.#intentRefused(refusal)),
        )
      }),
    )

  /** Moves to the journal what waits in memory, which dies with the process, also at a clean stop. */
  readonly saveOverflow = Effect.fnUntraced({ self: this }, function* (append: Journal["appendNow"]) {
    const take = (entry: Entry) => append(entry) === undefined
    // Requests go on between.
    for (let moved = SAVE_ENTRIES; moved === SAVE_ENTRIES; yield* Effect.yieldNow) {
      moved = this.#overflow.moveTo(take, SAVE_ENTRIES)
      if (moved === 0) continue
      this.#shipper.extendFlushes()
      if (sizeOf(this.#overflow) === 0) this.#health.taken()
    }
  })

  /** Keeps in memory what the journal refused, and returns what is left to tell of that. */
  #appended(entry: Entry, refusal: Refusal | undefined): Effect.Effect<void> {
    if (refusal === undefined) {
      this.#health.taken()
      this.#shipper.wake()
      return Effect.void
    }
    this.#health.refused(refusal, this.#journal.fault())
    if (this.#overflow.appendNow(entry) === undefined) {
      this.#refused.kept += 1
      this.#shipper.wake()
      return this.#reportRefusals(refusal)
    }
    this.#refused.dropped += 1
    this.#lost += 1
    this.#journal.release(entry.id)
    return Effect.andThen(Metric.update(ledgerDropped(refusal), 1), this.#reportRefusals(refusal))
  }

  #intentRefused(refusal: Refusal): Effect.Effect<void> {
    this.#refused.calls += 1
    this.#health.refused(refusal, this.#journal.fault())
    return Effect.andThen(Metric.update(ledgerCallsNotNoted(refusal), 1), this.#reportRefusals(refusal))
  }

  /** Logs one line per interval: trouble must be visible in the log, not fill it. */
  #reportRefusals(reason: Refusal): Effect.Effect<void> {
    return Effect.suspend(() => {
      const nowMs = this.#clock.currentTimeMillisUnsafe()
      if (Math.abs(nowMs - this.#loggedAtMs) < REFUSAL_LOG_INTERVAL_MS) return Effect.void
      this.#loggedAtMs = nowMs
      const refused = this.#refused
      this.#refused = { kept: 0, dropped: 0, calls: 0 }
      const details = {
        reason,
        code: this.#journal.fault(),
        why: this.#health.journalFault(),
        ...refused,
        waiting: this.#shipper.waiting(),
      }
      return refused.dropped > 0
        ? Effect.logError("ledger full, records dropped", details)
        : Effect.logWarning("the ledger's journal takes no records, they are kept in memory", details)
    })
  }
}
