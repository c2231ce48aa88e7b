import { Effect, FileSystem, Option, Path, Schema } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { PriceOverride } from "../catalog/model.ts"
import { list, required, snakeCased } from "../domain/fields.ts"
import { oneLine } from "../domain/one-line.ts"

/**
 * The prices of the last `prices update`, in `DATA_DIR/prices`, and those of the one before it: what a gateway falls back
 * on at its start when the last ones cannot be read. Each file appears whole or not at all.
 */
const PriceUpdate = snakeCased({
  source: required(Schema.String, "address or file that they were read from"),
  fetchedAt: required(Schema.String, "when, as an ISO instant"),
  prices: list(PriceOverride),
})
type PriceUpdate = typeof PriceUpdate.Type

const CURRENT = "current.json"
const PREVIOUS = "previous.json"

const PriceUpdateJson = Schema.fromJsonString(PriceUpdate)
const decode = Schema.decodeUnknownEffect(PriceUpdateJson, { onExcessProperty: "error" })
const encode = Schema.encodeSync(PriceUpdateJson)

type Files = FileSystem.FileSystem | Path.Path

const pathIn = (dataDir: string, file: string) =>
  Effect.map(Path.Path, (path) => path.join(dataDir, "prices", file))

/** Returns undefined where there is no such file, and none where it cannot be read or holds something else. */
const readFile = (
  dataDir: string,
  file: string,
): Effect.Effect<Option.Option<PriceUpdate> | undefined, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(yield* pathIn(dataDir, file))
    return Option.some(yield* decode(text))
  }).pipe(
    Effect.catchReason("PlatformError", "NotFound", () => Effect.undefined),
    Effect.orElseSucceed(() => Option.none()),
  )

/** Reads the last prices that can be read, and warns when they are not the last ones. */
export const readPriceUpdate = Effect.fn("PriceUpdate.read")(function* (
  dataDir: string,
): Effect.fn.Return<PriceUpdate | undefined, never, Files> {
  const current = yield* readFile(dataDir, CURRENT)
  if (current === undefined) return undefined
  if (Option.isSome(current)) return current.value
  const previous = Option.getOrUndefined((yield* readFile(dataDir, PREVIOUS)) ?? Option.none())
  const instead =
    previous === undefined
      ? "the built-in ones hold"
      : `those of ${oneLine(previous.fetchedAt)} hold, of the update before it`
  yield* Effect.logWarning(
    `The prices in ${oneLine(yield* pathIn(dataDir, CURRENT))} cannot be read: ${instead}. ` +
      "Run: llm-gateway prices update",
  )
  return previous
})

/** Keeps new prices as the current ones, and the current ones, where they can be read, as the previous. */
export const writePriceUpdate = Effect.fn("PriceUpdate.write")(function* (
  dataDir: string,
  update: PriceUpdate,
): Effect.fn.Return<void, PlatformError, Files> {
  const current = yield* readFile(dataDir, CURRENT)
  if (current !== undefined && Option.isSome(current)) yield* write(dataDir, PREVIOUS, current.value)
  yield* write(dataDir, CURRENT, update)
})

/** Takes the last update back, and returns the prices that hold then: of the one before, or undefined for the built-in. */
export const takeBackPriceUpdate = Effect.fn("PriceUpdate.takeBack")(function* (
  dataDir: string,
): Effect.fn.Return<PriceUpdate | undefined, PlatformError, Files> {
  const fs = yield* FileSystem.FileSystem
  const previous = Option.getOrUndefined((yield* readFile(dataDir, PREVIOUS)) ?? Option.none())
  if (previous === undefined) yield* fs.remove(yield* pathIn(dataDir, CURRENT), { force: true })
  else yield* fs.rename(yield* pathIn(dataDir, PREVIOUS), yield* pathIn(dataDir, CURRENT))
  return previous
})

const write = (
  dataDir: string,
  name: string,
  update: PriceUpdate,
): Effect.Effect<void, PlatformError, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const file = yield* pathIn(dataDir, name)
    const folder = (yield* Path.Path).dirname(file)
    yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 })
    const aside = `${file}.${process.pid}`
    yield* Effect.scoped(
      Effect.gen(function* () {
        const opened = yield* fs.open(aside, { flag: "w", mode: 0o600 })
        yield* opened.writeAll(new TextEncoder().encode(encode(update)))
        yield* opened.sync
      }),
    ).pipe(
      Effect.andThen(fs.rename(aside, file)),
      Effect.onError(() => Effect.ignore(fs.remove(aside, { force: true }))),
    )
    // The name has to last as well as what it stands for.
    yield* Effect.scoped(Effect.flatMap(fs.open(folder, { flag: "r" }), ({ sync }) => sync))
  })
