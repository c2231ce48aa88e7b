import type { SqlError } from "effect/sql"

/**
 * Returns the SQLSTATE of what the server said, or the code of the system call that failed (`ECONNREFUSED`). With the
 * name of the reason it is all that a log may hold of a database error: messages of the driver and the server quote the
 * data.
 */
export const failureCode = (error: SqlError.SqlError): string | undefined => {
  const { cause } = error.reason
  return typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined
}
