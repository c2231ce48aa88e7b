import { assert, describe, layer } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { ApiKeys } from "../../src/auth/ApiKeys.ts"
import { KeyRecords } from "../../src/auth/KeyRecords.ts"
import { cheapHashes } from "../support/cheap-hashes.ts"
import { databases, reason, replica } from "./databases.ts"

const proofs = Effect.fnUntraced(function* (id: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ hash: string; proof: string }>`
    SELECT secret_hash AS hash, proof FROM api_key_proofs WHERE key_id = ${id}`
})

const changeSeq = (id: string) =>
  KeyRecords.use((records) => Effect.map(records.find(id), (record) => record?.changeSeq))

for (const { name, database } of databases) {
  const services = Layer.mergeAll(ApiKeys.layer.pipe(Layer.provide(cheapHashes)), KeyRecords.layer)
  layer(services.pipe(Layer.provideMerge(database)), { excludeTestServices: true })(
    `keys in ${name}`,
    (it) => {
      describe("a look-up", () => {
        it.effect("finds many keys at once, each its own, and nothing of no key", () =>
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const records = yield* KeyRecords
            yield* sql`
            INSERT INTO api_keys (id, name, secret_hash)
            SELECT lpad(n::text, 12, '0'), 'name ' || n, 'x' FROM generate_series(1, 1200) n`
            const numbers = Array.from({ length: 1_500 }, (_, n) => n)
            const found = yield* Effect.forEach(numbers, (n) => records.find(String(n).padStart(12, "0")), {
              concurrency: "unbounded",
            })
            assert.deepStrictEqual(
              found.map((record) => record?.name),
              numbers.map((n) => (n >= 1 && n <= 1_200 ? `name ${n}` : undefined)),
            )
          }),
        )

        it.effect("of a row that somebody spoilt fails for that key alone", () =>
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            const records = yield* KeyRecords
            yield* sql`INSERT INTO api_keys (id, name, secret_hash) VALUES ('too-short', 'x', 'x'), ('goodgoodgood', 'x', 'x')`
            const [spoilt, good] = yield* Effect.forEach(
              ["too-short", "goodgoodgood"],
              (id) => Effect.exit(records.find(id)),
              { concurrency: "unbounded" },
            )
            assert.isTrue(spoilt !== undefined && Exit.isFailure(spoilt))
            assert.isTrue(good !== undefined && Exit.isSuccess(good))
          }),
        )
      })

      describe("a proof", () => {
        it.effect("is written with the first use, and is no change of the key", () =>
          Effect.gen(function* () {
            const keys = yield* ApiKeys
            const { key, secret } = yield* keys.create({ name: "used" })
            assert.isEmpty(yield* proofs(key.id))
            const before = yield* changeSeq(key.id)
            assert.strictEqual(yield* reason(yield* replica, Redacted.value(secret)), "valid")
            assert.lengthOf(yield* proofs(key.id), 1)
            assert.strictEqual(yield* changeSeq(key.id), before)
          }),
        )

        it.effect("admits nobody whose secret was rotated out, or whose key was revoked", () =>
          Effect.gen(function* () {
            const keys = yield* ApiKeys
            const { key, secret } = yield* keys.create({ name: "rotated" })
            const use = (token: Redacted.Redacted) =>
              Effect.flatMap(replica, (auth) => reason(auth, Redacted.value(token)))
            assert.strictEqual(yield* use(secret), "valid")
            const { secret: second } = yield* keys.rotate(key.id, { graceMs: 60_000 })
            for (const token of [secret, second, secret]) assert.strictEqual(yield* use(token), "valid")
            assert.lengthOf(yield* proofs(key.id), 2)
            const { secret: third } = yield* keys.rotate(key.id, { graceMs: 0 })
            for (const token of [secret, second]) assert.strictEqual(yield* use(token), "invalid")
            assert.strictEqual(yield* use(third), "valid")
            // The rows of hashes that the key no longer has are gone.
            assert.lengthOf(yield* proofs(key.id), 1)
            yield* keys.revoke(key.id)
            assert.strictEqual(yield* use(third), "invalid")
          }).pipe(Effect.scoped),
        )

        it.effect("is kept of hashes that the key has, and of no key that is not there", () =>
          Effect.gen(function* () {
            const records = yield* KeyRecords
            const { key } = yield* (yield* ApiKeys).create({ name: "raced" })
            yield* records.saveProof({ id: key.id, secretHash: "rotated meanwhile", proof: "p" })
            yield* records.saveProof({ id: "deletedmeanw", secretHash: "x", proof: "p" })
            assert.isEmpty(yield* proofs(key.id))
            assert.isEmpty(yield* proofs("deletedmeanw"))
          }),
        )
      })
    },
  )
}
