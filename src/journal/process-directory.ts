import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Data, Effect, Exit, Scope } from "effect"
import { tryLock } from "../platform/file-lock.ts"
import { WRITTEN_NOTE } from "./WrittenNote.ts"

/**
 * Each process has a directory of its own in the journal's, with a lock that dies with it. Whoever gets the lock of a
 * directory owns what is in it; the lock file is removed last, by its holder.
 */
export interface OwnedDirectory {
  readonly path: string
  /** The last part of `path`. */
  readonly name: string
  /** Gives the lock back; the contents are then anybody's. */
  readonly release: Effect.Effect<void>
}

export class JournalUnusable extends Data.TaggedError("JournalUnusable")<{
  readonly directory: string
  readonly cause: unknown
}> {
  override get message() {
    const reason = this.cause instanceof Error ? this.cause.message : "unknown reason"
    return (
      `The ledger's journal ${this.directory} cannot be used: ${reason}. Set DATA_DIR to a directory that can be ` +
      "written, or ledger.journal to memory in the file that GATEWAY_CONFIG names."
    )
  }
}

const LOCK = "lock"

const own = Effect.fnUntraced(function* (journal: string, name: string) {
  const path = join(journal, name)
  const scope = yield* Scope.fork(yield* Effect.scope)
  const release = Scope.close(scope, Exit.void)
  const locked = yield* tryLock(join(path, LOCK)).pipe(
    Scope.provide(scope),
    Effect.onError(() => release),
  )
  // The lock may have been had on a file that its last holder had just removed.
  if (locked && existsSync(join(path, LOCK))) return { path, name, release } satisfies OwnedDirectory
  yield* release
  return undefined
})

/** Makes a new directory of this process. */
export const claimDirectory = (
  journal: string,
): Effect.Effect<OwnedDirectory, JournalUnusable, Scope.Scope> =>
  Effect.gen(function* () {
    // A process that looks for the dead may take a directory before its maker has locked it.
    for (let tries = 0; ; tries++) {
      const name = randomBytes(8).toString("hex")
      const path = join(journal, name)
      yield* Effect.try({
        try: () => mkdirSync(path, { recursive: true, mode: 0o700 }),
        catch: (cause) => new JournalUnusable({ directory: journal, cause }),
      })
      const owned = yield* Effect.result(own(journal, name))
      if (owned._tag === "Success" && owned.success !== undefined) return owned.success
      if (owned._tag === "Failure" && (tries === 2 || existsSync(path))) {
        return yield* new JournalUnusable({ directory: journal, cause: owned.failure.cause })
      }
    }
  })

/** Takes over a directory whose process is dead. */
export const claimOrphanDirectory = (
  journal: string,
  wanted: (path: string) => boolean,
): Effect.Effect<OwnedDirectory | undefined, never, Scope.Scope> =>
  Effect.gen(function* () {
    const names = yield* Effect.orElseSucceed(
      Effect.try(() => readdirSync(journal).toSorted()),
      () => [],
    )
    for (const name of names) {
      if (!wanted(join(journal, name))) continue
      // One that cannot be locked is not for us to judge.
      const owned = yield* Effect.orElseSucceed(own(journal, name), () => undefined)
      if (owned !== undefined) return owned
    }
    return undefined
  })

/** Removes a directory that is empty but for the lock and the note: what this version does not know stays for the one that does. */
export const removeDirectory = ({ path, release }: OwnedDirectory): Effect.Effect<void> =>
  Effect.andThen(
    Effect.ignore(
      Effect.try(() => {
        // SQLite's own file beside it is there while the lock is held.
        for (const name of [WRITTEN_NOTE, LOCK, `${LOCK}-journal`]) rmSync(join(path, name), { force: true })
        rmdirSync(path)
      }),
    ),
    release,
  )
