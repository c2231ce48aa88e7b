import { createHash } from "node:crypto"

/**
 * Returns the id of a call for a vendor that bounds its length: other vendors' models give longer ones. It is the same for the
 * call and its result, and from one request to the next, which prompt caches live on.
 */
export const boundedCallId = (id: string, max: number): string =>
  id.length > max ? `call_${digestOf(id).slice(0, 32)}` : id

export const digestOf = (id: string): string => createHash("sha256").update(id).digest("hex")
