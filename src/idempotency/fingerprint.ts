/** Hashes of the idempotency room. `docs/decisions/0003-idempotency.md` says why the body is taken byte for byte. */
import { createHash } from "node:crypto"

/**
 * What makes two requests the same: method, route path and the exact bytes of the body. Neither method nor path can
 * hold a line feed, so no two different triples feed the same bytes to the hash.
 */
export const fingerprint = (method: string, path: string, body: Uint8Array): Uint8Array =>
  createHash("sha256").update(`${method}\n${path}\n`).update(body).digest()

/** Keys are the client's data and stay out of the database. */
export const hashKey = (key: string): Uint8Array => createHash("sha256").update(key).digest()
