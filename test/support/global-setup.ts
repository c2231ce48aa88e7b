import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import type { TestProject } from "vitest/node"
import { migrate } from "../../src/database/migrations.ts"
import { createPostgresServer } from "./postgres-server.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** A URL whose user may create databases. */
    readonly postgresAdminUrl: string
    /** A migrated database nobody connects to: every test database is a copy. Its name prefixes theirs. */
    readonly postgresTemplate: string
    /** An empty directory in which the first test that needs it makes a migrated embedded database. */
    readonly embeddedTemplateDir: string
  }
}

/**
 * One PostgreSQL for the whole run: the server of TEST_DATABASE_URL, or a real one started from the npm binaries.
 * Nothing of it outlives the run.
 */
export default async function setup(project: TestProject) {
  const given = process.env.TEST_DATABASE_URL
  const server = given === undefined ? await startServer() : { url: given, remove: async () => {} }
  const template = `gateway_test_${process.pid}_${Date.now().toString(36)}`
  try {
    await run(server.url, (sql) => sql`CREATE DATABASE ${sql(template)}`)
    await run(databaseUrl(server.url, template), () => migrate)
  } catch (cause) {
    await server.remove()
    throw cause
  }
  project.provide("postgresAdminUrl", server.url)
  project.provide("postgresTemplate", template)
  const embeddedTemplateDir = await mkdtemp(join(tmpdir(), "gateway-embedded-"))
  project.provide("embeddedTemplateDir", embeddedTemplateDir)
  return async () => {
    try {
      await rm(embeddedTemplateDir, { recursive: true, force: true })
      if (given !== undefined) await dropDatabases(given, template)
    } finally {
      await server.remove()
    }
  }
}

async function startServer() {
  const server = await createPostgresServer()
  try {
    await server.start()
    // It would go through every test's database again and again, none of which lives long enough to need it.
    await run(server.url, (sql) =>
      Effect.andThen(sql`ALTER SYSTEM SET autovacuum = off`, sql`SELECT pg_reload_conf()`),
    )
  } catch (cause) {
    await server.remove()
    throw cause
  }
  return server
}

async function dropDatabases(url: string, prefix: string) {
  await run(url, (sql) =>
    Effect.gen(function* () {
      const found = yield* sql<{
        datname: string
      }>`SELECT datname FROM pg_database WHERE starts_with(datname, ${prefix})`
      for (const { datname } of found) yield* sql`DROP DATABASE ${sql(datname)} WITH (FORCE)`
    }),
  )
}

function databaseUrl(adminUrl: string, database: string): string {
  const url = new URL(adminUrl)
  url.pathname = `/${database}`
  return url.href
}

function run<A, E>(
  url: string,
  query: (sql: SqlClient.SqlClient) => Effect.Effect<A, E, SqlClient.SqlClient>,
): Promise<A> {
  return SqlClient.SqlClient.use(query).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), prepare: false })),
    Effect.runPromise,
  )
}
