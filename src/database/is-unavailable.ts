import type { SqlError } from "effect/sql"

/**
 * SQLSTATEs of a server that cannot take connections now: stopped by an administrator or a crash, starting, or full.
 */
const NOT_NOW: ReadonlySet<unknown> = new Set(["57P01", "57P02", "57P03", "53300"])

/**
 * Tells whether the database could not be asked, as opposed to having refused what was asked. The client knows refused
 * and broken connections itself; what a restarting server says reaches it as an unclassified error.
 */
export function isUnavailable({ reason }: SqlError.SqlError): boolean {
  if (reason._tag === "ConnectionError") return true
  const { cause } = reason
  return cause instanceof Error && "code" in cause && NOT_NOW.has(cause.code)
}
