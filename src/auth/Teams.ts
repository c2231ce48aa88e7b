import { Context, Data, type DateTime, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { audited } from "../audit/audited.ts"
import { type BudgetState, readBudgetsOf, statedBudget } from "../budgets/budget-rows.ts"
import { answerWithin } from "../database/answer-within.ts"
import { decodeRows } from "../database/decode-rows.ts"
import { MAX_PAGE_LIMIT, TEAM_NAME } from "../domain/bounds.ts"
import { type TeamNotFound, teamNotFound } from "./team-not-found.ts"

/** Keys that share limits, budgets and a line in the books. */
export interface Team {
  readonly name: string
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  readonly concurrency: number | null
  /** Keys of the team that are neither revoked nor expired. */
  readonly activeKeys: number
  readonly budgets: ReadonlyArray<BudgetState>
  readonly createdAt: DateTime.Utc
}

/** Null takes a limit away; what is left out stays. */
export type TeamChanges = { readonly [Name in LimitName]?: number | null }

type LimitName = "requestsPerMinute" | "tokensPerMinute" | "concurrency"

export class TeamExists extends Data.TaggedError("TeamExists")<{ readonly name: string }> {}
/** Something belongs to the team. */
export class TeamInUse extends Data.TaggedError("TeamInUse")<{
  readonly name: string
  /** What belongs to it and what to do about it, as sentences. */
  readonly text: string
}> {}
/** The database did not answer. */
export class TeamsUnavailable extends Data.TaggedError("TeamsUnavailable")<{ readonly cause: unknown }> {}

const QUERY_TIMEOUT = "5 seconds"

/** Operators' view of teams: the CLI and `/admin/teams` are thin over this. Owns the table `teams`. */
export class Teams extends Context.Service<
  Teams,
  {
    readonly create: (
      team: { readonly name: string } & { readonly [Name in LimitName]?: number },
    ) => Effect.Effect<Team, TeamExists | TeamsUnavailable>
    /** By name; `cursor` is the last name of the previous page. */
    readonly list: (options: {
      readonly limit: number
      readonly cursor?: string
    }) => Effect.Effect<
      { readonly teams: ReadonlyArray<Team>; readonly nextCursor: string | null },
      TeamsUnavailable
    >
    readonly show: (name: string) => Effect.Effect<Team, TeamNotFound | TeamsUnavailable>
    readonly set: (name: string, changes: TeamChanges) => Effect.Effect<Team, TeamNotFound | TeamsUnavailable>
    /**
     * Refused while a key that can be used or a budget belongs to it. Revoked and expired keys lose its name; their requests
     * in the ledger keep it. Returns the team as it was.
     */
    readonly delete: (name: string) => Effect.Effect<Team, TeamNotFound | TeamInUse | TeamsUnavailable>
  }
>()("gateway/auth/Teams") {
  static readonly layer = Layer.effect(
    Teams,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const active = sql.literal("revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())")
      const columns = sql.literal(`
        name,
        requests_per_minute AS "requestsPerMinute",
        tokens_per_minute::float8 AS "tokensPerMinute",
        concurrency,
        created_at AS "createdAt"`)

      const withUses = Effect.fnUntraced(function* (rows: ReadonlyArray<typeof row.Type>) {
        if (rows.length === 0) return []
        const names = rows.map(({ name }) => name)
        const budgets = Object.groupBy(yield* readBudgetsOf(sql, "team", names), ({ subject }) => subject)
        const counts = yield* decodeCounts(sql`
          SELECT team AS name, count(*)::integer AS keys FROM api_keys
          WHERE team = ANY(${names}::text[]) AND ${active}
          GROUP BY team`)
        const keys = new Map(counts.map(({ name, keys }) => [name, keys]))
        return rows.map(
          (team): Team => ({
            ...team,
            activeKeys: keys.get(team.name) ?? 0,
            budgets: budgets[team.name] ?? [],
          }),
        )
      })

      const find = Effect.fnUntraced(function* (name: string, lock = sql.literal("")) {
        if (!TEAM_NAME.test(name)) return yield* teamNotFound(sql, name)
        const [team] = yield* withUses(
          yield* decodeTeams(sql`SELECT ${columns} FROM teams WHERE name = ${name} ${lock}`),
        )
        return team ?? (yield* teamNotFound(sql, name))
      })

      const audit =
        (action: string, subject: string) =>
        <E>(
          change: Effect.Effect<
            { readonly before: object | null; readonly after: object | null; readonly team: Team },
            E | SqlError.SqlError
          >,
        ) =>
          Effect.map(answered(audited(sql, { action, subject }, change)), ({ team }) => team)

      const create: Teams["Service"]["create"] = Effect.fn("Teams.create")((team) => {
        const { name, requestsPerMinute = null, tokensPerMinute = null, concurrency = null } = team
        return Effect.gen(function* () {
          const [created] = yield* withUses(
            yield* decodeTeams(sql`
              INSERT INTO teams (name, requests_per_minute, tokens_per_minute, concurrency)
              VALUES (
                ${name}, ${requestsPerMinute}::integer, ${tokensPerMinute}::bigint, ${concurrency}::integer
              )
              ON CONFLICT DO NOTHING
              RETURNING ${columns}`),
          )
          return created === undefined
            ? yield* new TeamExists({ name })
            : { before: null, after: seen(created), team: created }
        }).pipe(audit("team.create", name))
      })

      const list: Teams["Service"]["list"] = Effect.fn("Teams.list")(function* ({ limit, cursor = "" }) {
        const size = Math.min(Math.max(Math.trunc(limit), 1), MAX_PAGE_LIMIT)
        const found = decodeTeams(sql`
          SELECT ${columns} FROM teams
          WHERE name COLLATE "C" > ${cursor}
          ORDER BY name COLLATE "C"
          LIMIT ${size + 1}`)
        const teams = yield* answered(Effect.flatMap(found, withUses))
        const page = teams.slice(0, size)
        return { teams: page, nextCursor: teams.length > size ? (page.at(-1)?.name ?? null) : null }
      })

      const show: Teams["Service"]["show"] = Effect.fn("Teams.show")((name) => answered(find(name)))

      const set: Teams["Service"]["set"] = Effect.fn("Teams.set")((name, changes) => {
        const { requestsPerMinute, tokensPerMinute, concurrency } = changes
        const assignments = [
          ...(requestsPerMinute === undefined
            ? []
            : [sql`requests_per_minute = ${requestsPerMinute}::integer`]),
          ...(tokensPerMinute === undefined ? [] : [sql`tokens_per_minute = ${tokensPerMinute}::bigint`]),
          ...(concurrency === undefined ? [] : [sql`concurrency = ${concurrency}::integer`]),
        ]
        return Effect.gen(function* () {
          const before = yield* find(name, sql.literal("FOR NO KEY UPDATE"))
          if (assignments.length > 0) {
            yield* sql`UPDATE teams SET ${sql.csv(assignments)} WHERE name = ${name}`
          }
          const team = yield* find(name)
          return { before: seen(before), after: seen(team), team }
        }).pipe(audit("team.set", name))
      })

      const remove: Teams["Service"]["delete"] = Effect.fn("Teams.delete")((name) =>
        Effect.gen(function* () {
          // Nobody gives the team another key or budget before this ends.
          const team = yield* find(name, sql.literal("FOR UPDATE"))
          if (team.activeKeys + team.budgets.length > 0) {
            const keys = yield* decodeIds(sql`
              SELECT id FROM api_keys WHERE team = ${name} AND ${active} ORDER BY created_at DESC LIMIT ${SHOWN}`)
            return yield* new TeamInUse({ name, text: inUse(team, keys) })
          }
          yield* sql`UPDATE api_keys SET team = NULL WHERE team = ${name}`
          yield* sql`DELETE FROM teams WHERE name = ${name}`
          return { before: seen(team), after: null, team }
        }).pipe(audit("team.delete", name)),
      )

      return Teams.of({ create, list, show, set, delete: remove })
    }),
  )
}

/** A team as the audit sees it: what belongs to it has rows of its own. */
const seen = ({ activeKeys: _, budgets, ...team }: Team) => ({ ...team, budgets: budgets.map(statedBudget) })

/** Keys that a refusal names. */
const SHOWN = 5

const inUse = (team: Team, keys: ReadonlyArray<{ readonly id: string }>): string => {
  const named = keys.map(({ id }) => id).join(", ")
  const more = team.activeKeys > keys.length ? ` and ${team.activeKeys - keys.length} more` : ""
  return [
    ...(team.activeKeys === 0
      ? []
      : [`Keys belong to the team: ${named}${more}. Revoke them or give them another team.`]),
    ...(team.budgets.length === 0
      ? []
      : [`Budgets belong to the team: ${team.budgets.map(({ id }) => id).join(", ")}. Delete them first.`]),
  ].join(" ")
}

const row = Schema.Struct({
  name: Schema.String,
  requestsPerMinute: Schema.NullOr(Schema.Int),
  tokensPerMinute: Schema.NullOr(Schema.Int),
  concurrency: Schema.NullOr(Schema.Int),
  createdAt: Schema.DateTimeUtcFromDate,
})
const decodeTeams = decodeRows(row)
const decodeCounts = decodeRows(Schema.Struct({ name: Schema.String, keys: Schema.Int }))
const decodeIds = decodeRows(Schema.Struct({ id: Schema.String }))

function answered<A, E, R>(query: Effect.Effect<A, E | SqlError.SqlError, R>) {
  return query.pipe(
    answerWithin(QUERY_TIMEOUT),
    Effect.catchIf(SqlError.isSqlError, (cause) => Effect.fail(new TeamsUnavailable({ cause }))),
  )
}
