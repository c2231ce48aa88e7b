import { readFileSync } from "node:fs"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"

/** The server's own process. */
export const postmasterOf = async (databaseUrl: string): Promise<number> => {
  const [row] = await query<{ file: string }>(databaseUrl, "SELECT pg_read_file('postmaster.pid') AS file")
  return Number(row?.file.split("\n")[0])
}

/** To the server and every process of it, sessions included: with SIGSTOP it hangs, with SIGCONT it goes on. Linux only. */
export const signalAll = (postmaster: number, signal: "SIGSTOP" | "SIGCONT"): void => {
  // A stopped server makes no new sessions and buries no old ones.
  if (signal === "SIGSTOP") process.kill(postmaster, signal)
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, "utf8")
  for (const child of children.trim().split(" ")) if (child !== "") process.kill(Number(child), signal)
  if (signal === "SIGCONT") process.kill(postmaster, signal)
}

export const query = <Row extends object>(databaseUrl: string, text: string): Promise<ReadonlyArray<Row>> =>
  SqlClient.SqlClient.use((sql) => sql.unsafe<Row>(text)).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(databaseUrl), prepare: false }), { local: true }),
    Effect.runPromise,
  )
