import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { migrateDatabase } from "../database/migrations.ts"
import { root } from "./root.ts"

export const migrate = Command.make(
  "migrate",
  {},
  Effect.fn(function* () {
    const { json } = yield* root
    const applied = yield* migrateDatabase
    if (json)
      return yield* Console.log(JSON.stringify({ applied: applied.map(([id, name]) => ({ id, name })) }))
    yield* Console.log(
      applied.length === 0
        ? "The database is up to date."
        : `Applied: ${applied.map(([id, name]) => `${id} ${name}`).join(", ")}`,
    )
  }),
).pipe(Command.withDescription("Bring the database schema up to date; the service also does it at start"))
