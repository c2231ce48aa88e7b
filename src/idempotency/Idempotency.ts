import { randomUUID } from "node:crypto"
import {
  Cause,
  Clock,
  Context,
  Data,
  Deferred,
  Effect,
  Exit,
  FiberSet,
  Layer,
  Option,
  Schedule,
} from "effect"
import type { KeyId } from "../domain/Ids.ts"
import { type ClaimId, ClaimStore } from "./ClaimStore.ts"
import { hashKey } from "./fingerprint.ts"
import { IdempotencyLimits } from "./IdempotencyLimits.ts"
import { type ReplayBudget, StreamedBody } from "./StreamedBody.ts"

/** What is kept and replayed byte for byte. Header names are lower-case. */
export interface StoredResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What callers get: whole, or still being written. */
export interface IdempotentResponse extends Omit<StoredResponse, "body"> {
  readonly body: Uint8Array | StreamedBody
}

export interface IdempotencyClaim {
  readonly keyId: KeyId
  /** 1-255 visible ASCII, unquoted. Stored only as a hash. */
  readonly key: string
  /** SHA-256 over method, route and body bytes. */
  readonly fingerprint: Uint8Array
}

/** One run of a claim: its response, and whether that is final (stored) or releases the claim (retryable). */
export interface Outcome {
  readonly response: IdempotentResponse
  readonly keep: boolean
}

export interface IdempotentReply {
  readonly response: IdempotentResponse
  /** True for everyone but the caller that started the run. */
  readonly replayed: boolean
}

export class IdempotencyError extends Data.TaggedError("IdempotencyError")<{
  readonly reason:
    | "reused" // same key, other request: 422
    | "in_progress" // running elsewhere, still after the bounded wait: 409
    | "not_stored" // finished, but the answer was too large to keep: final, and never run again
    | "overloaded" // as many keyed requests run as this process allows: 503
    | "unavailable" // the database cannot keep the promise, or the process is stopping: 503
  readonly retryAfterMs?: number
}> {}

/** Hands a streamed response to every caller as soon as it begins; the run goes on and ends as any other. */
export type Begin = (response: IdempotentResponse) => void

/**
 * At most one upstream call per API key and Idempotency-Key. Protocol: claim by one INSERT … ON CONFLICT with a
 * lease on the database's clock; the owner runs `work` in a fiber of its own (a leaving client does not stop it),
 * renews the lease, then stores the response or, when it is retryable, releases the claim.
 *
 * An owner that finds its claim taken over (it was stalled for longer than its lease) stops, and its callers are
 * told to come back: a key has one answer, and that is now the other owner's.
 */
export class Idempotency extends Context.Service<
  Idempotency,
  {
    /**
     * Runs `work` once per claim and answers every caller with its response. `work` never fails: errors are
     * responses too. It may outlive the request that brought it, so it must hold nothing that closes with it.
     */
    readonly run: <R>(
      claim: IdempotencyClaim,
      work: (begin: Begin) => Effect.Effect<Outcome, never, R>,
    ) => Effect.Effect<IdempotentReply, IdempotencyError, R>
    /** For the streamed response of a run: kept for duplicates as far as there is room for it. */
    readonly streamedBody: () => StreamedBody
    /**
     * Refuses new claims, waits for running work, and interrupts what exceeds the grace period. Whoever owns what
     * `work` needs runs this before closing it; the layer runs it at its own end in any case.
     */
    readonly drain: Effect.Effect<void>
  }
>()("gateway/idempotency/Idempotency") {
  static readonly layerNoDeps = Layer.effect(
    Idempotency,
    Effect.gen(function* () {
      const store = yield* ClaimStore
      const limits = yield* IdempotencyLimits
      const fibers = yield* FiberSet.make<void>()
      /** One entry per call in this process, for its duplicates to join. */
      const calls = new Map<string, Running>()
      let draining = false
      const budget: ReplayBudget = {
        bytesPerStream: limits.maxStoredBytes,
        bytesLeft: limits.maxReplayBytes,
      }

      const unavailable = new IdempotencyError({ reason: "unavailable", retryAfterMs: limits.retryAfterMs })
      const overloaded = new IdempotencyError({ reason: "overloaded", retryAfterMs: limits.retryAfterMs })
      const inProgress = new IdempotencyError({ reason: "in_progress", retryAfterMs: limits.retryAfterMs })

      /**
       * Entries are keyed by the fingerprint too: whether a key belongs to another request is for the claim to
       * say, since until then neither of two requests in this process has a better right to it.
       */
      const run = <R>(
        claim: IdempotencyClaim,
        work: (begin: Begin) => Effect.Effect<Outcome, never, R>,
      ): Effect.Effect<IdempotentReply, IdempotencyError, R> =>
        // Uninterruptible from the entry to the fiber that removes it.
        Effect.uninterruptibleMask((restore) => {
          const name = `${claim.keyId} ${Buffer.from(claim.fingerprint).toString("hex")} ${claim.key}`
          const joined = calls.get(name)
          if (joined !== undefined) {
            return Effect.flatMap(
              restore(Deferred.await(joined.reply)),
              ({ response }): Effect.Effect<IdempotentReply, IdempotencyError, R> => {
                // Whoever asks again after a stream broke wants another run, for which this one has to be over.
                if (isBroken(response))
                  return restore(Effect.andThen(Deferred.await(joined.over), run(claim, work)))
                return canBeJoined(response)
                  ? Effect.succeed({ response, replayed: true })
                  : Effect.fail(notStored)
              },
            )
          }
          if (draining) return Effect.fail(unavailable)
          if (calls.size >= limits.maxRunning) return Effect.fail(overloaded)
          const running: Running = { reply: Deferred.makeUnsafe(), over: Deferred.makeUnsafe() }
          const { reply } = running
          let begun: IdempotentResponse | undefined
          calls.set(name, running)
          // Gone before the answer is out: whoever asks again after an answer asks the database.
          const settle = (exit: Exit.Exit<IdempotentReply, IdempotencyError>) =>
            Effect.sync(() => {
              calls.delete(name)
              Deferred.doneUnsafe(reply, exit)
              Deferred.doneUnsafe(running.over, Exit.void)
              if (begun === undefined) return
              deliver(begun)
              forget(begun)
            })
          const begin: Begin = (response) => {
            begun = response
            Deferred.doneUnsafe(reply, Exit.succeed({ response, replayed: false }))
          }
          const id = { keyId: claim.keyId, keyHash: hashKey(claim.key) }
          return attend(id, claim.fingerprint, work, begin).pipe(
            Effect.onExit((exit) => settle(withoutInterrupts(exit))),
            Effect.exit,
            Effect.asVoid,
            (call) => FiberSet.run(fibers, call),
            Effect.andThen(restore(Deferred.await(reply))),
          )
        })

      /** The life of one call: claim, run, keep or release. */
      const attend = Effect.fnUntraced(function* <R>(
        id: ClaimId,
        fingerprint: Uint8Array,
        work: (begin: Begin) => Effect.Effect<Outcome, never, R>,
        begin: Begin,
      ): Effect.fn.Return<IdempotentReply, IdempotencyError, R> {
        const owner = randomUUID()
        const stored = yield* obtain(id, fingerprint, owner)
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

        const complete = store.complete(id, owner, { ...response, body: storable(response) })
        const kept = yield* complete.pipe(
          Effect.catch(() =>
            Effect.sync(() => {
              begin(response)
              deliver(response)
            }).pipe(
              Effect.andThen(Effect.sleep(limits.retryEveryMs)),
              Effect.andThen(
                Effect.retry(
                  complete,
                  Schedule.spaced(limits.retryEveryMs).pipe(Schedule.upTo({ duration: limits.leaseMs })),
                ),
              ),
            ),
          ),
          Effect.catch((error) =>
            Effect.as(log(id, owner, "an answer was delivered but could not be stored", error.message), true),
          ),
        )
        return kept ? { response, replayed: false } : yield* lost(id, owner)
      })

      /** Claims, waiting (bounded) for a run in another process. Undefined: claimed. */
      const obtain = Effect.fnUntraced(function* (id: ClaimId, fingerprint: Uint8Array, owner: string) {
        const giveUpAt = (yield* Clock.monotonicTimeNanos) + BigInt(limits.waitMs) * 1_000_000n
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
            case "Finished":
              if (state.response === null) return yield* notStored
              return state.response
            case "Reused":
              return yield* new IdempotencyError({ reason: "reused" })
            case "Running":
              if ((yield* Clock.monotonicTimeNanos) >= giveUpAt) return yield* inProgress
              yield* Effect.sleep(limits.pollEveryMs)
          }
        }
      })

      /** Ends, without a value, when the claim is somebody else's. Without the database nobody can tell: it goes on. */
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

      const withoutInterrupts = <A>(exit: Exit.Exit<A, IdempotencyError>) =>
        Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? Exit.fail(unavailable) : exit

      const drain = Effect.gen(function* () {
        draining = true
        const drained = yield* Effect.timeoutOption(FiberSet.awaitEmpty(fibers), limits.drainMs)
        if (Option.isSome(drained)) return
        yield* Effect.logWarning(`${yield* FiberSet.size(fibers)} calls with an Idempotency-Key are cut off`)
        yield* FiberSet.clear(fibers)
      })
      yield* Effect.addFinalizer(() => drain)

      const cleanup = store.cleanup(limits.cleanupBatch).pipe(
        Effect.repeat({ while: (removed) => removed === limits.cleanupBatch }),
        Effect.catch((error) =>
          Effect.logWarning(`expired idempotency claims could not be removed: ${error.message}`),
        ),
      )
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(limits.cleanupEveryMs), cleanup)))

      return Idempotency.of({ run, streamedBody: () => new StreamedBody(budget), drain })
    }),
  )

  static readonly layer = Idempotency.layerNoDeps.pipe(Layer.provide(ClaimStore.layer))
  static readonly layerMemory = Idempotency.layerNoDeps.pipe(Layer.provide(ClaimStore.layerMemory))
}

/** One run in this process: what its callers get, and its end. */
interface Running {
  readonly reply: Deferred.Deferred<IdempotentReply, IdempotencyError>
  readonly over: Deferred.Deferred<void>
}

const notStored = new IdempotencyError({ reason: "not_stored" })

const isBroken = ({ body }: IdempotentResponse): boolean => body instanceof StreamedBody && body.broken

/** The end of a stream waits for its claim: a repetition of a whole answer is a replay. */
const deliver = ({ body }: IdempotentResponse): void => {
  if (body instanceof StreamedBody) body.deliver()
}

const forget = ({ body }: IdempotentResponse): void => {
  if (body instanceof StreamedBody) body.release()
}

const canBeJoined = ({ body }: IdempotentResponse): boolean =>
  !(body instanceof StreamedBody) || body.replayable

/** Undefined: too long for its buffer, as the claim will say. */
const storable = ({ body }: IdempotentResponse): Uint8Array | undefined =>
  body instanceof StreamedBody ? body.bytes() : body
