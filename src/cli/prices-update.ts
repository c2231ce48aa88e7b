import { createHash } from "node:crypto"
import { Clock, Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import {
  type FoundPrices,
  GENAI_PRICES_URL,
  readGenaiPrices,
  type WantedModel,
} from "../catalog/genai-prices.ts"
import { dayOf, isDay, type ModelConfig, type PriceOverride } from "../catalog/model.ts"
import { priceOf, priceOfLayers, updatedPrice } from "../catalog/price-history.ts"
import { jumpsBetween, RATES } from "../catalog/price-jumps.ts"
import { presets } from "../catalog/vendors.ts"
import { builtinVendors, vendors } from "../config/builtin-providers.ts"
import { vendorOf } from "../config/merge-prices.ts"
import { readPriceUpdate, takeBackPriceUpdate, writePriceUpdate } from "../config/price-update.ts"
import { Settings } from "../config/Settings.ts"
import { several } from "../domain/Finding.ts"
import { oneLine } from "../domain/one-line.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { fetchPrices, readPriceFile } from "./fetch-prices.ts"
import { root } from "./root.ts"

const PRICES_OF = { openai: "openai", gemini: "google", anthropic: "anthropic" } as const

/** Every model of OpenAI's, Gemini's, Anthropic's and of other vendors that are on: known, or configured. */
const wantedModels = Effect.map(Settings, ({ gateway }) => {
  const configured = Map.groupBy(gateway.providers, vendorOf)
  const wantedOf = (
    vendor: string,
    pricesOf: string,
    known: ReadonlyArray<ModelConfig>,
  ): ReadonlyArray<WantedModel> => {
    const names = new Set(known.map(({ name }) => name))
    const others = (configured.get(vendor) ?? [])
      .flatMap(({ models }) => models)
      .filter(({ name }) => !names.has(name))
    return [
      ...known.map(({ name, kind, price }) => ({ vendor, pricesOf, name, kind, known: price })),
      ...others.map(({ name, kind }) => ({ vendor, pricesOf, name, kind, known: undefined })),
    ]
  }
  return [
    ...vendors.flatMap((vendor) => {
      return wantedOf(vendor, PRICES_OF[vendor], builtinVendors[vendor].models)
    }),
    ...presets.flatMap(({ models, name, pricesOf, unserved }) =>
      pricesOf === undefined || !configured.has(name)
        ? []
        : wantedOf(name, pricesOf, [...models, ...unserved]),
    ),
  ]
})

type Update = ReadonlyMap<string, ReadonlyArray<PriceOverride>>

const byModel = (prices: ReadonlyArray<PriceOverride>): Update =>
  Map.groupBy(prices, ({ provider, model }) => `${provider}/${model}`)

const rowsFor = (update: Update, { name, vendor }: WantedModel) =>
  (update.get(`${vendor}/${name}`) ?? []).map(({ price }) => price)

/** Returns what a model costs by an update over what is built in. */
const priceBy = (update: Update, model: WantedModel) =>
  priceOfLayers({ update: updatedPrice(rowsFor(update, model), model.known), "built-in": model.known })

/** Names models of which what is built in is newer than the update, and says something else. */
const olderIn = (update: Update, wanted: ReadonlyArray<WantedModel>): ReadonlyArray<string> =>
  wanted.flatMap((model) => {
    const rows = rowsFor(update, model)
    const { known, name, vendor } = model
    const [stated, holds] = [priceOf(rows), priceBy(update, model)]
    if (known === undefined || stated === undefined || updatedPrice(rows, known) !== undefined) return []
    const isOther = RATES.some(([field]) => stated[field] !== holds?.[field])
    return isOther ? `${vendor}/${name}: ${known.source} of ${known.asOf}` : []
  })

/** Leaves out rows that do not hold. */
const effective = (update: Update, wanted: ReadonlyArray<WantedModel>): Update =>
  new Map(
    wanted.flatMap((model) => {
      const name = `${model.vendor}/${model.name}`
      const rows = update.get(name)
      return rows !== undefined && updatedPrice(rowsFor(update, model), model.known) !== undefined
        ? [[name, rows] as const]
        : []
    }),
  )

/** A list is as long as a person reads. */
const MAX_LINES = 50

const shortened = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length <= MAX_LINES ? lines : [...lines.slice(0, MAX_LINES), `… and ${lines.length - MAX_LINES} more`]

const failure = (message: string, lines: ReadonlyArray<string>) =>
  new CommandFailed({
    message: [message, ...shortened(lines).map((line) => `  ${oneLine(line)}`)].join("\n"),
  })

const RESTART = "A gateway takes them at its next start; llm-gateway prices list shows them now."

const asText = (
  source: string,
  models: number,
  jumps: ReadonlyArray<string>,
  older: ReadonlyArray<string>,
  found: FoundPrices,
): string =>
  [
    `Prices of ${several(models, "model")} kept, from ${oneLine(source)}. ${RESTART}`,
    ...(jumps.length > 0 ? ["Changed by more than a factor of 2:", ...shortened(jumps)] : []),
    ...(older.length > 0 ? ["Built in from a later day, and left as they are:", ...shortened(older)] : []),
    ...(found.missing.length > 0 ? [`Not in it, and left as they are: ${found.missing.join(", ")}`] : []),
    ...(found.inexpressible.length > 0
      ? ["In it with what a row cannot say, and left as they are:", ...shortened(found.inexpressible)]
      : []),
    ...[...found.ignored].map(([key, count]) => `${key} of ${several(count, "model")}: no answer counts it`),
  ]
    .map(oneLine)
    .join("\n")

const takeBack = Effect.gen(function* () {
  const { json } = yield* root
  const { dataDir } = yield* Settings
  const kept = yield* Effect.mapError(takeBackPriceUpdate(dataDir), unwritable)
  yield* Console.log(
    json
      ? JSON.stringify({ source: kept?.source ?? null, fetched_at: kept?.fetchedAt ?? null })
      : kept === undefined
        ? "The built-in prices hold again, at a gateway's next start."
        : oneLine(
            `The prices of ${kept.fetchedAt} hold again, from ${kept.source}, at a gateway's next start.`,
          ),
  )
})

const unwritable = () =>
  new CommandFailed({
    message: "DATA_DIR/prices must be a directory that this process may create and write.",
  })

export const update = Command.make(
  "update",
  {
    file: Flag.String("file").pipe(Flag.withDescription("A file instead of an address"), Flag.optional),
    url: Flag.String("url").pipe(
      Flag.withDescription("The address of data.json of genai-prices"),
      Flag.withDefault(GENAI_PRICES_URL),
    ),
    allowJumps: Flag.Boolean("allow-jumps").pipe(
      Flag.withDescription("Take prices that are more than twice or less than half of what they were"),
      Flag.withDefault(false),
    ),
    asOf: Flag.String("as-of").pipe(
      Flag.withDescription("The day of the list, YYYY-MM-DD, where it is not of today"),
      Flag.optional,
    ),
    rollback: Flag.Boolean("rollback").pipe(
      Flag.withDescription("Take the last update back, and read nothing"),
      Flag.withDefault(false),
    ),
  },
  Effect.fn(function* ({ allowJumps, asOf, file, rollback, url }) {
    if (rollback) return yield* takeBack
    const { json } = yield* root
    const { dataDir } = yield* Settings
    const source = Option.getOrElse(file, () => url)
    const { bytes, data } = yield* Option.match(file, {
      onSome: readPriceFile,
      onNone: () => fetchPrices(url),
    })
    const nowMs = yield* Clock.currentTimeMillis
    const day = Option.getOrElse(asOf, () => dayOf(nowMs))
    if (!isDay(day) || day > dayOf(nowMs)) {
      return yield* new CommandFailed({
        message: "--as-of must be a day as YYYY-MM-DD, and not a later one than today",
      })
    }
    const wanted = yield* wantedModels
    const digest = createHash("sha256").update(bytes).digest("hex").slice(0, 12)
    const found = yield* Effect.mapError(
      Effect.fromResult(readGenaiPrices(data, wanted, { source: `genai-prices ${digest}`, asOf: day })),
      (faults) => failure(`Nothing was taken, since the list of ${oneLine(source)} is wrong:`, faults),
    )
    const stated = byModel(found.prices)
    const older = olderIn(stated, wanted)
    const after = effective(stated, wanted)
    const before = byModel((yield* readPriceUpdate(dataDir))?.prices ?? [])
    const jumps = wanted.flatMap((model) =>
      jumpsBetween(priceBy(before, model), priceBy(after, model)).map(
        (jump) => `${model.vendor}/${model.name}: ${jump}`,
      ),
    )
    if (jumps.length > 0 && !allowJumps) {
      return yield* failure(
        "Nothing was taken, since prices change by more than a factor of 2. If they are right: --allow-jumps",
        jumps,
      )
    }
    const fetchedAt = new Date(nowMs).toISOString()
    yield* Effect.mapError(
      writePriceUpdate(dataDir, { source, fetchedAt, prices: [...after.values()].flat() }),
      unwritable,
    )
    yield* Console.log(
      json
        ? oneLine(
            JSON.stringify({
              source,
              fetched_at: fetchedAt,
              models: after.size,
              jumps,
              older,
              missing: found.missing,
              inexpressible: found.inexpressible,
              ignored: Object.fromEntries(found.ignored),
            }),
          )
        : asText(source, after.size, jumps, older, found),
    )
  }),
).pipe(
  Command.withDescription(
    "Take the prices of models of OpenAI, Gemini, Anthropic and other vendors that are on from the data set genai-prices, over the built-in ones and under the " +
      "file's. Nothing is fetched unless this is run",
  ),
  Command.withShortDescription("Take newer prices over the built-in ones"),
  Command.withExamples([
    { command: "llm-gateway prices update", description: "From where its maintainers publish it" },
    {
      command: "llm-gateway prices update --file data.json --allow-jumps",
      description: "A file, whatever it changes",
    },
  ]),
)
