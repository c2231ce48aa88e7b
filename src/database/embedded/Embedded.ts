import { mkdir } from "node:fs/promises"
import { connect } from "node:net"
import { join, relative, resolve } from "node:path"
import { Worker } from "node:worker_threads"
import { Data, Deferred, Effect, Exit, Schedule, Scope } from "effect"
import { tryLock } from "../../platform/file-lock.ts"
import { moduleBeside } from "../../platform/module-beside.ts"
import { clusterFault, isOccupied } from "./cluster-files.ts"
import { createCluster } from "./create-cluster.ts"
import { startupMessage } from "./wire-server.ts"

/**
 * The embedded PostgreSQL under `DATA_DIR`: a worker thread that owns the files and serves them on the socket
 * `DATA_DIR/postgres.sock` (0600). Exactly one process at a time runs it, whoever holds `DATA_DIR/lock`; other
 * processes of the same user reach it through the socket.
 */
export interface Embedded {
  readonly socketPath: string
  /** Never succeeds; fails when the database stopped although nobody asked it to. */
  readonly stopped: Effect.Effect<never, EmbeddedDatabaseError>
}

export class DataDirInUse extends Data.TaggedError("DataDirInUse")<{ readonly dataDir: string }> {
  override get message() {
    return `Another gateway is running on DATA_DIR ${this.dataDir}; stop it or set DATA_DIR.`
  }
}

export class EmbeddedDatabaseError extends Data.TaggedError("EmbeddedDatabaseError")<{
  readonly message: string
  readonly cause?: unknown
}> {}

export interface EmbeddedWorkerData {
  readonly clusterDir: string
  readonly socketPath: string
  readonly transactionIdleMs: number
  readonly closeGraceMs: number
}

const clusterDirOf = (dataDir: string): string => join(dataDir, "postgres")

/** Tells whether there is an embedded database, or what is left of one: otherwise opening it makes it. */
export const hasDatabase = (dataDir: string): boolean => isOccupied(clusterDirOf(dataDir))

const TRANSACTION_IDLE_MS = 15_000
/** Milliseconds that a command which shares the database gets to finish when its owner stops. */
const CLOSE_GRACE_MS = 3_000
/** Waits for a lock that a command holds for moments, and so does a gateway that is just stopping. */
const LOCK_PATIENCE = Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "3 seconds" }))
/** Waits for the holder of the lock, which may still be creating its database. */
const JOIN_PATIENCE = Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "15 seconds" }))

/** Runs the embedded database in this process until the scope closes. */
export const open = (
  dataDir: string,
): Effect.Effect<Embedded, DataDirInUse | EmbeddedDatabaseError, Scope.Scope> =>
  Effect.retry(own(dataDir), {
    schedule: LOCK_PATIENCE,
    while: (error) => error._tag === "DataDirInUse",
  })

/** Runs it, or joins the process that already does: for commands beside a running gateway. */
export const openOrJoin = (
  dataDir: string,
): Effect.Effect<Embedded, DataDirInUse | EmbeddedDatabaseError, Scope.Scope> =>
  own(dataDir).pipe(
    Effect.catchTag("DataDirInUse", () => joinHolder(dataDir)),
    Effect.retry({ schedule: JOIN_PATIENCE, while: (error) => error._tag === "DataDirInUse" }),
    Effect.catchTag("DataDirInUse", () =>
      Effect.fail(
        new EmbeddedDatabaseError({
          message: `The gateway that runs on DATA_DIR ${dataDir} does not answer on its database socket.`,
        }),
      ),
    ),
  )

/** Takes the directory. On a failure everything is released before it returns, so that it can be tried again. */
const own = (dataDir: string) =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const attempt = yield* Scope.fork(scope)
    return yield* start(dataDir).pipe(
      Scope.provide(attempt),
      Effect.onError(() => Scope.close(attempt, Exit.void)),
    )
  })

const start = Effect.fnUntraced(function* (dataDir: string) {
  const socketPath = yield* socketPathOf(dataDir)
  yield* Effect.tryPromise({
    try: () => mkdir(dataDir, { recursive: true, mode: 0o700 }),
    catch: (cause) => unusable(dataDir, cause),
  })
  const locked = yield* tryLock(join(dataDir, "lock")).pipe(
    Effect.mapError(({ cause }) => unusable(dataDir, cause)),
  )
  if (!locked) return yield* new DataDirInUse({ dataDir })
  const clusterDir = clusterDirOf(dataDir)
  if (isOccupied(clusterDir)) {
    const fault = yield* Effect.try({
      try: () => clusterFault(clusterDir),
      catch: (cause) => unusable(dataDir, cause),
    })
    if (fault !== undefined) return yield* notWhole(clusterDir, fault)
  } else {
    yield* Effect.tryPromise({
      try: (signal) => createCluster(clusterDir, signal),
      catch: (cause) =>
        new EmbeddedDatabaseError({
          message: `The embedded database could not be created: ${reasonOf(cause)}`,
          cause,
        }),
    })
  }
  return yield* startWorker({
    clusterDir,
    socketPath,
    transactionIdleMs: TRANSACTION_IDLE_MS,
    closeGraceMs: CLOSE_GRACE_MS,
  })
})

const startWorker = Effect.fnUntraced(function* (workerData: EmbeddedWorkerData) {
  const ready = yield* Deferred.make<void, EmbeddedDatabaseError>()
  const stopped = yield* Deferred.make<never, EmbeddedDatabaseError>()
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const worker = new Worker(moduleBeside(import.meta.url, "embedded-worker"), {
        workerData,
        execArgv: [],
      })
      const fail = (message: string, cause?: unknown) => {
        const error = new EmbeddedDatabaseError({ message, cause })
        Deferred.doneUnsafe(ready, Exit.fail(error))
        Deferred.doneUnsafe(stopped, Exit.fail(error))
      }
      worker.once("message", () => Deferred.doneUnsafe(ready, Exit.void))
      worker.once("error", (cause) => fail(`The embedded database failed: ${reasonOf(cause)}`, cause))
      worker.once("exit", () => fail("The embedded database ended."))
      return worker
    }),
    (worker) =>
      Effect.callback<void>((resume) => {
        worker.removeAllListeners("exit")
        worker.once("exit", () => resume(Effect.void))
        if (worker.threadId < 0) resume(Effect.void)
        worker.postMessage("stop")
      }).pipe(
        Effect.timeoutOrElse({
          duration: CLOSE_GRACE_MS + 5_000,
          orElse: () => Effect.promise(() => worker.terminate()),
        }),
      ),
  )
  yield* Deferred.await(ready).pipe(
    Effect.mapError(
      ({ message, cause }) =>
        new EmbeddedDatabaseError({
          message: `${message} It could not be opened: if its files in ${workerData.clusterDir} are damaged, restore all of DATA_DIR from a backup.`,
          cause,
        }),
    ),
  )
  return { socketPath: workerData.socketPath, stopped: Deferred.await(stopped) }
})

/**
 * Joins the process that runs the database. The connection that proves it answers stays open with the scope: a holder
 * that stops waits a little for the connections it has, so a command that joined it can finish.
 */
const joinHolder = (
  dataDir: string,
): Effect.Effect<Embedded, DataDirInUse | EmbeddedDatabaseError, Scope.Scope> =>
  Effect.gen(function* () {
    const socketPath = yield* socketPathOf(dataDir)
    yield* Effect.acquireRelease(
      Effect.callback<ReturnType<typeof connect>, DataDirInUse>((resume) => {
        const socket = connect(socketPath, () => socket.write(startupMessage()))
        socket.once("data", () => resume(Effect.succeed(socket)))
        socket.on("error", () => socket.destroy())
        socket.on("close", () => resume(Effect.fail(new DataDirInUse({ dataDir }))))
        return Effect.sync(() => socket.destroy())
      }),
      (socket) => Effect.sync(() => socket.destroy()),
    )
    // A holder that stops cuts our connections; the next query then fails by itself.
    return { socketPath, stopped: Effect.never }
  })

/** The kernel's limit for a socket's path; the shorter of two spellings counts. */
const MAX_SOCKET_PATH_BYTES = 103

const socketPathOf = (dataDir: string) =>
  Effect.suspend(() => {
    const absolute = resolve(dataDir, "postgres.sock")
    const spellings = [absolute, relative("", absolute)].sort((a, b) => a.length - b.length)
    const path = spellings.find((spelling) => Buffer.byteLength(spelling) <= MAX_SOCKET_PATH_BYTES)
    return path === undefined
      ? Effect.fail(
          new EmbeddedDatabaseError({
            message: `DATA_DIR ${dataDir} is too long: ${absolute} exceeds the ${MAX_SOCKET_PATH_BYTES} bytes of a socket path. Set a shorter DATA_DIR.`,
          }),
        )
      : Effect.succeed(path)
  })

const notWhole = (clusterDir: string, fault: string) =>
  new EmbeddedDatabaseError({
    message:
      `The embedded database in ${clusterDir} is not whole: ${fault}. Nothing was changed. Restore all of DATA_DIR from ` +
      "a backup, or move that directory away to start with a new, empty database.",
  })

const unusable = (dataDir: string, cause: unknown) =>
  new EmbeddedDatabaseError({ message: `DATA_DIR ${dataDir} cannot be used: ${reasonOf(cause)}`, cause })

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
