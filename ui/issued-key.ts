import { signal } from "@preact/signals"
import type { IssuedKey } from "./admin-types.ts"

/** A key that was just made, until somebody says that it is stored: neither another screen nor the end of the session takes it away. */
export const issuedKey = signal<IssuedKey | undefined>(undefined)
