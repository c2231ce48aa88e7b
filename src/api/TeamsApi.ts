import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { AdminAuth } from "./AdminAuth.ts"
import { BudgetJson } from "./budget-fields.ts"
import { queryOf } from "./from-text.ts"
import { Timestamp } from "./instant-text.ts"
import {
  Concurrency,
  limitNames,
  RequestsPerMinute,
  shownLimits,
  TeamName,
  TokensPerMinute,
} from "./limit-fields.ts"
import { problem } from "./Problem.ts"
import { nextCursor, pageParameters } from "./paging.ts"
import { JsonBody, SchemaErrors } from "./RequestChecks.ts"
import { absent } from "./shapes.ts"

const limits = {
  requestsPerMinute: RequestsPerMinute.annotate({
    description: "Requests per minute of all keys of the team together",
  }),
  tokensPerMinute: TokensPerMinute.annotate({
    description: "Tokens per minute of all keys of the team together, input and output",
  }),
  concurrency: Concurrency.annotate({ description: "Requests in flight of all keys of the team together" }),
}

const CreateTeamRequest = Schema.Struct({
  name: TeamName.annotate({ description: "Its id, which stays" }),
  requestsPerMinute: Schema.optionalKey(limits.requestsPerMinute),
  tokensPerMinute: Schema.optionalKey(limits.tokensPerMinute),
  concurrency: Schema.optionalKey(limits.concurrency),
}).pipe(
  Schema.encodeKeys(limitNames),
  Schema.annotateEncoded({
    identifier: "CreateTeamRequest",
    examples: [{ name: "support" }, { name: "research", rpm: 6000, tpm: 2_000_000, concurrency: 64 }],
  }),
)

const SetTeamRequest = Schema.Struct({
  requestsPerMinute: absent(limits.requestsPerMinute),
  tokensPerMinute: absent(limits.tokensPerMinute),
  concurrency: absent(limits.concurrency),
}).pipe(
  Schema.encodeKeys(limitNames),
  Schema.annotateEncoded({
    identifier: "SetTeamRequest",
    description: "null takes a limit away, what is left out stays",
    examples: [{ rpm: 6000, tpm: null }],
  }),
)

/** A team as the admin routes and the command line's `--json` print it. */
export const TeamJson = Schema.Struct({
  name: Schema.String,
  ...shownLimits,
  activeKeys: Schema.Int.annotate({ description: "Keys of the team that are neither revoked nor expired" }),
  budgets: Schema.Array(BudgetJson),
  createdAt: Timestamp,
}).pipe(
  Schema.encodeKeys({ ...limitNames, activeKeys: "active_keys", createdAt: "created_at" }),
  Schema.annotateEncoded({ identifier: "Team" }),
)

const TeamList = Schema.Struct({ data: Schema.Array(TeamJson), next_cursor: nextCursor })

const unavailable = [problem(500), problem(503)]
const notFound = [problem(404), ...unavailable]
const params = { name: Schema.String.annotate({ description: "The team's name" }) }

export class TeamsApi extends HttpApiGroup.make("teams")
  .add(
    HttpApiEndpoint.get("list", "/admin/teams", {
      query: queryOf(pageParameters),
      success: TeamList,
      error: unavailable,
    }).annotateMerge(OpenApi.annotations({ summary: "List teams by name" })),
    HttpApiEndpoint.post("create", "/admin/teams", {
      payload: CreateTeamRequest,
      success: TeamJson,
      error: [...unavailable, problem(409)],
    })
      .middleware(JsonBody)
      .annotateMerge(OpenApi.annotations({ summary: "Create a team" })),
    HttpApiEndpoint.get("show", "/admin/teams/:name", {
      params,
      success: TeamJson,
      error: notFound,
    }).annotateMerge(OpenApi.annotations({ summary: "Show a team" })),
    HttpApiEndpoint.patch("set", "/admin/teams/:name", {
      params,
      payload: SetTeamRequest,
      success: TeamJson,
      error: notFound,
    })
      .middleware(JsonBody)
      .annotateMerge(OpenApi.annotations({ summary: "Change the limits of a team" })),
    HttpApiEndpoint.delete("delete", "/admin/teams/:name", {
      params,
      success: TeamJson,
      error: [...notFound, problem(409)],
    }).annotateMerge(OpenApi.annotations({ summary: "Delete a team to which no key and no budget belongs" })),
  )
  .middleware(SchemaErrors)
  .middleware(AdminAuth)
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotateMerge(OpenApi.annotations({ title: "Teams", description: "Authenticated by an admin token" })) {}
