/** Hashes of the idempotency room. `docs/decisions/0003-idempotency.md` says why the body is taken byte for byte. */
import { createHash } from "node:crypto"

/**
 * What makes two requests the same: method, route path, the exact bytes of the body, and header fields that say how it is meant
 * (names and values in turn). None but the body can hold a line feed, and a path no blank, so no two different requests feed the
 * same bytes to the hash.
 */
export const fingerprint = (
  method: string,
  path: string,
  body: Uint8Array,
  headers: ReadonlyArray<string> = [],
): Uint8Array =>
  createHash("sha256")
    .update(`${method}\n${[path, ...headers].join(" ")}\n`)
    .update(body)
    .digest()

/** Keys are the client's data and stay out of the database. */
export const hashKey = (key: string): Uint8Array => createHash("sha256").update(key).digest()
