import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Database } from "../../../src/database/Database.ts"

/**
 * A process with a database of its own, for tests of what processes do to each other:
 * `serve DATA_DIR` is a gateway that runs until it is killed, `note DATA_DIR TEXT` a command beside it.
 */
const [, , role, dataDir = "", text = ""] = process.argv

const note = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS notes (text text NOT NULL)`
  yield* sql`INSERT INTO notes (text) VALUES (${text})`
})

const serve = Effect.gen(function* () {
  yield* Database
  yield* Effect.sync(() => console.log("serving"))
  return yield* Effect.never
})

const pool = Database.layerPool({ applicationName: "test", maxConnections: 2, statementTimeoutMs: 5_000 })

const program =
  role === "serve"
    ? serve.pipe(Effect.provide(Database.layerEmbedded(dataDir)))
    : note.pipe(Effect.provide(pool.pipe(Layer.provide(Database.layerEmbeddedClient(dataDir)))))

Effect.runPromise(program).then(
  () => process.exit(0),
  (error) => {
    console.error(error.message)
    process.exit(1)
  },
)
