import { statSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { isLocked, tryLock } from "../../src/platform/file-lock.ts"
import { temporaryDirectory } from "../support/Databases.ts"

it.effect("a lock's file is its owner's alone, and taking it again changes nothing of who holds it", () =>
  Effect.gen(function* () {
    const path = join(yield* temporaryDirectory, "lock")
    assert.isTrue(yield* tryLock(path))
    assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    assert.isFalse(yield* tryLock(path))
    assert.isTrue(yield* isLocked(path))
  }),
)
