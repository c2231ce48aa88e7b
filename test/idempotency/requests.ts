import { KeyId } from "../../src/domain/Ids.ts"
import type { ClaimId } from "../../src/idempotency/claim.ts"
import type { FinishedRun } from "../../src/idempotency/claimed-run.ts"
import { fingerprint, hashKey } from "../../src/idempotency/fingerprint.ts"
import type { IdempotencyClaim } from "../../src/idempotency/Idempotency.ts"
import { ReplayableBody } from "../../src/responses/ReplayableBody.ts"
import type { GatewayResponse, StoredResponse } from "../../src/responses/response.ts"

/** Requests and answers for the tests of this room. */

export const ada = KeyId.make("AdaAdaAdaAda")
export const bob = KeyId.make("BobBobBobBob")

export const bodyPrint = (body: string) => fingerprint("POST", "/infer", Buffer.from(body))

export const request = (key: string, body = "hello", keyId = ada): IdempotencyClaim => ({
  keyId,
  key,
  fingerprint: bodyPrint(body),
})

export const claimId = (key: string, keyId = ada): ClaimId => ({ keyId, keyHash: hashKey(key) })

export const answer = (text: string): StoredResponse => ({
  status: 200,
  headers: { "content-type": "application/json", "x-request-id": text },
  body: Buffer.from(text),
})

export const kept = (text: string): FinishedRun => ({ response: answer(text), keep: true })
export const retryable = (text: string): FinishedRun => ({
  response: { ...answer(text), status: 503 },
  keep: false,
})

export const text = ({ response }: { readonly response: GatewayResponse }) => {
  const bytes = response.body instanceof ReplayableBody ? response.body.bytes() : response.body
  return Buffer.from(bytes ?? []).toString()
}
