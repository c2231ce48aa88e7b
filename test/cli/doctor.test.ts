import { existsSync, readdirSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { createDaysAhead } from "../../src/ledger/tables/partitions.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { HOUR_MS, record } from "../ledger/records.ts"
import {
  freshPostgresUrl,
  migratedDataDir,
  migratedPostgresUrl,
  temporaryDirectory,
} from "../support/Databases.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { eventually } from "../support/process-watch.ts"
import { runCli } from "./run-cli.ts"

const Report = Schema.fromJsonString(
  Schema.Struct({
    ok: Schema.Boolean,
    from: Schema.NullOr(Schema.String),
    findings: Schema.Array(
      Schema.Struct({
        check: Schema.String,
        status: Schema.Literals(["ok", "warn", "fail", "skipped"]),
        summary: Schema.String,
        numbers: Schema.Record(Schema.String, Schema.Finite),
        examples: Schema.Array(Schema.String),
        next: Schema.NullOr(Schema.String),
      }),
    ),
  }),
)

const diagnose = Effect.fnUntraced(function* (
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = [],
) {
  const folder = yield* temporaryDirectory
  const run = yield* runCli(["doctor", "--json", ...args], { DATA_DIR: join(folder, "data"), ...env }, folder)
  const report = yield* Schema.decodeEffect(Report)(run.stdout)
  const findings = new Map(report.findings.map((finding) => [finding.check, finding]))
  const those = (status: string) => report.findings.filter((each) => each.status === status)
  return { ...run, report, findings, names: (status: string) => those(status).map(({ check }) => check) }
})

const serverEnv = (url: Redacted.Redacted) => ({
  DATABASE_URL: Redacted.value(url),
  ADMIN_JWT_SECRET,
})

const ledgerChecks = ["ledger", "partitions", "rollups", "rollup_levels", "attempts", "costs", "values"]
const databaseChecks = ["clock", "schema", "keys", "claims", ...ledgerChecks]

describe("llm-gateway doctor", () => {
  it.live("has nothing to say against a ledger of this hour, and names what was damaged since", () =>
    Effect.gen(function* () {
      const url = yield* migratedPostgresUrl
      const onDatabase = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
        Effect.provide(effect, PgClient.layer({ url, maxConnections: 1 }), { local: true })
      const nowMs = yield* Clock.currentTimeMillis
      const recent = (hours: number) => ledgerEntry(record({ startedAt: nowMs - hours * HOUR_MS }))
      yield* onDatabase(
        SqlClient.SqlClient.use((sql) =>
          Effect.andThen(createDaysAhead(sql, 3), writeBatch(sql, [recent(0), recent(2), recent(60)])),
        ),
      )
      const sound = yield* diagnose(serverEnv(url))
      assert.strictEqual(sound.code, 0, sound.stdout + sound.stderr)
      assert.isTrue(sound.report.ok)
      assert.deepStrictEqual(sound.names("ok"), [
        ...["settings", "prices", "database", ...databaseChecks, "journal"],
      ])
      assert.deepStrictEqual(sound.names("warn"), ["providers"])
      assert.strictEqual(sound.findings.get("rollups")?.numbers.groups, 6)

      yield* onDatabase(
        SqlClient.SqlClient.use((sql) => sql`UPDATE usage_recent SET requests = requests + 1`),
      )
      const broken = yield* diagnose(serverEnv(url))
      assert.strictEqual(broken.code, 1)
      assert.deepStrictEqual(broken.names("fail"), ["rollups"])
      assert.match(broken.stderr, /^1 failed, 1 warned, 0 skipped of 16 checks\.$/m)
      assert.match(broken.findings.get("rollups")?.examples[0] ?? "", /requests 2, rows 1$/)
      const month = ["--from", new Date(nowMs - 30 * 24 * HOUR_MS).toISOString()]
      const wider = yield* diagnose(serverEnv(url), month)
      assert.strictEqual(wider.findings.get("rollups")?.numbers.differing, 3)

      const text = yield* runCli(["doctor"], serverEnv(url), "/")
      assert.match(text.stdout, /^fail {4}rollups {9}2 groups in \d+ hours are not the sums of their rows$/m)
      assert.match(text.stdout, /^ +next: /m)
    }).pipe(Effect.scoped),
  )

  it.live(
    "goes on without a schema, without a database and without right settings, and tells no secret",
    () =>
      Effect.gen(function* () {
        const empty = yield* diagnose(serverEnv(yield* freshPostgresUrl))
        assert.deepStrictEqual(empty.names("fail"), ["schema"])
        assert.deepStrictEqual(empty.names("skipped"), ["keys", "claims", ...ledgerChecks])
        assert.match(empty.findings.get("schema")?.next ?? "", /llm-gateway migrate/)

        const away = yield* diagnose(
          serverEnv(Redacted.make("postgres://ada:s3cret-pass@127.0.0.1:9/ledger")),
        )
        assert.deepStrictEqual(away.names("fail"), ["database"])
        assert.deepStrictEqual(away.names("skipped"), databaseChecks)
        assert.strictEqual(away.findings.get("journal")?.status, "ok")

        const wrong = yield* diagnose({ PORT: "s3cret-port", DATABASE_URL: "s3cret-url" })
        assert.deepStrictEqual(wrong.names("fail"), ["settings"])
        assert.strictEqual(wrong.findings.get("settings")?.numbers.faults, 3)
        for (const { code, stdout, stderr } of [empty, away, wrong]) {
          assert.strictEqual(code, 1)
          assert.notInclude(stdout + stderr, "s3cret")
        }
      }).pipe(Effect.scoped),
  )

  it.live("makes nothing where no gateway has run yet", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const found = yield* diagnose({ DATA_DIR: join(folder, "data") })
      assert.strictEqual(found.code, 0)
      assert.deepStrictEqual(found.names("warn"), ["providers", "database"])
      assert.isFalse(existsSync(join(folder, "data")))
      const place = join(folder, "data/postgres")
      yield* Effect.promise(() => mkdir(place, { recursive: true }))
      const empty = yield* diagnose({ DATA_DIR: join(folder, "data") })
      assert.deepStrictEqual(empty.names("warn"), ["providers", "database"])
      assert.deepStrictEqual(readdirSync(place), [])
      yield* Effect.promise(() => writeFile(join(place, "postgresql.conf"), "# kept"))
      const broken = yield* diagnose({ DATA_DIR: join(folder, "data") })
      assert.deepStrictEqual(broken.names("fail"), ["database"])
      assert.match(broken.findings.get("database")?.summary ?? "", /is not whole: PG_VERSION, .* missing/)
      assert.deepStrictEqual(readdirSync(place), ["postgresql.conf"])
    }).pipe(Effect.scoped),
  )

  it.live("tells models without a price and endpoints without a key", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryDirectory
      const file = join(folder, "gateway.yaml")
      yield* Effect.promise(() =>
        writeFile(
          file,
          "providers: [{ name: own, kind: openai-compatible, base_url: http://127.0.0.1:9/v1, models: [{ name: m }] }]",
        ),
      )
      const { findings } = yield* diagnose({ GATEWAY_CONFIG: file })
      assert.deepInclude(findings.get("prices"), { status: "warn", examples: ["own/m"] })
      assert.deepInclude(findings.get("providers"), { status: "warn", examples: ["own"] })
    }).pipe(Effect.scoped),
  )

  it.live(
    "works beside a running gateway on its embedded database, as other commands do, and with what a killed one left",
    () =>
      Effect.gen(function* () {
        const env = { DATA_DIR: yield* migratedDataDir }
        const gateway = yield* Effect.promise(() => GatewayProcess.start({ env }))
        const { key } = yield* Effect.promise(() => gateway.createKey())
        // On a busy machine a new database does not always answer in time whose the key is, and such a request has no row.
        const isAnswered = async () => (await gateway.infer(key, { prompt: "Say hello", max_tokens: 5 })).ok
        for (let i = 0; i < 3; i++) yield* Effect.promise(() => eventually(isAnswered))
        yield* Effect.promise(() => gateway.ledger(3))
        const beside = yield* diagnose(env)
        assert.strictEqual(beside.code, 0, beside.stdout)
        assert.strictEqual(beside.findings.get("attempts")?.numbers.requests, 3)
        assert.deepInclude(beside.findings.get("journal")?.numbers, { living: 1, orphaned: 0, waiting: 0 })

        const args = ["costs", "recompute", "--from", "2026-01-01", "--to", "2999-01-01", "--json"]
        const recomputed = yield* runCli(args, env, "/")
        assert.strictEqual(recomputed.code, 0, recomputed.stderr)
        assert.deepInclude(JSON.parse(recomputed.stdout), { requests: 3, changed: 0, relabelled: 0 })

        yield* Effect.promise(() => gateway.stop("SIGKILL"))
        const journal = readdirSync(join(env.DATA_DIR, "journal"))
        const alone = yield* diagnose(env)
        assert.strictEqual(alone.code, 0, alone.stdout)
        assert.deepInclude(alone.findings.get("journal")?.numbers, { living: 0, orphaned: journal.length })
        assert.deepStrictEqual(readdirSync(join(env.DATA_DIR, "journal")), journal)
      }).pipe(Effect.scoped),
  )
})
