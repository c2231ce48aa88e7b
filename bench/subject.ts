import type { Address } from "./requests.ts"

/** Whatever is measured: a process with a port. */
export interface Subject {
  readonly name: string
  /** For the table: what it is and does. */
  readonly title: string
  readonly port: number
  readonly pid: number
  /** Its failures are its own affair, and are shown and not held against the run. */
  readonly peer: boolean
  /** It writes a row for each answer, which is counted after each run. */
  readonly hasLedger: boolean
  readonly address: Address
}

/** Names of the subjects that every run has. */
export const DIRECT = "mock"
export const BARE = "bare"
export const FULL = "full"
