import { Data, Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { noSuchTeam } from "../domain/no-such-team.ts"

export class TeamNotFound extends Data.TaggedError("TeamNotFound")<{
  readonly name: string
  /** That it is not there, and which may have been meant, as a sentence. */
  readonly text: string
}> {}

const decodeNames = decodeRows(Schema.Struct({ name: Schema.String }))

/** Fails with the nearest of the teams that are there. */
export const teamNotFound = (sql: SqlClient.SqlClient, name: string) =>
  Effect.flatMap(decodeNames(sql`SELECT name FROM teams`), (teams) =>
    Effect.fail(
      new TeamNotFound({
        name,
        text: noSuchTeam(
          name,
          teams.map((team) => team.name),
        ),
      }),
    ),
  )
