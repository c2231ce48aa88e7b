import type { SendHandle } from "node:child_process"
import cluster, { type Worker } from "node:cluster"
import { Data, Deferred, type Duration, Effect, Exit, type Scope } from "effect"
import { Database } from "../../database/Database.ts"
import { QUEUE_EMPTIES } from "../../http/Server.ts"
import { sumCounts } from "../../observability/sum-metrics.ts"
import type { HandoverFromWorker, HandoverToWorker } from "../../platform/handover.ts"
import type { FromWorker, ToWorker } from "../../platform/Siblings.ts"
import { OnTerminal } from "../welcome.ts"
import { Acceptor } from "./Acceptor.ts"
import { Relay } from "./Relay.ts"

/** A worker that lived for less is started again after a pause, which doubles from one such death to the next. */
const SHORT_LIFE_MS = 10_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

/** What a worker may take beyond `drain_ms`: for keyed runs, the ledger and telemetry. */
const LAST_WORDS_MS = 45_000

/** The first worker ended before it listened, and has said why. */
class WorkersFailed extends Data.TaggedError("WorkersFailed")<{ readonly message: string }> {}

interface Supervision {
  readonly workers: number
  readonly drainMs: number
  /** How long before the port closes a balancer can see that it will. */
  readonly notice: Duration.Input
}

/**
 * Runs so many gateways that serve one port: this process accepts connections and hands them out in turn, holds the
 * embedded database where there is one, passes on what the workers say to each other, and starts another for each that
 * dies. The journal of the dead is adopted by who comes after it.
 *
 * Until it is interrupted; then it tells all of them to stop and waits for that.
 */
export const supervise = Effect.fnUntraced(function* (options: Supervision) {
  const database = yield* Database
  const failed = yield* Deferred.make<never, WorkersFailed>()
  yield* startWorkers(options, failed)
  return yield* Effect.raceFirst(Deferred.await(failed), database.stopped)
}, Effect.scoped)

const startWorkers = Effect.fnUntraced(function* (
  { drainMs, notice, workers: count }: Supervision,
  failed: Deferred.Deferred<never, WorkersFailed>,
): Effect.fn.Return<void, never, Scope.Scope> {
  const runSync = Effect.runSyncWith(yield* Effect.context<never>())
  const onTerminal = yield* OnTerminal
  const workers = new Map<number, Worker>()
  const allGone = Deferred.makeUnsafe<void>()
  const timers = new Set<NodeJS.Timeout>()
  let [isStopping, hasListened, pauseMs] = [false, false, FIRST_PAUSE_MS]

  const say = (id: number, message: ToWorker | HandoverToWorker, handle?: unknown): void => {
    const worker = workers.get(id)
    // One that dies meanwhile hears nothing any more, and its end is told anyway.
    if (worker?.isConnected() === true) worker.send(message, handle as SendHandle, () => {})
  }
  // The others follow the first: what is wrong with the settings or the port is said once.
  const acceptor = new Acceptor(say, () => {
    if (hasListened) return
    hasListened = true
    if (!isStopping) for (let others = count - 1; others > 0; others--) start()
  })
  const relay = new Relay(say, (_topic, texts) => sumCounts(texts.filter((text) => typeof text === "string")))

  const start = (): void => {
    const worker = cluster.fork()
    const startedAt = performance.now()
    workers.set(worker.id, worker)
    relay.join(worker.id)
    worker.on("message", (message: FromWorker | HandoverFromWorker) => {
      if ("gateway" in message) relay.hear(worker.id, message)
      else acceptor.hear(worker.id, message)
    })
    worker.once("exit", (code, signal) => ended(worker, startedAt, signal ?? code))
  }

  const ended = (worker: Worker, startedAt: number, how: string | number): void => {
    workers.delete(worker.id)
    relay.leave(worker.id)
    acceptor.leave(worker.id)
    if (isStopping) {
      if (workers.size === 0) Deferred.doneUnsafe(allGone, Exit.void)
      return
    }
    if (!hasListened) {
      const message = `The gateway did not start: its first worker ended with ${how}.`
      Deferred.doneUnsafe(failed, Exit.fail(new WorkersFailed({ message })))
      return
    }
    const isShort = performance.now() - startedAt < SHORT_LIFE_MS
    pauseMs = isShort ? Math.min(LONGEST_PAUSE_MS, pauseMs * 2) : FIRST_PAUSE_MS
    runSync(
      Effect.annotateLogs(Effect.logError("a worker ended; another is started"), {
        pid: worker.process.pid,
        how,
        pauseMs,
      }),
    )
    const timer = setTimeout(() => {
      timers.delete(timer)
      start()
    }, pauseMs)
    timers.add(timer)
  }

  const signal = (name: NodeJS.Signals): void => {
    for (const worker of workers.values()) worker.process.kill(name)
  }
  const tell = (name: NodeJS.Signals) => Effect.sync(() => signal(name))
  const reload = () => signal("SIGHUP")
  const stop = Effect.suspend(() => {
    isStopping = true
    for (const timer of timers) clearTimeout(timer)
    if (workers.size === 0) return Effect.sync(() => acceptor.close())
    return tell("SIGTERM").pipe(
      Effect.andThen(Effect.sleep(notice)),
      Effect.andThen(Effect.sync(() => acceptor.closeTheQueue())),
      Effect.andThen(Effect.sleep(QUEUE_EMPTIES)),
      Effect.andThen(Effect.sync(() => acceptor.close())),
      Effect.andThen(Deferred.await(allGone)),
      Effect.timeoutOrElse({
        duration: drainMs + LAST_WORDS_MS,
        orElse: () =>
          Effect.logError("workers did not stop in time and are killed").pipe(
            Effect.andThen(tell("SIGKILL")),
            Effect.andThen(Deferred.await(allGone)),
          ),
      }),
    )
  })
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      if (!onTerminal) process.on("SIGHUP", reload)
      start()
    }),
    () =>
      Effect.ensuring(
        stop,
        Effect.sync(() => process.off("SIGHUP", reload)),
      ),
  )
})
