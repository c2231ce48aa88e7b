import { Clock, Console, Effect, FileSystem, Option, Result } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { dayOf } from "../catalog/model.ts"
import { oneLine } from "../domain/one-line.ts"
import { type ImportedKeys, importKeys } from "../importing/import-keys.ts"
import { type Imported, importLitellm } from "../importing/import-litellm.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { asJson, asText } from "./import-litellm/report.ts"
import { root } from "./root.ts"

const fail = (message: string) => Effect.fail(new CommandFailed({ message: oneLine(message) }))

/** More than what any configuration or list of keys has. */
const MAX_FILE_BYTES = 67_108_864

const readFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const { size, type } = yield* Effect.catch(fs.stat(file), () => fail(`${file}: cannot be read`))
  if (type !== "File") return yield* fail(`${file}: must be a file`)
  if (size > MAX_FILE_BYTES) return yield* fail(`${file}: must not have more than ${MAX_FILE_BYTES} bytes`)
  return yield* Effect.catch(fs.readFileString(file), () => fail(`${file}: cannot be read`))
})

/** Goes on with what was made of a file, or fails with its name and the fault. */
const from = <A>(file: string, made: Result.Result<A, string>) =>
  Result.isSuccess(made) ? Effect.succeed(made.success) : fail(`${file}: ${made.failure}`)

const writeOut = Effect.fnUntraced(function* (path: string, yaml: string, force: boolean) {
  const fs = yield* FileSystem.FileSystem
  // Exclusive, so that nothing that is there meanwhile is lost either.
  yield* Effect.catch(fs.writeFileString(path, yaml, { flag: force ? "w" : "wx" }), (error) =>
    fail(
      error.reason._tag === "AlreadyExists"
        ? `--out ${path}: is there already. To write over it: --force`
        : `--out ${path}: cannot be written`,
    ),
  )
})

const litellm = Command.make(
  "litellm",
  {
    file: Argument.String("config.yaml").pipe(
      Argument.withDescription("LiteLLM's configuration, as its --config takes it"),
    ),
    keys: Flag.String("keys").pipe(
      Flag.withDescription(
        "LiteLLM's keys as JSON: what /key/list?return_full_object=true answers, or rows of its table of keys",
      ),
      Flag.optional,
    ),
    out: Flag.String("out").pipe(
      Flag.withDescription("The file to write; stdout when absent"),
      Flag.optional,
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Write over a file that is there"),
      Flag.withDefault(false),
    ),
  },
  Effect.fn(function* ({ file, force, keys, out }) {
    const { json } = yield* root
    const nowMs = yield* Clock.currentTimeMillis
    const imported: Imported = yield* from(file, importLitellm(yield* readFile(file), dayOf(nowMs)))
    const { gateway, names, yaml } = imported
    const keyFile = Option.getOrUndefined(keys)
    const made: ImportedKeys | undefined =
      keyFile === undefined
        ? undefined
        : yield* from(keyFile, importKeys(yield* readFile(keyFile), { gateway, names, nowMs }))
    const path = Option.getOrUndefined(out)
    if (path !== undefined) yield* writeOut(path, yaml, force)
    if (json) return yield* Console.log(oneLine(asJson(imported, made, path)))
    if (path === undefined) yield* Console.log(yaml.trimEnd())
    yield* Console.error(asText(imported, made, path))
  }),
).pipe(
  Command.withDescription(
    "Make the YAML file of a LiteLLM proxy's configuration, and report every field of it as imported, approximated or " +
      "unsupported, with what differs or what to do instead (on stderr, or with --json all on stdout). Keys of vendors are " +
      "never written: what stands in the file as it is becomes a variable to set. LiteLLM's own keys are hashes, so that --keys " +
      "makes the commands that create their like. Asks nobody and changes nothing but --out",
  ),
  Command.withShortDescription("Make the YAML file of a LiteLLM configuration"),
  Command.withExamples([
    {
      command: "llm-gateway import litellm config.yaml --out gateway.yaml",
      description: "The file, and the report on the terminal",
    },
    {
      command: "llm-gateway import litellm config.yaml --keys keys.json --json",
      description: "All of it for a script, the commands for keys included",
    },
  ]),
)

export const importCommand = Command.make("import").pipe(
  Command.withDescription("Move over from another gateway"),
  Command.withSubcommands([litellm]),
)
