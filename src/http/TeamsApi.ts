import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import { type TeamExists, type TeamInUse, Teams, type TeamsUnavailable } from "../auth/Teams.ts"
import type { TeamNotFound } from "../auth/team-not-found.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { answeringErrors } from "./error-response.ts"

/** The operators' routes of teams: the same service the command line uses. */
export const TeamsHandlers = HttpApiBuilder.group(
  AdminApi,
  "teams",
  Effect.fn(function* (handlers) {
    const teams = yield* Teams
    return handlers.handleAll({
      list: ({ query }) =>
        answer(
          Effect.map(teams.list(query), ({ teams, nextCursor }) => ({
            data: teams,
            next_cursor: nextCursor,
          })),
        ),
      create: ({ payload }) => answer(teams.create(payload)),
      show: ({ params }) => answer(teams.show(params.name)),
      set: ({ params, payload }) => answer(teams.set(params.name, payload)),
      delete: ({ params }) => answer(teams.delete(params.name)),
    })
  }),
)

type TeamError = TeamNotFound | TeamExists | TeamInUse | TeamsUnavailable

const answer = <A, R>(effect: Effect.Effect<A, TeamError, R>) =>
  answeringErrors(Effect.mapError(effect, teamError))

const teamError = (error: TeamError): GatewayError => {
  switch (error._tag) {
    case "TeamNotFound":
      return new GatewayError({ code: "team_not_found", detail: error.text })
    case "TeamExists":
      return new GatewayError({
        code: "team_exists",
        param: "name",
        detail: "name: A team has this name. Change it instead.",
      })
    case "TeamInUse":
      return new GatewayError({ code: "team_in_use", detail: error.text })
    case "TeamsUnavailable":
      return new GatewayError({
        code: "database_unavailable",
        detail: "Teams cannot be read. Retry shortly.",
      })
  }
}
