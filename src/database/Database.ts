import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, type Redacted } from "effect"
import type { SqlClient } from "effect/sql"
import { Settings } from "../config/Settings.ts"
import {
  type DataDirInUse,
  type Embedded,
  type EmbeddedDatabaseError,
  open,
  openOrJoin,
} from "./embedded/Embedded.ts"

/**
 * The gateway's PostgreSQL: a server (`DATABASE_URL`) or the embedded one in `DATA_DIR`. Pools are separate
 * layers over it, so that one kind of work cannot starve another.
 */
export class Database extends Context.Service<
  Database,
  {
    readonly kind: "server" | "embedded"
    readonly connection: PgClient.PgClientConfig
    /** Never succeeds; fails when the embedded database died. The process should then end: nothing revives it. */
    readonly stopped: Effect.Effect<never, EmbeddedDatabaseError>
  }
>()("gateway/database/Database") {
  /** Opens it for the gateway itself: an embedded database is this process's own or the start fails. */
  static readonly layer: Layer.Layer<Database, DataDirInUse | EmbeddedDatabaseError, Settings> = Layer.unwrap(
    Effect.map(Settings, ({ databaseUrl, dataDir }) =>
      databaseUrl === undefined ? Database.layerEmbedded(dataDir) : Database.layerServer(databaseUrl),
    ),
  )

  /** Opens it for commands: an embedded database may also be that of the gateway running beside. */
  static readonly layerClient: Layer.Layer<Database, DataDirInUse | EmbeddedDatabaseError, Settings> =
    Layer.unwrap(
      Effect.map(Settings, ({ databaseUrl, dataDir }) =>
        databaseUrl === undefined ? Database.layerEmbeddedClient(dataDir) : Database.layerServer(databaseUrl),
      ),
    )

  /** Builds even when the server is down: connections are made on demand and again after every failure. */
  static readonly layerServer = (url: Redacted.Redacted) =>
    Layer.succeed(Database, {
      kind: "server",
      connection: { url, keepAlive: "10 seconds" },
      stopped: Effect.never,
    })

  static readonly layerEmbedded = (dataDir: string) =>
    Layer.effect(Database, Effect.map(open(dataDir), embedded))

  static readonly layerEmbeddedClient = (dataDir: string) =>
    Layer.effect(Database, Effect.map(openOrJoin(dataDir), embedded))

  /** Makes a pool, which connects lazily. Bind the result once: every call is another pool. */
  static readonly layerPool = (options: {
    /** The name shown in `pg_stat_activity`. */
    readonly applicationName: string
    readonly maxConnections: number
    /** Milliseconds after which a server ends a statement, 0 = never. The embedded database knows no such limit. */
    readonly statementTimeoutMs: number
    /** Milliseconds after which a server gives up waiting for a lock; undefined = never. */
    readonly lockTimeoutMs?: number
  }): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, never, Database> =>
    Layer.unwrap(
      Effect.map(Database, ({ kind, connection }) =>
        // The client only fails to build on a wrong type registry, and there is none.
        Layer.orDie(
          PgClient.layer({
            ...connection,
            connectTimeout: "3 seconds",
            applicationName: options.applicationName,
            maxConnections: options.maxConnections,
            ...(kind === "server" && {
              startupParameters: {
                statement_timeout: String(options.statementTimeoutMs),
                ...(options.lockTimeoutMs !== undefined && { lock_timeout: String(options.lockTimeoutMs) }),
              },
            }),
          }),
        ),
      ),
    )
}

const embedded = ({ socketPath, stopped }: Embedded): Database["Service"] => ({
  kind: "embedded",
  connection: {
    host: "localhost",
    path: socketPath,
    database: "postgres",
    username: "postgres",
    // One backend serves every connection: statements prepared by closed connections would pile up in it.
    prepare: false,
  },
  stopped,
})
