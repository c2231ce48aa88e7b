import { closeSync, existsSync, openSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { Data, Effect, type Scope } from "effect"
import { codeOf } from "./error-code.ts"

class LockFileUnusable extends Data.TaggedError("LockFileUnusable")<{ readonly cause: unknown }> {}

/**
 * Takes a lock that one process of the machine can hold, until the scope closes; false when another has it. The lock is
 * an open exclusive transaction on a SQLite file, so the kernel frees it however its holder ends, `kill -9` included,
 * and there is no stale lock to judge. Nothing else may open the file: closing any other descriptor of it would drop
 * the lock.
 */
export const tryLock = (path: string): Effect.Effect<boolean, LockFileUnusable, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.try({ try: () => open(path), catch: (cause) => new LockFileUnusable({ cause }) }),
      (file) => Effect.sync(() => file?.close()),
    ),
    (file) => file !== undefined,
  )

function open(path: string): DatabaseSync | undefined {
  create(path)
  const file = new DatabaseSync(path)
  try {
    file.exec("BEGIN EXCLUSIVE")
    return file
  } catch (cause) {
    file.close()
    if (isBusy(cause)) return undefined
    throw cause
  }
}

/** Makes the file for its owner alone, as SQLite would not. One that is there is not opened: that would drop its lock. */
function create(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600))
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") throw cause
  }
}

/**
 * Tells whether a process holds the lock, and makes no file when there is none. A process that tries to take it in
 * the same moment may find it held.
 */
export const isLocked = (path: string): Effect.Effect<boolean, LockFileUnusable> =>
  Effect.try({ try: () => hasOwner(path), catch: (cause) => new LockFileUnusable({ cause }) })

function hasOwner(path: string): boolean {
  if (!existsSync(path)) return false
  const file = new DatabaseSync(path, { readOnly: true })
  try {
    // Takes no more than a reader's lock, which the owner's transaction does not allow.
    file.exec("BEGIN EXCLUSIVE")
    return false
  } catch (cause) {
    if (isBusy(cause)) return true
    throw cause
  } finally {
    file.close()
  }
}

/** Recognizes SQLITE_BUSY: another connection holds the transaction. */
function isBusy(cause: unknown): boolean {
  return cause instanceof Error && "errcode" in cause && cause.errcode === 5
}
