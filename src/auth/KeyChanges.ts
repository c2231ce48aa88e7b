import { Context, Effect, Layer, Schedule, type Scope } from "effect"
import { answerWithin } from "../database/answer-within.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import { ChangeWindow } from "./change-window.ts"
import type { KeyCache } from "./KeyCache.ts"
import { KeyRecords, MAX_CHANGES } from "./KeyRecords.ts"

const POLL_EVERY = "300 millis"
/**
 * A poll without an answer by then means that the database does not answer. Twice this is no more than
 * `MAX_FRESH_MS`, so that nobody waits for a database that is only slow.
 */
const ANSWER_TIMEOUT_MS = 500
/** The answer of a slow database counts when it comes, up to here. */
const QUERY_TIMEOUT = "3 seconds"
/** Rows that were deleted, or lost by a server that took over, have no new number. */
const COMPARE_EVERY_MS = 5_000

/**
 * Keeps a `KeyCache` true to the table `api_keys`: a revoked, rotated or edited key is forgotten within a second on
 * every replica. `docs/decisions/0002-degraded-auth.md` says what holds without a database.
 */
export class KeyChanges extends Context.Service<
  KeyChanges,
  {
    /** Keeps the cache true until the scope closes. */
    readonly follow: (cache: KeyCache) => Effect.Effect<void, never, Scope.Scope>
  }
>()("gateway/auth/KeyChanges") {
  static readonly layerNoDeps = Layer.effect(
    KeyChanges,
    Effect.map(KeyRecords, (records) => KeyChanges.of({ follow: (cache) => follow(records, cache) })),
  )

  /** Needs a SQL client. */
  static readonly layer = this.layerNoDeps.pipe(Layer.provide(KeyRecords.layer))
}

function follow(records: KeyRecords["Service"], cache: KeyCache): Effect.Effect<void, never, Scope.Scope> {
  const window = new ChangeWindow()
  /** Undefined until the first answer: a database that starts with this process, or has no tables yet, is no news. */
  let reachable: boolean | undefined

  const failed = Effect.suspend(() => {
    window.reset()
    cache.markUnreachable()
    if (reachable !== true) return Effect.void
    reachable = false
    return Effect.logWarning("API key changes cannot be read; known keys are served from memory")
  })
  const answered = Effect.suspend(() => {
    const again = reachable === false
    reachable = true
    if (!again) return Effect.void
    return Effect.logInfo("API key changes are read again")
  })
  const late = Effect.sleep(ANSWER_TIMEOUT_MS - 1).pipe(
    // One more turn of the event loop: an answer that came while the process did not run is read first.
    Effect.andThen(Effect.sleep(1)),
    Effect.andThen(Effect.sync(() => cache.markUnreachable())),
    Effect.andThen(Effect.never),
  )
  return makePoll(records, cache, window).pipe(
    Effect.raceFirst(late),
    Effect.tapCause((cause) => Effect.logDebug("polling for API key changes failed", cause)),
    Effect.matchCauseEffect({ onSuccess: () => answered, onFailure: () => failed }),
    Effect.repeat(Schedule.fixed(POLL_EVERY)),
    Effect.ensuring(Effect.sync(() => cache.markUnreachable())),
    Effect.forkScoped({ startImmediately: true }),
    Effect.asVoid,
  )
}

/** Asks once what changed, forgets it and confirms the rest. */
function makePoll(records: KeyRecords["Service"], cache: KeyCache, window: ChangeWindow) {
  let comparedAtMs = Number.NEGATIVE_INFINITY

  const forgetChanged = Effect.fnUntraced(function* (after: bigint) {
    const changed = yield* answerWithin(QUERY_TIMEOUT)(records.changedAfter(after))
    for (const { id, changeSeq } of changed) cache.forget(id, changeSeq)
    return changed.length <= MAX_CHANGES
  })

  const forgetOutdated = Effect.fnUntraced(function* (nowMs: number) {
    const outdated = yield* answerWithin(QUERY_TIMEOUT)(records.outdated(cache.versions(nowMs)))
    for (const id of outdated) cache.forget(id)
    comparedAtMs = nowMs
  })

  return Effect.gen(function* () {
    const startedAtMs = yield* monotonicMs
    const snapshot = yield* answerWithin(QUERY_TIMEOUT)(records.snapshot)
    // A table with another past: restored, or of a server that took over and does not have everything.
    if (window.after !== undefined && snapshot.newest < window.after) window.reset()
    const { after } = window
    const complete = after !== undefined && (snapshot.newest === after || (yield* forgetChanged(after)))
    if (!complete || startedAtMs - comparedAtMs >= COMPARE_EVERY_MS) yield* forgetOutdated(startedAtMs)
    window.advance(snapshot)
    const tookMs = (yield* monotonicMs) - startedAtMs
    cache.confirm(startedAtMs, tookMs < ANSWER_TIMEOUT_MS)
  })
}
