import { Console, DateTime, Effect, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { TeamName } from "../api/limit-fields.ts"
import { TeamJson } from "../api/TeamsApi.ts"
import {
  type Team,
  type TeamChanges,
  type TeamExists,
  type TeamInUse,
  Teams,
  type TeamsUnavailable,
} from "../auth/Teams.ts"
import type { TeamNotFound } from "../auth/team-not-found.ts"
import { oneLine } from "../domain/one-line.ts"
import { allPages } from "./all-pages.ts"
import { budgetLine } from "./budget-text.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { columns } from "./columns.ts"
import { clearedLimits, clearFlag, limitFlags, limitsOf, notBoth } from "./limit-flags.ts"
import { root } from "./root.ts"

const explainErrors = <A, R>(
  command: Effect.Effect<A, TeamNotFound | TeamExists | TeamInUse | TeamsUnavailable | CommandFailed, R>,
) =>
  Effect.mapError(command, (error) => {
    switch (error._tag) {
      case "CommandFailed":
        return error
      case "TeamNotFound":
        return new CommandFailed({ message: `${oneLine(error.name)}: ${error.text}` })
      case "TeamExists":
        return new CommandFailed({
          message: `There is a team ${error.name}. Change it: llm-gateway teams set ${error.name}`,
        })
      case "TeamInUse":
        return new CommandFailed({ message: `${error.name} cannot be deleted. ${error.text}` })
      case "TeamsUnavailable":
        return new CommandFailed({ message: "The database did not answer. Check DATABASE_URL or DATA_DIR." })
    }
  })

const toJson = Schema.encodeSync(Schema.fromJsonString(TeamJson))
const listToJson = Schema.encodeSync(Schema.fromJsonString(Schema.Struct({ data: Schema.Array(TeamJson) })))

const printTeam = Effect.fn(function* (team: Team) {
  const { json } = yield* root
  if (json) return yield* Console.log(oneLine(toJson(team)))
  yield* Console.log(
    [
      `name         ${team.name}`,
      `rpm          ${team.requestsPerMinute ?? "no limit"}`,
      `tpm          ${team.tokensPerMinute ?? "no limit"}`,
      `concurrency  ${team.concurrency ?? "no limit"}`,
      `active keys  ${team.activeKeys}`,
      ...team.budgets.map((budget) => `budget       ${budgetLine(budget)}`),
      `created      ${DateTime.formatIso(team.createdAt)}`,
    ].join("\n"),
  )
})

const name = Argument.String("name").pipe(Argument.withDescription("The team's name"))
const limits = limitFlags("of all keys of the team together, as the other limits")

const create = Command.make(
  "create",
  { name: name.pipe(Argument.withSchema(TeamName)), ...limits },
  Effect.fn(function* ({ name, ...flags }) {
    yield* printTeam(yield* (yield* Teams).create({ name, ...limitsOf(flags) }))
  }, explainErrors),
).pipe(Command.withDescription("Create a team: keys that share limits and budgets"))

const list = Command.make(
  "list",
  {},
  Effect.fn(function* () {
    const { json } = yield* root
    const service = yield* Teams
    const all = yield* allPages((options) =>
      Effect.map(service.list(options), ({ teams, nextCursor }) => ({ rows: teams, nextCursor })),
    )
    if (json) return yield* Console.log(oneLine(listToJson({ data: all })))
    if (all.length === 0) {
      return yield* Console.log("There are no teams yet. Create one: llm-gateway teams create NAME")
    }
    yield* Console.log(
      columns([
        ["name", "active keys", "rpm", "tpm", "concurrency", "budgets"],
        ...all.map((team) => [
          team.name,
          String(team.activeKeys),
          String(team.requestsPerMinute ?? "-"),
          String(team.tokensPerMinute ?? "-"),
          String(team.concurrency ?? "-"),
          String(team.budgets.length),
        ]),
      ]),
    )
  }, explainErrors),
).pipe(Command.withDescription("List teams by name"))

const show = Command.make(
  "show",
  { name },
  Effect.fn(function* ({ name }) {
    yield* printTeam(yield* (yield* Teams).show(name))
  }, explainErrors),
).pipe(Command.withDescription("Show one team"))

const set = Command.make(
  "set",
  { name, ...limits, clear: clearFlag(["rpm", "tpm", "concurrency"]) },
  Effect.fn(function* ({ name, clear, ...flags }) {
    yield* notBoth(clear, flags)
    let changes: TeamChanges = limitsOf(flags)
    for (const each of clear) changes = { ...changes, ...clearedLimits[each] }
    if (Object.keys(changes).length === 0) {
      return yield* new CommandFailed({ message: "Say what to change: llm-gateway teams set --help" })
    }
    yield* printTeam(yield* (yield* Teams).set(name, changes))
  }, explainErrors),
).pipe(
  Command.withDescription(
    "Change the limits of a team: what is left out stays, --clear takes away. Every replica knows it within a second",
  ),
  Command.withShortDescription("Change the limits of a team"),
  Command.withExamples([
    {
      command: "llm-gateway teams set search --rpm 600 --clear tpm",
      description: "Another rate, and no limit on tokens",
    },
  ]),
)

const remove = Command.make(
  "delete",
  { name },
  Effect.fn(function* ({ name }) {
    const { json } = yield* root
    const team = yield* (yield* Teams).delete(name)
    yield* json ? printTeam(team) : Console.log(`Deleted the team ${team.name}.`)
  }, explainErrors),
).pipe(Command.withDescription("Delete a team to which no active key and no budget belongs"))

export const teams = Command.make("teams").pipe(
  Command.withDescription("Create, inspect, change and delete teams of API keys"),
  Command.withSubcommands([create, list, show, set, remove]),
)
