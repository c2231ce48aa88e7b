import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { attempt, HOUR_MS, record } from "../ledger/records.ts"
import { assertHoldsExactly } from "../ledger/rows.ts"
import { freshPostgresUrl, migratedPostgresUrl, temporaryDirectory } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { runCli, startCli } from "./run-cli.ts"

const DAY = Date.UTC(2026, 9, 20)

const config = (models: string) => `
providers:
  - name: openai
    kind: openai-compatible
    base_url: http://127.0.0.1:9/v1
    models:
${models}
`

/** 100 x 2,000 + 20 x 1,000 + 55 x 8,000 nano-dollars for the usual record. */
const priced = config(
  "      - { name: gpt-5-mini, price: { input_usd_per_1m: 2, cached_input_usd_per_1m: 1, output_usd_per_1m: 8, source: list, as_of: 2026-11-24 } }",
)
const COST = 660_000

const REFUSED = /The database did not answer \(ConnectionError\)/

const span = ["--from", "2026-10-20", "--to", "2026-10-21T00:00:00Z"]

const repriced = (record: LedgerRecord): LedgerRecord => ({
  ...record,
  costNanoUsd: COST,
  attempts: record.attempts.map((each) => ({ ...each, costNanoUsd: COST })),
})

/** A folder with a configuration, and the environment of a command that uses it. */
const operator = Effect.fnUntraced(function* (url: Redacted.Redacted, yaml = priced) {
  const folder = yield* temporaryDirectory
  yield* Effect.promise(() => writeFile(join(folder, "gateway.yaml"), yaml))
  const env = {
    DATABASE_URL: Redacted.value(url),
    GATEWAY_CONFIG: join(folder, "gateway.yaml"),
    ADMIN_JWT_SECRET,
  }
  return (...args: ReadonlyArray<string>) => ({
    run: runCli(["costs", "recompute", ...args], env, folder),
    start: () => startCli(["costs", "recompute", ...args], env, folder),
  })
})

const onDatabase = <A, E>(url: Redacted.Redacted, effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provide(effect, PgClient.layer({ url, maxConnections: 3 }), { local: true })

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

const changedRows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ count: number }>`
    SELECT count(*)::int AS count FROM requests WHERE cost_nano_usd = ${COST}`
  return rows[0]?.count ?? 0
})

describe("llm-gateway costs recompute", () => {
  it.live("writes what it says, once, and nothing in a dry run", () =>
    Effect.gen(function* () {
      const url = yield* migratedPostgresUrl
      const recompute = yield* operator(url)
      const records = [
        record({ startedAt: DAY }),
        record({
          startedAt: DAY + HOUR_MS,
          costNanoUsd: null,
          costReason: "unknown_model",
          priceVersion: null,
        }),
      ]
      const later = record({ startedAt: DAY + 24 * HOUR_MS })
      yield* onDatabase(url, write([...records, later]))

      const dry = yield* recompute(...span, "--dry-run").run
      assert.strictEqual(dry.code, 0, dry.stderr)
      assert.match(dry.stdout, /^Dry run: nothing was written/)
      assert.match(dry.stdout, /cost before {5}0\.000140000 USD/)
      assert.match(dry.stdout, /difference {6}0\.001180000 USD/)
      yield* onDatabase(url, assertHoldsExactly([...records, later]))

      const first = yield* recompute(...span, "--json").run
      assert.strictEqual(first.code, 0, first.stderr)
      const changes = {
        ...{ changed: 2, relabelled: 0, newly_priced: 1, kept: 0 },
        cost_usd_before: "0.000140000",
        cost_usd_after: "0.001320000",
        cost_usd_difference: "0.001180000",
      }
      assert.deepStrictEqual(JSON.parse(first.stdout), {
        dry_run: false,
        from: "2026-10-20T00:00:00.000Z",
        to: "2026-10-21T00:00:00.000Z",
        ...{ requests: 2, unanswered: 0, contested: 0 },
        ...changes,
        ...{ attempts_changed: 2 },
        models: [{ provider: "openai", model: "gpt-5-mini", requests: 2, ...changes }],
      })
      yield* onDatabase(url, assertHoldsExactly([...records.map(repriced), later]))

      const second = yield* recompute(...span, "--json").run
      assert.deepInclude(JSON.parse(second.stdout), {
        ...{ changed: 0, relabelled: 0, attempts_changed: 0, cost_usd_difference: "0.000000000" },
      })

      const without = yield* operator(url, config("      - { name: gpt-5-mini }"))
      const unknown = yield* without(...span).run
      assert.match(unknown.stdout, /changed {9}0 in their cost/)
      assert.match(unknown.stdout, /left as is {6}2/)
      yield* onDatabase(url, assertHoldsExactly([...records.map(repriced), later]))
    }).pipe(Effect.scoped),
  )

  it.live("says what is wrong with what it was asked, or with the database, and ends with 1", () =>
    Effect.gen(function* () {
      const empty = yield* operator(yield* freshPostgresUrl)
      const away = yield* operator(Redacted.make("postgres://ada:s3cret-pass@127.0.0.1:9/ledger"))
      const cases = [
        [empty("--from", "yesterday", "--to", "2026-10-21"), /Expected 2026-11-23 or an instant such as/],
        [empty("--from", "2026-10-21", "--to", "2026-10-21"), /--from must be before --to\./],
        [empty(...span), /The database schema is not up to date\. Run: llm-gateway migrate/],
        [away(...span), REFUSED],
      ] as const
      for (const [{ run, start }, words] of cases) {
        const { code, stderr, stdout } = yield* run
        assert.strictEqual(code, 1, stderr)
        assert.match(stderr, words)
        assert.notInclude(stdout + stderr, "s3cret-pass")
        // As an operator's shell sees it.
        if (words === REFUSED)
          assert.deepEqual(yield* Effect.promise(() => start().ended), { code, stderr, stdout })
      }
    }).pipe(Effect.scoped),
  )

  it.live("leaves rollups that are the sums of the rows when it is killed, and goes on from there", () =>
    Effect.gen(function* () {
      const url = yield* migratedPostgresUrl
      const recompute = yield* operator(url)
      const records = Array.from({ length: 3_500 }, (_, i) =>
        record({ startedAt: DAY + i * 20_000, attempts: [attempt] }),
      )
      const held = records[2_900]
      yield* onDatabase(url, write(records))

      // Somebody holds a row of the third batch: the command is killed within the statement that waits for it.
      const waits = SqlClient.SqlClient.use(
        (sql) => sql<{ pid: number }>`
          SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
      const killedWaiting = Effect.gen(function* () {
        const { process, ended } = recompute(...span).start()
        while ((yield* onDatabase(url, waits)).length === 0 && process.exitCode === null) {
          yield* Effect.sleep("20 millis")
        }
        process.kill("SIGKILL")
        assert.strictEqual((yield* Effect.promise(() => ended)).code, null)
      })
      yield* onDatabase(
        url,
        SqlClient.SqlClient.use((sql) =>
          sql`SELECT FROM requests WHERE id = ${held?.id ?? ""}::uuid FOR UPDATE`.pipe(
            Effect.andThen(killedWaiting),
            sql.withTransaction,
          ),
        ),
      )
      // The server notices that its client is gone when it tries to answer, and rolls back or ends what it was asked.
      yield* onDatabase(
        url,
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const busy = sql`
            SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'llm-gateway command' AND state <> 'idle'`
          while ((yield* busy).length > 0) yield* Effect.sleep("20 millis")
          const changed = yield* changedRows
          assert.isAtLeast(changed, 2_000)
          yield* assertHoldsExactly(yield* asStored(records))
        }),
      )
      const rest = yield* Effect.promise(() => recompute(...span, "--json").start().ended)
      assert.strictEqual(rest.code, 0, rest.stderr)
      yield* onDatabase(url, assertHoldsExactly(records.map(repriced)))
      assert.strictEqual(JSON.parse((yield* recompute(...span, "--json").run).stdout).changed, 0)
    }).pipe(Effect.scoped),
  )
})

/** With the costs that the rows have now: whichever of the two each may have. */
const asStored = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ id: string }>`SELECT id::text FROM requests WHERE cost_nano_usd = ${COST}`
    const done = new Set(rows.map(({ id }) => id))
    return records.map((record) => (done.has(record.id) ? repriced(record) : record))
  })
