/** Databases of one PostgreSQL for gateways that start on an empty one. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"

/** Runs statements on a database, over a connection of their own. */
export const onDatabase = <A>(
  url: string,
  use: (sql: SqlClient.SqlClient) => Effect.Effect<A, SqlError.SqlError>,
): Promise<A> =>
  SqlClient.SqlClient.use(use).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), prepare: false })),
    Effect.runPromise,
  )

/** Creates an empty database and returns its URL. */
export const createDatabase = async (adminUrl: string, name: string): Promise<string> => {
  await onDatabase(adminUrl, (sql) => sql`CREATE DATABASE ${sql(name)} TEMPLATE template0`)
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}
