import { Data } from "effect"

/** A command that could not do its work: one line for the person at the terminal, exit code 1. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{ readonly message: string }> {}
