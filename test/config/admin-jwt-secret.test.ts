import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Path, Redacted } from "effect"
import { readOrCreateAdminJwtSecret } from "../../src/config/admin-jwt-secret.ts"

const inTemp = <A, E>(use: (dir: string) => Effect.Effect<A, E, FileSystem.FileSystem | Path.Path>) =>
  Effect.gen(function* () {
    const temp = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    return yield* use((yield* Path.Path).join(temp, "a", "data"))
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))

it.effect("the first start makes a secret only its owner can read, the second start finds it", () =>
  inTemp((dir) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const first = Redacted.value(yield* readOrCreateAdminJwtSecret(dir))
      assert.match(first, /^[A-Za-z0-9_-]{43}$/)
      assert.strictEqual((yield* fs.stat(`${dir}/admin-jwt-secret`)).mode & 0o777, 0o600)
      assert.strictEqual((yield* fs.stat(dir)).mode & 0o777, 0o700)
      assert.strictEqual(Redacted.value(yield* readOrCreateAdminJwtSecret(dir)), first)
      assert.deepStrictEqual(yield* fs.readDirectory(dir), ["admin-jwt-secret"])
    }),
  ),
)

it.effect("two installations get different secrets", () =>
  inTemp((dir) =>
    Effect.gen(function* () {
      const one = yield* readOrCreateAdminJwtSecret(`${dir}/one`)
      const two = yield* readOrCreateAdminJwtSecret(`${dir}/two`)
      assert.notStrictEqual(Redacted.value(one), Redacted.value(two))
    }),
  ),
)

it.effect("many first starts at once agree on one secret and leave nothing else behind", () =>
  inTemp((dir) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const found = yield* Effect.all(
        Array.from({ length: 20 }, () => readOrCreateAdminJwtSecret(dir)),
        { concurrency: "unbounded" },
      )
      assert.strictEqual(new Set(found.map(Redacted.value)).size, 1)
      assert.deepStrictEqual(yield* fs.readDirectory(dir), ["admin-jwt-secret"])
    }),
  ),
)

it.effect("a damaged file stops the start and its content is not shown", () =>
  inTemp((dir) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* fs.makeDirectory(dir, { recursive: true })
      yield* fs.writeFileString(`${dir}/admin-jwt-secret`, "too-short-canary")
      const error = yield* Effect.flip(readOrCreateAdminJwtSecret(dir))
      assert.strictEqual(error.faults.length, 1)
      assert.match(
        error.message,
        /^DATA_DIR holds a damaged .*admin-jwt-secret: it must have at least 32 bytes/,
      )
      assert.notInclude(error.message, "canary")
      assert.strictEqual(yield* fs.readFileString(`${dir}/admin-jwt-secret`), "too-short-canary")
    }),
  ),
)
