import { Cause, Console, Effect, Runtime } from "effect"
import * as CliError from "effect/cli/CliError"
import { SqlError } from "effect/sql"
import { explainFailure } from "../database/explain-failure.ts"

/**
 * Last words on stderr of a process that could not start or finish: one line for each thing to mend. Expected
 * failures explain themselves; only a defect comes with its stack.
 */
export const reportFailure = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  const error = Cause.squash(cause)
  // The parser has shown its help and message already.
  if (CliError.isCliError(error)) return Effect.void
  const lines = explain(error)
  return lines === undefined
    ? Console.error(Cause.pretty(cause))
    : Effect.forEach(lines, (line) => Console.error(line), { discard: true })
}

const explain = (error: unknown): ReadonlyArray<string> | undefined => {
  if (SqlError.isSqlError(error)) {
    return [`The database did not answer (${error.reason._tag}). Check DATABASE_URL or DATA_DIR.`]
  }
  if (!(error instanceof Error) || !("_tag" in error)) return undefined
  switch (error._tag) {
    case "SettingsError":
      return error.message.split("\n").map((fault) => `Wrong setting: ${fault}`)
    case "ServeError":
      return [`The port cannot be opened: ${reasonOf(error.cause)}. Set HOST and PORT.`]
    case "MigrationError":
      return [`The database schema could not be brought up to date: ${explained(error)}`]
    case "UnknownMigrations":
    case "DataDirInUse":
    case "EmbeddedDatabaseError":
    case "JournalUnusable":
    case "CommandFailed":
    case "WorkersFailed":
      return [error.message]
    default:
      return undefined
  }
}

/** The message of a migration says which, and what the database said of it is its cause. */
const explained = ({ cause, message }: Error): string =>
  SqlError.isSqlError(cause) ? `${message}: ${explainFailure(cause)}` : message

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : "unknown reason")

/** An interruption is what `process.exitCode` says that it is: a service that is told to stop ends well. */
export const exitCode: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => onExit(code === 130 ? Number(process.exitCode ?? code) : code))
