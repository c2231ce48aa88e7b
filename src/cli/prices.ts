import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { layered, type PriceLayers } from "../catalog/price-history.ts"
import { Settings } from "../config/Settings.ts"
import { toUsd } from "../domain/Money.ts"
import { oneLine } from "../domain/one-line.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { update } from "./prices-update.ts"
import { root } from "./root.ts"
import { rowJson, rowNow, rowText } from "./show-price.ts"

interface Priced {
  readonly provider: string
  readonly model: string
  readonly layers: PriceLayers
  readonly isServed: boolean
}

/** Every model that is known, with the layers of its price; those of vendors that are off are not served. */
const known = Effect.map(Settings, ({ gateway: { priceLayers, providers } }) => {
  const served = new Set(
    providers.flatMap(({ name, models }) => models.map((model) => `${name}/${model.name}`)),
  )
  return [...priceLayers].map(([key, layers]): Priced => {
    const end = key.indexOf("/")
    return { provider: key.slice(0, end), model: key.slice(end + 1), layers, isServed: served.has(key) }
  })
})

const asTable = (models: ReadonlyArray<Priced>, nowMs: number): string => {
  const rows = models.map(({ provider, model, layers }) => {
    const found = rowNow(layers, nowMs)
    const usd = (nano: number | undefined) => (nano === undefined ? "-" : String(toUsd(nano)))
    return [
      oneLine(`${provider}/${model}`),
      usd(found?.row.inputNanoPer1M),
      usd(found?.row.cachedInputNanoPer1M),
      usd(found?.row.outputNanoPer1M),
      found?.layer ?? "unknown",
      found === undefined ? "" : `${found.row.source}, ${found.row.asOf}`,
    ]
  })
  const lines = [["model", "input", "cached", "output", "layer", "source and day"], ...rows]
  const widths = lines.reduce<ReadonlyArray<number>>(
    (widest, line) => line.map((cell, i) => Math.max(cell.length, widest[i] ?? 0)),
    [],
  )
  return [
    ...lines.map((line) =>
      line
        .map((cell, i) => (i > 0 && i < 4 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    ),
    "",
    "USD per million tokens, today. What else there is of a model: llm-gateway prices show MODEL",
  ].join("\n")
}

const list = Command.make(
  "list",
  {
    provider: Flag.String("provider").pipe(
      Flag.withDescription("Only models of this provider, also when it is off"),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ provider }) {
    const { json } = yield* root
    const nowMs = yield* Clock.currentTimeMillis
    const wanted = Option.getOrUndefined(provider)
    const models = (yield* known).filter((each) =>
      wanted === undefined ? each.isServed : each.provider === wanted,
    )
    if (models.length === 0) {
      const names = (yield* Settings).gateway.providers.map(({ name }) => name).join(", ")
      return yield* new CommandFailed({ message: `No provider has this name. There are: ${names}` })
    }
    yield* Console.log(
      json
        ? oneLine(
            JSON.stringify({
              models: models.map(({ provider, model, layers }) => {
                const found = rowNow(layers, nowMs)
                return { provider, model, price: found === undefined ? null : rowJson(found, nowMs) }
              }),
            }),
          )
        : asTable(models, nowMs),
    )
  }),
).pipe(Command.withDescription("What each model that is served costs today, and who says so"))

const show = Command.make(
  "show",
  { model: Argument.String("model").pipe(Argument.withDescription("A model, or provider/model")) },
  Effect.fn(function* ({ model: name }) {
    const { json } = yield* root
    const nowMs = yield* Clock.currentTimeMillis
    const models = (yield* known).filter(
      ({ provider, model }) => name === model || name === `${provider}/${model}`,
    )
    if (models.length === 0) {
      return yield* new CommandFailed({
        message: "No provider here has this model. Those that are served: llm-gateway prices list",
      })
    }
    yield* Console.log(
      json
        ? oneLine(
            JSON.stringify({
              models: models.map(({ provider, model, layers, isServed }) => ({
                provider,
                model,
                served: isServed,
                rows: layered(layers).map((each) => rowJson(each, nowMs)),
              })),
            }),
          )
        : models
            .flatMap(({ provider, model, layers, isServed }) => {
              const rows = layered(layers)
              return [
                oneLine(`${provider}/${model}${isServed ? "" : " (not served here)"}`),
                ...(rows.length === 0
                  ? ["  unknown: state it in the file that GATEWAY_CONFIG names"]
                  : rows.flatMap((each) => rowText(each, nowMs))),
              ]
            })
            .join("\n"),
    )
  }),
).pipe(
  Command.withDescription(
    "Every row of prices of a model: the file's over the last update's over the built-in ones. The ledger keeps the price " +
      "version of each cost, which is the one shown here",
  ),
  Command.withShortDescription("Every row of prices of a model, and which of them holds"),
)

export const prices = Command.make("prices").pipe(
  Command.withDescription("What models cost"),
  Command.withSubcommands([list, show, update]),
)
