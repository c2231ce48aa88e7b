import { Cause, Context, Deferred, Effect, Exit, FiberSet, Layer, Option } from "effect"
import type { AnswerRoom } from "../domain/AnswerRoom.ts"
import type { KeyId } from "../domain/Ids.ts"
import { SharedPot } from "../domain/SharedPot.ts"
import { SMALL_BODY_BYTES } from "../platform/LargeBodies.ts"
import { ReplayableBody } from "../responses/ReplayableBody.ts"
import { canBeJoined, deliver, forget, type GatewayResponse, isBroken } from "../responses/response.ts"
import { ClaimStore } from "./ClaimStore.ts"
import {
  type Begin,
  type FinishedRun,
  type IdempotencyError,
  type IdempotentReply,
  makeClaimedRun,
  notStored,
  passingErrors,
  takeRoom,
} from "./claimed-run.ts"
import { hashKey } from "./fingerprint.ts"
import { IdempotencyLimits } from "./IdempotencyLimits.ts"

/** What one key may have of the runs and of the bytes, alone; beside others it is less. */
const KEY_SHARE = 0.5

export interface IdempotencyClaim {
  readonly keyId: KeyId
  /** 1-255 visible ASCII, unquoted. Stored only as a hash. */
  readonly key: string
  /** SHA-256 over method, route and body bytes. */
  readonly fingerprint: Uint8Array
}

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
     * `refused` runs before the caller that came first gets an error, also when that caller has left. `room` is where the
     * caller's replay is held.
     */
    readonly run: <R>(
      claim: IdempotencyClaim,
      work: (begin: Begin) => Effect.Effect<FinishedRun, never, R>,
      refused?: (error: IdempotencyError) => Effect.Effect<void>,
      room?: AnswerRoom,
    ) => Effect.Effect<IdempotentReply, IdempotencyError, R>
    /** For the streamed response of a run: kept for duplicates as far as there is room for it. */
    readonly replayableBody: (keyId: KeyId) => ReplayableBody
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
      /** One entry per run in this process, for its duplicates to join. */
      const runs = new Map<string, Running>()
      let draining = false
      const runPot = new SharedPot(limits.maxRunning, KEY_SHARE)
      const replayPot = new SharedPot(limits.maxReplayBytes, KEY_SHARE)
      const replayableBody = (keyId: KeyId) =>
        new ReplayableBody({
          bytesPerStream: limits.maxStoredBytes,
          take: (bytes) => replayPot.take(keyId, bytes) === undefined,
          give: (bytes) => replayPot.giveBack(keyId, bytes),
        })
      const { unavailable, overloaded, keyOverloaded } = passingErrors(limits)
      const runClaimed = makeClaimedRun(store, limits, fibers)

      /**
       * Entries are keyed by the fingerprint too: whether a key belongs to another request is for the claim to
       * say, since until then neither of two requests in this process has a better right to it.
       */
      const run = <R>(
        claim: IdempotencyClaim,
        work: (begin: Begin) => Effect.Effect<FinishedRun, never, R>,
        refused: (error: IdempotencyError) => Effect.Effect<void> = () => Effect.void,
        room: AnswerRoom = BOUNDLESS,
      ): Effect.Effect<IdempotentReply, IdempotencyError, R> =>
        // Uninterruptible from the entry to the fiber that removes it.
        Effect.uninterruptibleMask((restore) => {
          const name = `${claim.keyId} ${Buffer.from(claim.fingerprint).toString("hex")} ${claim.key}`
          const joined = runs.get(name)
          if (joined !== undefined) {
            return Effect.flatMap(
              restore(Deferred.await(joined.reply)),
              ({ response }): Effect.Effect<IdempotentReply, IdempotencyError, R> => {
                // Whoever asks again after a stream broke wants another run, for which this one has to be over.
                if (isBroken(response))
                  return restore(Effect.andThen(Deferred.await(joined.over), run(claim, work, refused, room)))
                if (!canBeJoined(response)) return Effect.fail(notStored)
                const reply = Effect.succeed({ response, replayed: true })
                const bytes = largeBytesOf(response)
                return bytes === 0 ? reply : restore(Effect.andThen(takeRoom(room, bytes, limits), reply))
              },
            )
          }
          if (draining) return Effect.fail(unavailable)
          const refusal = runPot.take(claim.keyId, 1)
          if (refusal !== undefined) return Effect.fail(refusal === "full" ? overloaded : keyOverloaded)
          const running: Running = { reply: Deferred.makeUnsafe(), over: Deferred.makeUnsafe() }
          const { reply } = running
          let begun: GatewayResponse | undefined
          runs.set(name, running)
          // Gone before the answer is out: whoever asks again after an answer asks the database.
          const finish = (exit: Exit.Exit<IdempotentReply, IdempotencyError>) =>
            Effect.sync(() => {
              runs.delete(name)
              runPot.giveBack(claim.keyId, 1)
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
          return runClaimed(id, claim.fingerprint, work, begin, room).pipe(
            Effect.onExit((exit) => {
              const ended = withoutInterrupts(exit)
              const error = Option.getOrUndefined(Exit.findErrorOption(ended))
              return error === undefined ? finish(ended) : Effect.andThen(refused(error), finish(ended))
            }),
            Effect.exit,
            Effect.asVoid,
            (claimed) => FiberSet.run(fibers, claimed),
            Effect.andThen(restore(Deferred.await(reply))),
          )
        })

      const withoutInterrupts = <A>(exit: Exit.Exit<A, IdempotencyError>) =>
        Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? Exit.fail(unavailable) : exit

      const drain = Effect.gen(function* () {
        draining = true
        const drained = yield* Effect.timeoutOption(FiberSet.awaitEmpty(fibers), limits.drainMs)
        if (Option.isSome(drained)) return
        yield* Effect.logWarning(`${yield* FiberSet.size(fibers)} runs with an Idempotency-Key are cut off`)
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

      return Idempotency.of({ run, replayableBody, drain })
    }),
  )

  static readonly layer = Idempotency.layerNoDeps.pipe(Layer.provide(ClaimStore.layer))
  static readonly layerMemory = Idempotency.layerNoDeps.pipe(Layer.provide(ClaimStore.layerMemory))
}

/** Bytes of an answer that is sent as a whole; 0 of a small one, which needs no room. */
const largeBytesOf = ({ body }: GatewayResponse): number => {
  if (body instanceof ReplayableBody) return 0
  const bytes = Buffer.byteLength(body)
  return bytes > SMALL_BODY_BYTES ? bytes : 0
}

const BOUNDLESS: AnswerRoom = { goesOn: () => true, readEnds: () => {} }

/** A run in this process: the reply that its callers get, and its end. */
interface Running {
  readonly reply: Deferred.Deferred<IdempotentReply, IdempotencyError>
  readonly over: Deferred.Deferred<void>
}
