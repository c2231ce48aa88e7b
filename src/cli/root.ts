import { Command, Flag } from "effect/cli"

/** The command line's root, with the flags that every command understands. */
export const root = Command.make("llm-gateway").pipe(
  Command.withDescription("One HTTP service between applications and LLM providers."),
  Command.withSharedFlags({
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print one JSON value on stdout and nothing else there"),
      Flag.withDefault(false),
    ),
    dataDir: Flag.String("data-dir").pipe(
      Flag.withDescription("Directory of what is kept between starts, in place of DATA_DIR"),
      Flag.optional,
    ),
  }),
)
