import { DateTime, Duration, Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { LimitUsd } from "../api/budget-fields.ts"
import { KeyModels, KeyName } from "../api/KeysApi.ts"
import { Tags, TeamName } from "../api/limit-fields.ts"
import {
  type ApiKeyNotFound,
  type ApiKeyRevoked,
  ApiKeys,
  type ApiKeysBusy,
  type ApiKeysUnavailable,
  type KeyChanges,
} from "../auth/ApiKeys.ts"
import type { TeamNotFound } from "../auth/team-not-found.ts"
import { unknownName } from "../config/allow-list.ts"
import { Settings } from "../config/Settings.ts"
import { BUDGET_PERIODS } from "../domain/Budget.ts"
import { oneLine } from "../domain/one-line.ts"
import { allPages } from "./all-pages.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { durationFlag } from "./duration.ts"
import { clearedLimits, clearFlag, fields, limitFlags, limitsOf, listed, notBoth } from "./limit-flags.ts"
import { printIssued, printKey, printKeys } from "./print-keys.ts"

const explainErrors = <A, R>(
  command: Effect.Effect<
    A,
    TeamNotFound | ApiKeyNotFound | ApiKeyRevoked | ApiKeysBusy | ApiKeysUnavailable | CommandFailed,
    R
  >,
) =>
  Effect.mapError(command, (error) => {
    switch (error._tag) {
      case "CommandFailed":
        return error
      case "TeamNotFound":
        return new CommandFailed({ message: `--team ${oneLine(error.name)}: ${error.text}` })
      case "ApiKeyNotFound":
        return new CommandFailed({ message: `There is no API key with the id ${error.id}.` })
      case "ApiKeyRevoked":
        return new CommandFailed({
          message: `The API key ${error.id} is revoked for good. Create a new one.`,
        })
      case "ApiKeysBusy":
        return new CommandFailed({ message: "Too many secrets are being hashed. Try again." })
      case "ApiKeysUnavailable":
        return new CommandFailed({ message: "The database did not answer. Check DATABASE_URL or DATA_DIR." })
    }
  })

const id = Argument.String("id").pipe(Argument.withDescription("The 12 characters after gwk_"))

const said = {
  ...limitFlags("the gateway's default when absent"),
  team: Flag.String("team").pipe(
    Flag.withDescription("The team whose limits and budgets hold for the key too"),
    Flag.withSchema(TeamName),
    Flag.optional,
  ),
  tags: Flag.String("tags").pipe(
    Flag.withDescription("Comma-separated tags of every request with the key"),
    Flag.map(listed),
    Flag.withSchema(Tags),
    Flag.optional,
  ),
  models: Flag.String("models").pipe(
    Flag.withDescription(
      "Comma-separated route names, provider/model, provider/* or model names; all when absent",
    ),
    Flag.map(listed),
    Flag.withSchema(KeyModels),
    Flag.optional,
  ),
  "budget-usd": Flag.Finite("budget-usd").pipe(
    Flag.withDescription("Dollars that the key may spend in each window"),
    Flag.withSchema(LimitUsd),
    Flag.optional,
  ),
  "budget-window": Flag.Literals("budget-window", BUDGET_PERIODS).pipe(
    Flag.withDescription("The window of --budget-usd, by the calendar; month when absent"),
    Flag.optional,
  ),
  "may-issue": Flag.Boolean("may-issue").pipe(
    Flag.withDescription("Whether it may make keys of its own, which spend within what holds for it"),
    Flag.optional,
  ),
  expires: durationFlag("expires").pipe(
    Flag.withDescription("Lifetime from now on, such as 12h or 30d; never expires when absent"),
    Flag.optional,
  ),
}

type Said = Command.Command.Config.Infer<typeof said>

const keyName = Flag.String("name").pipe(
  Flag.withDescription("Who or what uses the key"),
  Flag.withSchema(KeyName),
)

/** Returns what flags say, all but the budget. */
const settingsOf = Effect.fnUntraced(function* ({ team, tags, models, expires, ...flags }: Said) {
  const { gateway } = yield* Settings
  const names = Option.getOrElse(models, () => [])
  const unknown = unknownName(gateway, names)
  if (unknown !== undefined) {
    return yield* new CommandFailed({
      message: `--models ${oneLine(names[unknown.index] ?? "")}: ${unknown.text}`,
    })
  }
  const now = yield* DateTime.now
  return {
    ...limitsOf(flags),
    ...fields(team, (team) => ({ team })),
    ...fields(tags, (tags) => ({ tags })),
    ...fields(models, (models) => ({ models })),
    ...fields(flags["may-issue"], (mayIssue) => ({ mayIssue })),
    ...fields(expires, (lifetime) => ({ expiresAt: DateTime.addDuration(now, lifetime) })),
  }
})

const budgetOf = Effect.fnUntraced(function* (flags: Said) {
  const { timeZone } = (yield* Settings).gateway.limits
  const period = fields(flags["budget-window"], (period) => ({ period }))
  return fields(flags["budget-usd"], (limitNanoUsd) => ({ budget: { limitNanoUsd, timeZone, ...period } }))
})

const WINDOW_ALONE = "--budget-window: Expected --budget-usd beside it."

const create = Command.make(
  "create",
  { name: keyName, ...said },
  Effect.fn(function* ({ name, ...flags }) {
    const settings = { ...(yield* settingsOf(flags)), ...(yield* budgetOf(flags)) }
    if (Option.isSome(flags["budget-window"]) && Option.isNone(flags["budget-usd"])) {
      return yield* new CommandFailed({ message: WINDOW_ALONE })
    }
    yield* printIssued(yield* (yield* ApiKeys).create({ name, ...settings }))
  }, explainErrors),
).pipe(Command.withDescription("Create an API key and print it once"))

const cleared = {
  ...clearedLimits,
  team: { team: null },
  tags: { tags: [] },
  models: { models: null },
  expires: { expiresAt: null },
} as const

const set = Command.make(
  "set",
  {
    id,
    name: keyName.pipe(Flag.optional),
    ...said,
    clear: clearFlag(["rpm", "tpm", "concurrency", "team", "tags", "models", "expires", "budget-usd"]),
  },
  Effect.fn(function* ({ id, name, clear, ...flags }) {
    yield* notBoth(clear, flags)
    const period = fields(flags["budget-window"], (period) => ({ period }))
    const clearsBudget = clear.includes("budget-usd")
    if ("period" in period && Option.isNone(flags["budget-usd"]) && !clearsBudget) {
      return yield* new CommandFailed({ message: WINDOW_ALONE })
    }
    let changes: KeyChanges = {
      ...fields(name, (name) => ({ name })),
      ...(yield* settingsOf(flags)),
      ...(clearsBudget ? { budget: { limitNanoUsd: null, ...period } } : yield* budgetOf(flags)),
    }
    for (const each of clear) if (each !== "budget-usd") changes = { ...changes, ...cleared[each] }
    if (Object.keys(changes).length === 0) {
      return yield* new CommandFailed({ message: "Say what to change: llm-gateway keys set --help" })
    }
    yield* printKey(yield* (yield* ApiKeys).set(id, changes))
  }, explainErrors),
).pipe(
  Command.withDescription(
    "Change an API key: what is left out stays, --clear takes away (with --budget-window the budget of that window, else " +
      "every budget of the key), --no-may-issue ends --may-issue. Every replica knows it within a second",
  ),
  Command.withShortDescription("Change an API key"),
  Command.withExamples([
    {
      command: "llm-gateway keys set AdaAdaAdaAda --rpm 60 --team search --clear models,expires",
      description: "Another rate and team; all models, for ever",
    },
    {
      command: "llm-gateway keys set AdaAdaAdaAda --budget-usd 80 --budget-window month",
      description: "80 dollars a month, beside what it has for other windows",
    },
  ]),
)

const list = Command.make(
  "list",
  {
    search: Flag.String("search").pipe(
      Flag.withDescription("Part of an id, name, team, tag or model, whatever its case"),
      Flag.optional,
    ),
    active: Flag.Boolean("active").pipe(
      Flag.withDescription("Only keys that work; --no-active for the others"),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ active, search }) {
    const service = yield* ApiKeys
    const wanted = {
      ...(Option.isSome(search) && { search: search.value }),
      ...(Option.isSome(active) && { active: active.value }),
    }
    const all = yield* allPages((options) =>
      Effect.map(service.list({ ...options, ...wanted }), ({ keys, nextCursor }) => ({
        rows: keys,
        nextCursor,
      })),
    )
    yield* printKeys(all, Object.keys(wanted).length > 0)
  }, explainErrors),
).pipe(Command.withDescription("List API keys, newest first"))

const show = Command.make(
  "show",
  { id },
  Effect.fn(function* ({ id }) {
    yield* printKey(yield* (yield* ApiKeys).show(id))
  }, explainErrors),
).pipe(Command.withDescription("Show one API key"))

const rotate = Command.make(
  "rotate",
  {
    id,
    grace: durationFlag("grace").pipe(
      Flag.withDescription(
        "How long the old secret keeps working, such as 24h; it stops at once when absent",
      ),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ id, grace }) {
    const graceMs = Duration.toMillis(Option.getOrElse(grace, () => Duration.zero))
    yield* printIssued(yield* (yield* ApiKeys).rotate(id, { graceMs }))
  }, explainErrors),
).pipe(Command.withDescription("Give an API key a new secret under the same id"))

const revoke = Command.make(
  "revoke",
  { id },
  Effect.fn(function* ({ id }) {
    yield* printKey(yield* (yield* ApiKeys).revoke(id))
  }, explainErrors),
).pipe(Command.withDescription("Revoke an API key for good; every replica refuses it within a second"))

export const keys = Command.make("keys").pipe(
  Command.withDescription("Create, inspect, change, rotate and revoke API keys"),
  Command.withSubcommands([create, list, show, set, rotate, revoke]),
)
