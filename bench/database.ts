/** Databases of one PostgreSQL for gateways that start on an empty one. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"

/** Creates an empty database and returns its URL. */
export const createDatabase = async (adminUrl: string, name: string): Promise<string> => {
  await SqlClient.SqlClient.use((sql) => sql`CREATE DATABASE ${sql(name)} TEMPLATE template0`).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(adminUrl), prepare: false })),
    Effect.runPromise,
  )
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}
