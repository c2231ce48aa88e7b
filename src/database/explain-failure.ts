import type { SqlError } from "effect/sql"
import { failureCode } from "./failure-code.ts"

/** What SQLSTATEs and codes of system calls mean to an operator. */
const MEANINGS: Readonly<Record<string, string>> = {
  "25006": "the database takes no writes",
  "28000": "the database refuses its user",
  "28P01": "the database refuses its user or password",
  "3D000": "there is no such database",
  "40P01": "this and something else waited for each other",
  "42501": "the database's user may not do that",
  "42703": "a column is missing",
  "42804": "a column has another type",
  "42883": "a function is missing",
  "42P01": "a table is missing",
  "42P10": "a primary key is missing",
  "53100": "the database's disk is full",
  "53200": "the database has no memory left",
  "53300": "the database has no connection left",
  "55P03": "a lock was not to be had in time",
  "57014": "the database took too long and was stopped",
  "57P01": "the database is stopping",
  "57P02": "the database has crashed",
  "57P03": "the database is starting",
  "58030": "the database's disk fails",
  XX001: "the database's files are damaged",
  XX002: "an index of the database is damaged",
  ECONNREFUSED: "nothing listens where the database should be",
  ENOENT: "nothing listens where the database should be",
  ENOTFOUND: "the name of the database's machine is not known",
}

const SQLSTATE = /^[0-9A-Z]{5}$/

/** Returns why a statement failed, in words and with its code; holds nothing of the data, nor of a credential. */
export const explainFailure = (error: SqlError.SqlError): string => {
  const code = failureCode(error)
  const meaning =
    (code === undefined ? undefined : MEANINGS[code]) ??
    (error.reason._tag === "ConnectionError" ? "the database does not answer" : "the database refuses it")
  if (code === undefined) return `${meaning} (${error.reason._tag})`
  return `${meaning} (${SQLSTATE.test(code) ? `SQLSTATE ${code}` : code})`
}
