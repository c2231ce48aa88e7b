/** Whether requests with a key are let in, and why not: a key lives no longer than the one that issued it. */
export const KEY_STATES = ["active", "revoked", "expired", "issuer_ended"] as const

export type KeyState = (typeof KEY_STATES)[number]
