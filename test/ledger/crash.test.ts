import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { migrate } from "../../src/database/migrations.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import { temporaryDirectory } from "../support/Databases.ts"
import { createPostgresServer } from "../support/postgres-server.ts"
import { logged } from "./logged.ts"
import { numberedRecord } from "./records.ts"
import { assertHoldsExactly } from "./rows.ts"

/** Processes with a ledger that are killed while they record, with PostgreSQL there and not. */

const program = fileURLToPath(new URL("./recording-process.ts", import.meta.url))

const recording = (directory: string, databaseUrl: string, from: number) => {
  const child: ChildProcess = fork(program, [directory, databaseUrl, String(from)], {
    execArgv: [],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  })
  let said = ""
  let complaints = ""
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaints += text
  })
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said += text
  })
  /** What it told, whole lines only; it may have done a little more. */
  const kill = async () => {
    child.kill("SIGKILL")
    await once(child, "close")
    const lines = said.split("\n").slice(0, -1)
    const numbers = (verb: string) =>
      lines.filter((line) => line.startsWith(verb)).map((line) => Number(line.slice(verb.length)))
    return { recorded: numbers("recorded "), asked: numbers("asked ") }
  }
  const until = async (lines: number) => {
    while (said.split("\n").length <= lines) {
      if (child.exitCode !== null) throw new Error(`the process ended: ${complaints}`)
      await setTimeout(5)
    }
  }
  return { until, kill }
}

const lost = (n: number) => {
  const request = numberedRecord(n)
  return {
    ...request,
    latencyMs: 0,
    status: 500,
    errorCode: "gateway_crashed",
    provider: null,
    model: null,
    usage: null,
    costNanoUsd: null,
    firstTokenMs: null,
    attempts: request.attempts.map((attempt) => ({ ...attempt, usage: null, costNanoUsd: null })),
  }
}

describe("a gateway that is killed with its database away", () => {
  it.live(
    "has every request that it recorded, or was asking a provider for, in the database once when both are back",
    () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const server = yield* Effect.acquireRelease(Effect.promise(createPostgresServer), ({ remove }) =>
          Effect.promise(remove),
        )
        yield* Effect.promise(server.start)
        const { lines } = yield* Effect.gen(function* () {
          yield* migrate
          const told = { recorded: new Set<number>(), asked: new Set<number>() }
          const round = async (from: number, lines: number, meanwhile: () => Promise<void>) => {
            const child = recording(directory, server.url, from)
            await child.until(lines / 2)
            await meanwhile()
            await child.until(lines)
            const { recorded, asked } = await child.kill()
            for (const n of recorded) told.recorded.add(n)
            for (const n of asked) told.asked.add(n)
          }
          // Part of it shipped, then the database dies, then the gateway; the next one finds no database at all.
          yield* Effect.promise(() => round(0, 3_000, server.kill))
          yield* Effect.promise(() => round(1_000_000, 2_000, async () => {}))
          yield* Effect.promise(() => round(2_000_000, 2_000, server.start))
          const ledger = Context.get(
            yield* Layer.build(Layer.fresh(Ledger.layerFile({ directory, maxBytes: 1e9 }))),
            Ledger,
          )
          assert.isTrue(yield* ledger.flush(20_000))

          const sql = yield* SqlClient.SqlClient
          const rows = yield* sql<{ n: number; error: string | null; outcome: string }>`
            SELECT right(requests.id::text, 12)::int AS n, error_code AS error, outcome
            FROM requests JOIN attempts ON request_id = requests.id`
          const whole = rows.filter(({ error }) => error === null).map(({ n }) => n)
          const cutOff = rows.filter(({ error }) => error === "gateway_crashed")
          assert.strictEqual(whole.length + cutOff.length, rows.length)
          assert.deepStrictEqual(
            [...told.recorded].filter((n) => !new Set(whole).has(n)),
            [],
          )
          assert.deepStrictEqual(
            [...told.asked].filter((n) => !new Set(cutOff.map(({ n }) => n)).has(n)),
            [],
          )
          assert.isAbove(told.recorded.size, 6_000)
          assert.isAbove(told.asked.size, 600)
          assert.isTrue(cutOff.every(({ outcome }) => outcome === "lost"))
          // At most one for each process died after it was recorded and before it was told.
          assert.isAtMost(rows.length - told.recorded.size - told.asked.size, 3)
          yield* assertHoldsExactly([...whole.map(numberedRecord), ...cutOff.map(({ n }) => lost(n))])
          assert.strictEqual(readdirSync(directory).length, 1)
        }).pipe(
          Effect.scoped,
          Effect.provide(PgClient.layer({ url: Redacted.make(server.url), maxConnections: 4 })),
          logged,
        )
        assert.isTrue(lines.some((line) => line.includes("took over the journal")))
      }),
  )
})
