import { Command, Flag } from "effect/cli"

/** The command line's root, with the flags that every command understands. */
export const root = Command.make("llm-gateway").pipe(
  Command.withDescription("One HTTP service between applications and LLM providers."),
  Command.withSharedFlags({
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print one JSON value on stdout and nothing else there"),
      Flag.withDefault(false),
    ),
  }),
)
