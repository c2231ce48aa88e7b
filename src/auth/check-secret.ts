import { Effect, Exit } from "effect"
import { answerWithin } from "../database/answer-within.ts"
import type { ApiKeyParts } from "../domain/ApiKeyFormat.ts"
import { type Lookup, monotonicMs, type Refusal, type Verdict } from "./KeyCache.ts"
import { type KeyRecord, type KeyRecords, NO_ROW } from "./KeyRecords.ts"
import type { Principal } from "./Principal.ts"
import type { SecretHasher } from "./SecretHasher.ts"

/** A client with an unknown key hears within a second that the database does not answer. */
const LOOKUP_TIMEOUT = "800 millis"

/**
 * Returns the check of one token against its row. Every refusal costs one query and one bcrypt comparison: `decoyHash`
 * is compared when there is no such key, so that an unknown id takes as long as a wrong secret.
 */
export const makeCheckSecret = (
  records: KeyRecords["Service"],
  hasher: SecretHasher["Service"],
  decoyHash: string,
) =>
  Effect.fnUntraced(function* ({ id, secret }: ApiKeyParts, lookup: Lookup) {
    const record = yield* answerWithin(LOOKUP_TIMEOUT)(records.find(id))
    lookup.changeSeq = record?.changeSeq ?? NO_ROW
    const checkedAtMs = yield* monotonicMs
    const leftMs = yield* secretLeftMs(hasher, secret, record, decoyHash)
    if (record === undefined || leftMs <= 0) {
      const refusal: Refusal = { changeSeq: lookup.changeSeq, refusedAtMs: yield* monotonicMs }
      return refusal
    }
    const verdict: Verdict = {
      principal: Exit.succeed(toPrincipal(record)),
      changeSeq: record.changeSeq,
      checkedAtMs,
      validUntilMs: checkedAtMs + leftMs,
    }
    return verdict
  })

/** Returns how long the secret is good for; 0 or less when it is not. */
const secretLeftMs = Effect.fnUntraced(function* (
  hasher: SecretHasher["Service"],
  secret: string,
  record: KeyRecord | undefined,
  decoyHash: string,
) {
  const isCurrent = yield* hasher.matches(secret, record?.secretHash ?? decoyHash)
  if (record === undefined) return 0
  if (isCurrent) return keyLeftMs(record)
  const leftMs = Math.min(keyLeftMs(record), record.previousSecretLeftMs ?? 0)
  if (leftMs <= 0 || record.previousSecretHash === null) return 0
  return (yield* hasher.matches(secret, record.previousSecretHash)) ? leftMs : 0
})

/** > 0 while the key may be used. */
const keyLeftMs = ({ revoked, leftMs }: KeyRecord): number =>
  revoked ? 0 : (leftMs ?? Number.POSITIVE_INFINITY)

const toPrincipal = ({ id, name, requestsPerMinute, models }: KeyRecord): Principal => ({
  keyId: id,
  name,
  ...(requestsPerMinute === null ? {} : { requestsPerMinute }),
  ...(models === null ? {} : { models: new Set(models) }),
})
