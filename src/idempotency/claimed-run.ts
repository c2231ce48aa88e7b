import { randomUUID } from "node:crypto"
import { Data, Effect, Exit, FiberSet, Option, Schedule } from "effect"
import type { AnswerRoom } from "../domain/AnswerRoom.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import { deliver, type GatewayResponse, storable, withdraw } from "../responses/response.ts"
import type { ClaimId, ClaimStoreShape } from "./claim.ts"
import type { IdempotencyLimits } from "./IdempotencyLimits.ts"

/** Result of a run: its response, and whether that is final (stored) or releases the claim (retryable). */
export interface FinishedRun {
  readonly response: GatewayResponse
  readonly keep: boolean
}

export interface IdempotentReply {
  readonly response: GatewayResponse
  /** True for everyone but the caller that started the run. */
  readonly replayed: boolean
}

export class IdempotencyError extends Data.TaggedError("IdempotencyError")<{
  readonly reason:
    | "reused" // same key, other request: 422
    | "in_progress" // running elsewhere, still after the bounded wait: 409
    | "not_stored" // finished, but the answer was too large to keep: final, and never run again
    | "overloaded" // as many keyed requests run as this process allows: 503
    | "key_overloaded" // as many as it allows this API key: 503
    | "unread" // large answers that clients have not read leave no room for this one: 503
    | "unavailable" // the database cannot keep the promise, or the process is stopping: 503
  readonly retryAfterMs?: number
}> {}

/** Hands a streamed response to every caller as soon as it begins; the run goes on and ends as any other. */
export type Begin = (response: GatewayResponse) => void

export const notStored = new IdempotencyError({ reason: "not_stored" })

/** Errors that say when to come back. */
export const passingErrors = ({ retryAfterMs }: Limits) => ({
  unavailable: new IdempotencyError({ reason: "unavailable", retryAfterMs }),
  overloaded: new IdempotencyError({ reason: "overloaded", retryAfterMs }),
  keyOverloaded: new IdempotencyError({ reason: "key_overloaded", retryAfterMs }),
  unread: new IdempotencyError({ reason: "unread", retryAfterMs }),
  inProgress: new IdempotencyError({ reason: "in_progress", retryAfterMs }),
})

type Limits = (typeof IdempotencyLimits)["Service"]

/** Waits, as long as for a run elsewhere, until there is room for so many bytes of an answer, and counts them. */
export const takeRoom = (
  room: AnswerRoom,
  bytes: number,
  limits: Limits,
): Effect.Effect<void, IdempotencyError> =>
  Effect.suspend(() => {
    let go = () => {}
    const resume = () => queueMicrotask(() => go())
    return Effect.callback<void>((resumed) => {
      go = () => resumed(Effect.void)
      if (room.goesOn(0, resume)) go()
    }).pipe(
      Effect.timeoutOrElse({
        duration: limits.waitMs,
        orElse: () => Effect.fail(passingErrors(limits).unread),
      }),
      // Counted before it is there, so that no other one is let in for the same room.
      Effect.tap(() => Effect.sync(() => room.goesOn(bytes, resume))),
      Effect.ensuring(Effect.sync(() => room.readEnds(resume))),
    )
  })

/** Makes the runs of requests with a key against the claim store. `fibers` hold what no request waits for. */
export const makeClaimedRun = (store: ClaimStoreShape, limits: Limits, fibers: FiberSet.FiberSet<void>) => {
  const { unavailable, inProgress } = passingErrors(limits)

  /** Claims, runs, and then keeps or releases the claim. */
  const runClaimed = Effect.fnUntraced(function* <R>(
    id: ClaimId,
    fingerprint: Uint8Array,
    work: (begin: Begin) => Effect.Effect<FinishedRun, never, R>,
    begin: Begin,
    room: AnswerRoom,
  ): Effect.fn.Return<IdempotentReply, IdempotencyError, R> {
    const owner = randomUUID()
    const stored = yield* obtain(id, fingerprint, owner, room)
    if (stored !== undefined) return { response: stored, replayed: true }

    const outcome = yield* Effect.raceFirst(work(begin), renewUntilLost(id, owner)).pipe(
      // A defect, or the end of the grace period: nothing is running any more, a retry may start at once.
      Effect.onExit((exit) => (Exit.isFailure(exit) ? release(id, owner) : Effect.void)),
    )
    if (outcome === undefined) return yield* lost(id, owner)
    const { response, keep } = outcome
    if (!keep) {
      yield* release(id, owner)
      return { response, replayed: false }
    }

    const handOut = Effect.sync(() => {
      begin(response)
      deliver(response)
    })
    const complete = store.complete(id, owner, { ...response, body: storable(response) })
    const sinceMs = yield* monotonicMs
    const kept = yield* Effect.retry(
      complete,
      Schedule.while(Schedule.spaced(limits.retryEveryMs), () =>
        Effect.map(monotonicMs, (nowMs) => nowMs - sinceMs <= limits.leaseMs),
      ),
    ).pipe(
      // An answer that is out and in no claim would be run again after a crash.
      Effect.raceFirst(
        Effect.sleep(limits.deliverAnywayMs).pipe(Effect.andThen(handOut), Effect.andThen(Effect.never)),
      ),
      // The process stops: whoever has the answer does not ask again.
      Effect.onInterrupt(() => handOut),
      Effect.catch((error) =>
        Effect.as(log(id, owner, "an answer was delivered but could not be stored", error.message), true),
      ),
    )
    if (kept) return { response, replayed: false }
    withdraw(response)
    return yield* lost(id, owner)
  })

  /** Claims, waiting (bounded) for a run in another process. Undefined: claimed. */
  const obtain = Effect.fnUntraced(function* (
    id: ClaimId,
    fingerprint: Uint8Array,
    owner: string,
    room: AnswerRoom,
  ) {
    const giveUpAtMs = (yield* monotonicMs) + limits.waitMs
    while (true) {
      const state = yield* store.claim(id, fingerprint, owner).pipe(
        Effect.catch((error) =>
          Effect.gen(function* () {
            yield* log(id, owner, "an idempotency claim could not be made", error.message)
            // It may have been made all the same, and its lease would block the key.
            yield* FiberSet.run(fibers, Effect.ignore(store.release(id, owner)))
            return yield* unavailable
          }),
        ),
      )
      switch (state._tag) {
        case "Claimed":
          if (state.run > 1) {
            yield* log(
              id,
              owner,
              "a claim was taken over after its lease; its earlier run's outcome is unknown",
            )
          }
          return undefined
        case "Finished": {
          const { response } = state
          if (response === null) return yield* notStored
          const { body, bytes, headers, status } = response
          return { status, headers, body: body ?? (yield* fetched(id, fingerprint, bytes, room)) }
        }
        case "Reused":
          return yield* new IdempotencyError({ reason: "reused" })
        case "Running":
          if ((yield* monotonicMs) >= giveUpAtMs) return yield* inProgress
          yield* Effect.sleep(limits.pollEveryMs)
      }
    }
  })

  /** Fetches a large answer as soon as there is room for it. */
  const fetched = (id: ClaimId, fingerprint: Uint8Array, bytes: number, room: AnswerRoom) =>
    takeRoom(room, bytes, limits).pipe(
      Effect.andThen(store.fetch(id, fingerprint)),
      Effect.catchTag("ClaimStoreUnavailable", ({ message }) =>
        Effect.as(
          Effect.annotateLogs(Effect.logWarning("a kept answer could not be fetched"), {
            keyId: id.keyId,
            cause: message,
          }),
          undefined,
        ),
      ),
      Effect.filterOrFail(
        (body) => body !== undefined,
        () => unavailable,
      ),
    )

  /** Ends, without a value, when the claim is another owner's. Without the database that cannot be told: it goes on. */
  const renewUntilLost = Effect.fnUntraced(function* (id: ClaimId, owner: string) {
    let pauseMs = limits.renewEveryMs
    while (true) {
      yield* Effect.sleep(pauseMs)
      const renewed = yield* Effect.option(store.renew(id, owner))
      if (Option.isSome(renewed) && !renewed.value) return undefined
      pauseMs = Option.isSome(renewed) ? limits.renewEveryMs : limits.retryEveryMs
    }
  })

  const release = (id: ClaimId, owner: string) =>
    Effect.catch(store.release(id, owner), (error) =>
      log(id, owner, "a claim is left to its lease", error.message),
    )

  const lost = (id: ClaimId, owner: string) =>
    Effect.andThen(
      log(id, owner, "a claim was lost to another owner after its lease"),
      Effect.fail(inProgress),
    )

  const log = (id: ClaimId, owner: string, message: string, cause?: string) =>
    Effect.annotateLogs(Effect.logWarning(message), { keyId: id.keyId, owner, ...(cause && { cause }) })

  return runClaimed
}
