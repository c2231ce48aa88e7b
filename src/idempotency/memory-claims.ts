/** `ClaimStore` in a map, on Effect's clock: the same rules as the SQL, for deterministic tests. */
import { Effect } from "effect"
import { SMALL_BODY_BYTES } from "../platform/LargeBodies.ts"
import { monotonicMs } from "../platform/monotonic.ts"
import type { StoredResponse } from "../responses/response.ts"
import type { ClaimId, ClaimState, ClaimStoreShape, KeptResponse } from "./claim.ts"
import { IdempotencyLimits } from "./IdempotencyLimits.ts"

interface Row {
  fingerprint: string
  owner: string
  runs: number
  leaseUntil: number
  expiresAt: number
  finished?: { readonly response: StoredResponse | null }
}

export const makeMemoryClaims = Effect.gen(function* () {
  const { leaseMs, expireMs, maxStoredBytes } = yield* IdempotencyLimits
  const rows = new Map<string, Row>()

  const address = (id: ClaimId) => `${id.keyId}:${hex(id.keyHash)}`
  const ownRow = (id: ClaimId, owner: string) => {
    const row = rows.get(address(id))
    return row?.owner === owner ? row : undefined
  }

  const service: ClaimStoreShape = {
    claim: (id, fingerprint, owner) =>
      Effect.map(monotonicMs, (now): ClaimState => {
        const row = rows.get(address(id))
        const same = row?.fingerprint === hex(fingerprint)
        const expired = row !== undefined && row.expiresAt <= now
        const free =
          row === undefined || (row.leaseUntil <= now && (expired || (row.finished === undefined && same)))
        if (free) {
          const runs = row === undefined || expired ? 1 : row.runs + 1
          rows.set(address(id), {
            fingerprint: hex(fingerprint),
            owner,
            runs,
            leaseUntil: now + leaseMs,
            expiresAt: now + expireMs,
          })
          return { _tag: "Claimed", run: runs }
        }
        if (!same) return { _tag: "Reused" }
        return row.finished === undefined
          ? { _tag: "Running" }
          : { _tag: "Finished", response: keptOf(row.finished.response) }
      }),
    renew: (id, owner) =>
      Effect.map(monotonicMs, (now) => {
        const row = ownRow(id, owner)
        if (row === undefined || row.finished !== undefined) return false
        row.leaseUntil = now + leaseMs
        return true
      }),
    complete: (id, owner, { status, headers, body }) =>
      Effect.sync(() => {
        const row = ownRow(id, owner)
        if (row === undefined) return false
        const kept = body !== undefined && body.byteLength <= maxStoredBytes
        row.finished = { response: kept ? { status, headers, body } : null }
        return true
      }),
    fetch: (id, fingerprint) =>
      Effect.sync(() => {
        const row = rows.get(address(id))
        return row?.fingerprint === hex(fingerprint) ? row.finished?.response?.body : undefined
      }),
    release: (id, owner) =>
      Effect.sync(() => {
        const row = ownRow(id, owner)
        if (row !== undefined && row.finished === undefined) rows.delete(address(id))
      }),
    cleanup: (limit) =>
      Effect.map(monotonicMs, (now) => {
        const expired = [...rows]
          .filter(([, row]) => row.expiresAt <= now && row.leaseUntil <= now)
          .slice(0, limit)
        for (const [key] of expired) rows.delete(key)
        return expired.length
      }),
  }
  return service
})

const keptOf = (response: StoredResponse | null): KeptResponse | null => {
  if (response === null) return null
  const { byteLength: bytes } = response.body
  return { ...response, bytes, body: bytes <= SMALL_BODY_BYTES ? response.body : undefined }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
