import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { checkWriting } from "../../../src/ledger/checks/check-writing.ts"
import { layerEmbedded, layerPostgres } from "../../support/Databases.ts"
import { requestCount } from "../rows.ts"

const damages: ReadonlyArray<readonly [statement: string, reason: string]> = [
  ["ALTER TABLE attempts DROP COLUMN cached_tokens", "a column is missing (SQLSTATE 42703)"],
  ["DROP TABLE usage_recent CASCADE", "a table is missing (SQLSTATE 42P01)"],
  [
    "ALTER TABLE latency_recent DROP CONSTRAINT latency_recent_pkey",
    "a primary key is missing (SQLSTATE 42P10)",
  ],
  ["SET LOCAL ROLE pg_monitor", "the database's user may not do that (SQLSTATE 42501)"],
]

describe.each([
  { name: "PostgreSQL", database: layerPostgres },
  { name: "the embedded database", database: layerEmbedded },
])("the check whether the ledger can write to $name", ({ database }) => {
  layer(database)((it) => {
    it.effect("finds a new database right, and writes nothing", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        assert.deepInclude(yield* checkWriting({ sql }), { check: "ledger", status: "ok" })
        assert.strictEqual(yield* requestCount, 0)
      }),
    )

    it.effect.each(damages)("after %s says why not", ([statement, reason]) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const finding = yield* sql.unsafe(statement).pipe(
          Effect.andThen(checkWriting({ sql })),
          Effect.flatMap((finding) => Effect.fail({ finding })),
          sql.withTransaction,
          Effect.catch((end) => ("finding" in end ? Effect.succeed(end.finding) : Effect.die(end))),
        )
        assert.deepInclude(finding, { status: "fail", summary: `no batch can be written: ${reason}` })
      }),
    )
  })
})
