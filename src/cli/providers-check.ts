import { Console, Effect, Option } from "effect"
import { Argument, Command } from "effect/cli"
import type { ProviderConfig } from "../config/GatewayConfig.ts"
import { Settings } from "../config/Settings.ts"
import { several } from "../domain/Finding.ts"
import { oneLine } from "../domain/one-line.ts"
import { checkKey, type KeyCheck } from "../providers/check-key.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { columns } from "./columns.ts"
import { root } from "./root.ts"

const CONCURRENCY = 8

const SIMULATED: KeyCheck = { status: "unchecked", detail: "simulated" }

const describe = (result: KeyCheck): string => {
  if (result.status !== "ok") return result.detail
  const { listed, missing, ms } = result
  const absent = missing.length === 0 ? "" : `; not in its list: ${missing.join(", ")}`
  return `${ms} ms, ${several(listed, "model")}${absent}`
}

const nameOf = ({ key, name }: { readonly name: string; readonly key?: string }): string =>
  key === undefined ? name : `${name} (${key})`

/** Lists what is to be found out: of a provider, or of each of its keys. */
const checksOf = (provider: ProviderConfig) => {
  const { name } = provider
  if (provider.kind === "simulated") return [{ name, check: Effect.succeed(SIMULATED) }]
  return (
    provider.apiKeys?.map(({ name: key, value }) => ({
      name,
      key,
      check: checkKey({ ...provider, apiKey: value }),
    })) ?? [{ name, check: checkKey(provider) }]
  )
}

const isBad = ({ status }: KeyCheck): boolean => status !== "ok" && status !== "unchecked"

export const check = Command.make(
  "check",
  {
    name: Argument.String("name").pipe(
      Argument.withDescription("Name of a provider; all that are on when absent"),
      Argument.optional,
    ),
  },
  Effect.fn(function* ({ name }) {
    const { json } = yield* root
    const { off, providers } = (yield* Settings).gateway
    const wanted = Option.getOrUndefined(name)
    const chosen = providers.filter((provider) => wanted === undefined || provider.name === wanted)
    if (wanted !== undefined && chosen.length === 0) {
      const why = off.get(wanted)?.why
      return yield* new CommandFailed({
        message:
          why === undefined
            ? `No provider has this name. There are: ${providers.map((provider) => provider.name).join(", ")}`
            : `${wanted} is off: ${why}.`,
      })
    }
    const results = yield* Effect.forEach(
      chosen.flatMap(checksOf),
      ({ check, ...whose }) => Effect.map(check, (result) => ({ whose, result })),
      { concurrency: CONCURRENCY },
    )
    yield* Console.log(
      json
        ? oneLine(
            JSON.stringify({ providers: results.map(({ result, whose }) => ({ ...whose, ...result })) }),
          )
        : columns(results.map(({ result, whose }) => [result.status, nameOf(whose), describe(result)])),
    )
    const bad = results.filter(({ result }) => isBad(result)).map(({ whose }) => whose)
    if (bad.length > 0) {
      const names = new Set(bad.map(({ name }) => name))
      const how = bad.some((whose) => "key" in whose) ? ", or not with each key" : ""
      return yield* new CommandFailed({
        message: `${names.size} of ${several(chosen.length, "provider")} would not answer${how}.`,
      })
    }
  }),
).pipe(
  Command.withDescription(
    "Ask each provider for its list of models, which costs nothing: whether it is there, takes the key, or each of its keys, and has the models " +
      "that are configured. Exit code 1 when one does not answer or refuses the key; a model that is not in a list is " +
      "only named, since some vendors list less than they serve",
  ),
  Command.withShortDescription("Whether providers answer and take their keys; costs nothing"),
)
