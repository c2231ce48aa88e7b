import { randomBytes } from "node:crypto"
import { Deferred, Effect, Layer } from "effect"
import { Authenticator } from "../../src/auth/Authenticator.ts"
import { KeyCache } from "../../src/auth/KeyCache.ts"
import { KeyChanges } from "../../src/auth/KeyChanges.ts"
import { KeyProofs } from "../../src/auth/KeyProofs.ts"
import { type KeyRecord, KeyRecords, KeyRecordsUnavailable } from "../../src/auth/KeyRecords.ts"
import { SecretHasher } from "../../src/auth/SecretHasher.ts"
import { Settings } from "../../src/config/Settings.ts"
import { formatApiKey, generateApiKeyId, generateApiKeySecret } from "../../src/domain/ApiKeyFormat.ts"
import { KeyId } from "../../src/domain/Ids.ts"

/** Virtual time at the start of every world. At 0 a sum equals a difference, and here no limit is longer. */
export const START_MS = 100 * 60_000

/**
 * Everything around the authenticator, scripted: a table, a hasher that counts, and polls that the test plays. Until
 * it plays one, the database is one that does not answer them: what is known counts.
 */
export class World {
  readonly rows = new Map<string, KeyRecord>()
  finds = 0
  compares = 0
  /** Milliseconds that a comparison takes. */
  compareMs = 0
  /** How the database answers. */
  database: "up" | "down" | "hangs" = "up"
  #gate: Deferred.Deferred<void> | undefined
  cache: KeyCache = new KeyCache()
  #changes = 0n

  readonly layer = Authenticator.layerNoDeps.pipe(
    Layer.provide([
      Layer.succeed(KeyRecords, {
        find: (id) =>
          Effect.suspend(() => {
            this.finds += 1
            if (this.database === "hangs") return Effect.never
            if (this.database === "down") return new KeyRecordsUnavailable({ cause: "down" })
            return Effect.succeed(this.rows.get(id))
          }),
        saveProof: ({ id, secretHash, proof }) =>
          Effect.suspend(() => {
            if (this.database !== "up") return new KeyRecordsUnavailable({ cause: "down" })
            const row = this.row(id)
            // Rows keep their number: a proof is no change of the key.
            if (secretHash === row.secretHash) this.rows.set(id, { ...row, proof })
            if (secretHash === row.previousSecretHash) this.rows.set(id, { ...row, previousProof: proof })
            return Effect.void
          }),
        snapshot: Effect.die("not asked here"),
        changedAfter: () => Effect.die("not asked here"),
        outdated: () => Effect.die("not asked here"),
      }),
      Layer.succeed(SecretHasher, {
        hash: (secret) => Effect.succeed(`hash of ${secret}`),
        matches: (secret, hash) =>
          Effect.suspend(() => {
            this.compares += 1
            const matches = Effect.delay(Effect.succeed(hash === `hash of ${secret}`), this.compareMs)
            return this.#gate === undefined ? matches : Effect.andThen(Deferred.await(this.#gate), matches)
          }),
      }),
      Layer.provide(KeyProofs.layer, Settings.layerTest()),
      Layer.succeed(KeyChanges, {
        follow: (cache) =>
          Effect.sync(() => {
            this.cache = cache
            cache.markUnreachable()
          }),
      }),
    ]),
  )

  /** Makes comparisons wait from now on. */
  closeGate(): Deferred.Deferred<void> {
    this.#gate = Deferred.makeUnsafe<void>()
    return this.#gate
  }

  /** Adds a row and returns its token. */
  addKey(row: Partial<KeyRecord> = {}): { readonly id: KeyId; readonly token: string } {
    const { id, token, secret } = makeToken()
    this.put({ ...blank, limits: [noLimits(id)], id, secretHash: `hash of ${secret}`, ...row })
    return { id, token }
  }

  put(row: KeyRecord): void {
    this.#changes += 1n
    this.rows.set(row.id, { ...row, changeSeq: this.#changes })
  }

  row(id: string): KeyRecord {
    const row = this.rows.get(id)
    if (row === undefined) throw new Error(`no row ${id}`)
    return row
  }
}

export const makeToken = (id = KeyId.make(generateApiKeyId(randomBytes))) => {
  const secret = generateApiKeySecret(randomBytes)
  return { id, secret, token: formatApiKey({ id, secret }) }
}

const noLimits = (subject: string): KeyRecord["limits"][number] => ({
  scope: "key",
  subject,
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrency: null,
})

const blank = {
  name: "a key",
  proof: null,
  previousSecretHash: null,
  previousProof: null,
  previousSecretLeftMs: null,
  models: null,
  issuerModels: null,
  team: null,
  tags: [],
  mayIssue: false,
  budgets: [],
  revoked: false,
  leftMs: null,
  changeSeq: 0n,
}
