import { Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { SqlClient } from "effect/sql"
import { audited } from "../audit/audited.ts"
import { costOf } from "../catalog/cost.ts"
import type { GatewayConfig } from "../config/GatewayConfig.ts"
import { Settings } from "../config/Settings.ts"
import { hasSchema } from "../database/migrations.ts"
import { oneLine } from "../domain/one-line.ts"
import { rollUp } from "../ledger/tables/roll-up.ts"
import {
  type PriceUsage,
  type Recomputation,
  type RepricedModel,
  recomputeCosts,
} from "../repricing/recompute-costs.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { reconcile } from "./costs-reconcile.ts"
import { dollars } from "./dollars.ts"
import { instantFlag } from "./instant.ts"
import { makeProgress } from "./progress.ts"
import { root } from "./root.ts"

const configuredPrices = ({ providers }: GatewayConfig): PriceUsage => {
  const prices = new Map(
    providers.flatMap(({ name, models }) =>
      models.map((model) => [`${name}/${model.name}`, model.price] as const),
    ),
  )
  return (provider, model, usage, startedAt) => {
    const price = prices.get(`${provider}/${model}`)
    return price && costOf(price, usage, startedAt)
  }
}

const sumsOf = (models: ReadonlyArray<RepricedModel>) => ({
  changed: models.reduce((sum, { changed }) => sum + changed, 0),
  relabelled: models.reduce((sum, { relabelled }) => sum + relabelled, 0),
  newlyPriced: models.reduce((sum, { newlyPriced }) => sum + newlyPriced, 0),
  kept: models.reduce((sum, { kept }) => sum + kept, 0),
  beforeNanoUsd: models.reduce((sum, { beforeNanoUsd }) => sum + beforeNanoUsd, 0n),
  afterNanoUsd: models.reduce((sum, { afterNanoUsd }) => sum + afterNanoUsd, 0n),
})

const counts = (sums: ReturnType<typeof sumsOf>) => ({
  changed: sums.changed,
  relabelled: sums.relabelled,
  newly_priced: sums.newlyPriced,
  kept: sums.kept,
  cost_usd_before: dollars(sums.beforeNanoUsd),
  cost_usd_after: dollars(sums.afterNanoUsd),
  cost_usd_difference: dollars(sums.afterNanoUsd - sums.beforeNanoUsd),
})

interface Done {
  readonly fromMs: number
  readonly toMs: number
  readonly dryRun: boolean
  readonly result: Recomputation
  readonly models: ReadonlyArray<RepricedModel>
}

const asJson = ({ fromMs, toMs, dryRun, result, models }: Done): string =>
  JSON.stringify({
    dry_run: dryRun,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    requests: result.requests,
    unanswered: result.unanswered,
    contested: result.contested,
    ...counts(sumsOf(models)),
    attempts_changed: result.attemptsChanged,
    models: models.map((model) => ({
      provider: model.provider,
      model: model.model,
      requests: model.requests,
      ...counts(sumsOf([model])),
    })),
  })

const labelOf = ({ provider, model }: { readonly provider: string; readonly model: string }): string =>
  oneLine(`${provider}/${model}`)

const asText = ({ dryRun, result, models }: Done): string => {
  const sums = sumsOf(models)
  const lines = [
    ...(dryRun ? ["Dry run: nothing was written. This is what would change."] : []),
    `requests        ${result.requests}, of which ${result.unanswered} were answered by nobody`,
    `changed         ${sums.changed} in their cost, ${sums.relabelled} more in its price version or reason`,
    `newly priced    ${sums.newlyPriced}`,
    `left as is      ${sums.kept} whose model has no price here, or whose tokens are unknown`,
    `attempts        ${result.attemptsChanged} changed`,
    `cost before     ${dollars(sums.beforeNanoUsd)} USD`,
    `cost after      ${dollars(sums.afterNanoUsd)} USD`,
    `difference      ${dollars(sums.afterNanoUsd - sums.beforeNanoUsd)} USD`,
  ]
  if (result.contested > 0) {
    lines.push(`${result.contested} requests were re-priced by somebody else meanwhile: run it again.`)
  }
  if (sums.kept > 0) {
    lines.push(
      "If a provider is off here by mistake, such as for want of its key, switch it on and run it again for its requests.",
    )
  }
  if (models.length === 0) return lines.join("\n")
  const width = Math.max(...models.map((model) => labelOf(model).length))
  lines.push("", `${"model".padEnd(width)}    requests     changed  USD before, after`)
  for (const model of models) {
    lines.push(
      [
        labelOf(model).padEnd(width),
        String(model.requests).padStart(10),
        String(model.changed).padStart(10),
        `${dollars(model.beforeNanoUsd)}, ${dollars(model.afterNanoUsd)}`,
      ].join("  "),
    )
  }
  return lines.join("\n")
}

const recompute = Command.make(
  "recompute",
  {
    from: instantFlag("from").pipe(Flag.withDescription("Requests that started then or later")),
    to: instantFlag("to").pipe(Flag.withDescription("Requests that started before")),
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withDescription("Write nothing; print what would change"),
      Flag.withDefault(false),
    ),
  },
  Effect.fn(function* ({ from: fromMs, to: toMs, dryRun }) {
    const { json } = yield* root
    if (fromMs >= toMs) return yield* new CommandFailed({ message: "--from must be before --to." })
    const { gateway } = yield* Settings
    const sql = yield* SqlClient.SqlClient
    if (!(yield* hasSchema)) {
      return yield* new CommandFailed({
        message: "The database schema is not up to date. Run: llm-gateway migrate",
      })
    }
    const progress = yield* makeProgress
    const span = `${new Date(fromMs).toISOString()}/${new Date(toMs).toISOString()}`
    // It is many transactions, and may be stopped in between: one row that it began, and one of what it did.
    const note = (action: string, after: object) =>
      dryRun ? Effect.void : audited(sql, { action, subject: span }, Effect.succeed({ before: null, after }))
    yield* note("costs.recompute.begin", {})
    const result = yield* recomputeCosts(sql, {
      span: { fromMs, toMs },
      price: configuredPrices(gateway),
      dryRun,
      onBatch: ({ requests, total }) => progress(requests, total, "requests"),
    }).pipe(
      Effect.tapError(() =>
        Console.error("Stopped before the end. What was done stays done; running it again does the rest."),
      ),
    )
    const models = [...result.models.values()].toSorted((a, b) =>
      `${a.provider}/${a.model}` < `${b.provider}/${b.model}` ? -1 : 1,
    )
    yield* note("costs.recompute.end", {
      requests: result.requests,
      ...counts(sumsOf(models)),
      attemptsChanged: result.attemptsChanged,
    })
    // Analytics read what was moved faster; the gateway would do it within the hour.
    if (!dryRun) yield* rollUp(sql)
    const done = { fromMs, toMs, dryRun, result, models }
    yield* Console.log(json ? oneLine(asJson(done)) : asText(done))
  }),
).pipe(
  Command.withDescription(
    "Price what is in the ledger anew, with the prices configured now. Requests of models that have no price here " +
      "keep the cost they have. May be stopped and repeated; runs beside gateways",
  ),
  Command.withShortDescription("Price what is in the ledger anew, with the prices configured now"),
  Command.withExamples([
    {
      command: "llm-gateway costs recompute --from 2026-11-01 --to 2026-12-01 --dry-run",
      description: "What a new price list would change in November (UTC)",
    },
    {
      command: "llm-gateway costs recompute --from 2026-11-23T08:00:00Z --to 2026-11-23T09:00:00Z --json",
      description: "One hour, for a script",
    },
  ]),
)

export const costs = Command.make("costs").pipe(
  Command.withDescription("What requests cost"),
  Command.withSubcommands([recompute, reconcile]),
)
