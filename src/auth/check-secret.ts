import { Effect, Exit } from "effect"
import { answerWithin } from "../database/answer-within.ts"
import type { ApiKeyParts } from "../domain/ApiKeyFormat.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import { isWithin } from "./child-key-rules.ts"
import type { Lookup, Refusal, Verdict } from "./KeyCache.ts"
import type { KeyProofs } from "./KeyProofs.ts"
import { type KeyRecord, type KeyRecords, NO_ROW } from "./KeyRecords.ts"
import type { Principal, SubjectLimits } from "./Principal.ts"
import type { SecretHasher } from "./SecretHasher.ts"

/** A client with an unknown key hears within a second that the database does not answer. */
const LOOKUP_TIMEOUT = "800 millis"
/** A proof that is not written costs another bcrypt after a restart, and so nobody waits long for it. */
const PROOF_TIMEOUT = "500 millis"
/**
 * Time from the start of a check to its refusal, of an unknown id as of a wrong secret: above what a query and a bcrypt
 * take on a machine that keeps up.
 */
const REFUSAL_MS = 200
/** Refusals that wait for their time. Each holds a request, and a flood of strangers may not hold all that there can be. */
const MAX_WAITING_REFUSALS = 100

/**
 * Returns the check of one token against its row: a query, and bcrypt when the key is there, may be used and has no proof
 * yet. So strangers, who know no id, never reach bcrypt.
 */
export const makeCheckSecret = (
  records: KeyRecords["Service"],
  hasher: SecretHasher["Service"],
  proofs: KeyProofs["Service"],
) => {
  let waiting = 0

  /** Waits until the time of a refusal has come, so that its cause cannot be told from when it comes. */
  const waitForRefusal = Effect.fnUntraced(function* (startedAtMs: number) {
    if (waiting >= MAX_WAITING_REFUSALS) return
    waiting += 1
    yield* Effect.ensuring(
      Effect.sleep(Math.max(0, startedAtMs + REFUSAL_MS - (yield* monotonicMs))),
      Effect.sync(() => {
        waiting -= 1
      }),
    )
  })

  /** Asks bcrypt whether this is the secret of the hash, and leaves a proof if it is. */
  const isSecretOf = Effect.fnUntraced(function* (id: string, secret: string, secretHash: string) {
    if (!(yield* hasher.matches(secret, secretHash))) return false
    yield* records.saveProof({ id, secretHash, proof: proofs.make(secret, secretHash) }).pipe(
      answerWithin(PROOF_TIMEOUT),
      // The cause may quote the proof.
      Effect.catch(() => Effect.logDebug("the proof of an API key could not be written")),
    )
    return true
  })

  /** Returns how long the secret is good for; 0 when it is not. */
  const secretLeftMs = Effect.fnUntraced(function* (record: KeyRecord, secret: string) {
    const undecided: Array<AcceptedSecret> = []
    for (const accepted of acceptedSecrets(record)) {
      const judged = proofs.judge(secret, accepted.secretHash, accepted.proof)
      if (judged === true) return accepted.leftMs
      if (judged === undefined) undecided.push(accepted)
    }
    for (const { secretHash, leftMs } of undecided) {
      if (yield* isSecretOf(record.id, secret, secretHash)) return leftMs
    }
    return 0
  })

  return Effect.fnUntraced(function* ({ id, secret }: ApiKeyParts, lookup: Lookup) {
    const startedAtMs = yield* monotonicMs
    const record = yield* answerWithin(LOOKUP_TIMEOUT)(records.find(id))
    lookup.changeSeq = record?.changeSeq ?? NO_ROW
    const checkedAtMs = yield* monotonicMs
    const leftMs = record === undefined ? 0 : yield* secretLeftMs(record, secret)
    if (record === undefined || leftMs <= 0) {
      yield* waitForRefusal(startedAtMs)
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
}

/** A secret that a key may be used with, for so long. */
interface AcceptedSecret {
  readonly secretHash: string
  readonly proof: string | null
  /** > 0 */
  readonly leftMs: number
}

/** Returns the current secret and, in the grace period of a rotation, the previous one; none of a key that ended. */
const acceptedSecrets = (record: KeyRecord): ReadonlyArray<AcceptedSecret> => {
  const keyLeftMs = record.revoked ? 0 : (record.leftMs ?? Number.POSITIVE_INFINITY)
  const { secretHash, proof, previousSecretHash, previousProof, previousSecretLeftMs } = record
  const secrets = [{ secretHash, proof, leftMs: keyLeftMs }]
  if (previousSecretHash !== null) {
    const leftMs = Math.min(keyLeftMs, previousSecretLeftMs ?? 0)
    secrets.push({ secretHash: previousSecretHash, proof: previousProof, leftMs })
  }
  return secrets.filter(({ leftMs }) => leftMs > 0)
}

/** Returns whom a key's row is about. */
export const toPrincipal = ({
  id,
  name,
  models,
  issuerModels,
  team,
  tags,
  mayIssue,
  limits: [own, ...others],
  budgets,
}: KeyRecord): Principal => ({
  keyId: id,
  name,
  ...withModels(models, issuerModels),
  ...(team === null ? {} : { team }),
  tags,
  mayIssue,
  limits: [toLimits(own), ...others.map(toLimits)],
  budgets,
})

/** A key that was issued keeps within what its issuer may ask for by now. */
const withModels = (
  own: KeyRecord["models"],
  issuers: KeyRecord["issuerModels"],
): Pick<Principal, "models"> => {
  if (own === null || issuers === null) return own === issuers ? {} : { models: new Set(own ?? issuers) }
  const allowed = new Set(issuers)
  return { models: new Set(own.filter((model) => isWithin(allowed, model))) }
}

const toLimits = ({
  scope,
  subject,
  requestsPerMinute,
  tokensPerMinute,
  concurrency,
}: KeyRecord["limits"][number]): SubjectLimits => ({
  scope,
  subject,
  ...(requestsPerMinute === null ? {} : { requestsPerMinute }),
  ...(tokensPerMinute === null ? {} : { tokensPerMinute }),
  ...(concurrency === null ? {} : { concurrency }),
})
