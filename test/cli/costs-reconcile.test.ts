import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { attempt, record } from "../ledger/records.ts"
import { anthropicCsv } from "../reconciliation/reports.ts"
import { freshPostgresUrl, migratedPostgresUrl, temporaryDirectory } from "../support/Databases.ts"
import { makeFakeCostReports } from "../support/FakeCostReports.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { runCli, startCli } from "./run-cli.ts"

const config = `
providers:
  - name: openai
    kind: openai
    api_key_env: UNUSED_KEY
  - name: claude
    kind: openai-compatible
    base_url: http://127.0.0.1:9/v1
    models: [{ name: claude-haiku-4-5 }]
  - name: direct
    kind: openai-compatible
    base_url: https://api.anthropic.com/v1
    models: [{ name: claude-haiku-4-5 }]
`

const november = ["--from", "2026-11-01", "--to", "2026-11-04"]
const spentOn = (day: string, changes: Partial<typeof attempt>): LedgerRecord => {
  const startedAt = Date.parse(`${day}T12:00:00Z`)
  return record({ startedAt, attempts: [{ ...attempt, ...changes, startedAt }] })
}

/** A ledger of three days, and the cost APIs. */
const setUp = Effect.gen(function* () {
  const folder = yield* temporaryDirectory
  const url = yield* migratedPostgresUrl
  const reports = yield* makeFakeCostReports
  yield* Effect.promise(() => writeFile(join(folder, "gateway.yaml"), config))
  const env = {
    DATABASE_URL: Redacted.value(url),
    GATEWAY_CONFIG: join(folder, "gateway.yaml"),
    ADMIN_JWT_SECRET,
    UNUSED_KEY: "sk-unused",
    OPENAI_BASE_URL: `${reports.url}/v1`,
    ANTHROPIC_BASE_URL: reports.url,
    OPENAI_ADMIN_KEY: reports.key,
    ANTHROPIC_ADMIN_KEY: reports.key,
  }
  yield* Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* writeBatch(
      sql,
      [
        spentOn("2026-11-01", { model: "gpt-5.4-mini", costNanoUsd: 1_000_000_000 }),
        spentOn("2026-11-01", { model: "gpt-5.4-mini", costNanoUsd: null }),
        spentOn("2026-11-02", { model: "gpt-5.4", costNanoUsd: 2_500_000_000 }),
        spentOn("2026-11-03", { model: "gpt-5.4", costNanoUsd: 40_000_000 }),
        spentOn("2026-11-04", { model: "gpt-5.4", costNanoUsd: 7 }),
        spentOn("2026-08-04", { provider: "claude", model: "claude-haiku-4-5", costNanoUsd: 50_000_000 }),
        spentOn("2026-11-02", { provider: "claude", model: "claude-haiku-4-5", costNanoUsd: 12_345_678 }),
      ].map(ledgerEntry),
    )
  }).pipe(Effect.provide(PgClient.layer({ url, maxConnections: 2 }), { local: true }))
  const args = (more: ReadonlyArray<string>) => ["costs", "reconcile", ...more]
  return {
    reports,
    folder,
    run: (more: ReadonlyArray<string>, changes: Record<string, string> = {}) =>
      runCli(args(more), { ...env, ...changes }, folder),
    start: (more: ReadonlyArray<string>) => startCli(args(more), env, folder),
  }
})

const openAiCharges = [
  { day: "2026-11-01", item: "gpt-5.4-mini-2026-03-17, input", amount: "0.750000000000000000000" },
  { day: "2026-11-01", item: "gpt-5.4-mini-2026-03-17, output", amount: "0.5" },
  { day: "2026-11-02", item: "gpt-5.4, input", amount: "2.5" },
  { day: "2026-11-02", item: "o3-2025-04-16, output", amount: "0.1" },
  { day: "2026-11-02", item: "assistants api | file search", amount: "0.02" },
  { day: "2026-11-03", item: "gpt-5.4, input", amount: "0.0300000000005" },
]

describe("llm-gateway costs reconcile", () => {
  it.live("asks OpenAI and names the largest differences", () =>
    Effect.gen(function* () {
      const { reports, run, start } = yield* setUp
      reports.state.charges = openAiCharges
      const { code, stdout, stderr } = yield* run(["--provider", "openai", ...november])
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual(
        stdout,
        `provider      openai, from 2026-11-01 up to and without 2026-11-04 (UTC)
report        3.9000000000005 USD, openai's cost API
  no model's  0.020000000 USD of it
ledger        3.540000000 USD in 4 attempts
  unknown     1 attempt without a price
difference    0.3600000000005 USD, 9.23 % of the report

day         model                   report       ledger        difference  why, as far as is known
2026-11-01  gpt-5.4-mini       1.250000000  1.000000000       0.250000000  1 attempt without a price
2026-11-02  o3-2025-04-16      0.100000000  0.000000000       0.100000000  not by this gateway, or by another key or project
2026-11-03  gpt-5.4        0.0300000000005  0.040000000  -0.0099999999995

No model's, and not in the ledger:
  0.020000000 USD  assistants api | file search (1 line)

Taken for one model:
  gpt-5.4-mini: gpt-5.4-mini-2026-03-17 in the report, gpt-5.4-mini in the ledger
`,
      )
      assert.deepStrictEqual(
        reports.asked.map(({ path, query }) => [
          path,
          query.get("start_time"),
          query.get("end_time"),
          query.get("page"),
        ]),
        [
          ["/v1/organization/costs", "1793491200", "1793750400", null],
          ["/v1/organization/costs", "1793491200", "1793750400", "2"],
        ],
      )
      // As an operator's shell sees it.
      const started = yield* Effect.promise(
        () => start(["--provider", "openai", ...november, "--json"]).ended,
      )
      assert.strictEqual(started.code, 0, started.stderr)
      const json = JSON.parse(started.stdout)
      assert.deepInclude(json, {
        ...{ provider: "openai", vendor: "openai", source: "api" },
        ...{ from: "2026-11-01T00:00:00.000Z", to: "2026-11-04T00:00:00.000Z" },
        ...{ report_usd: "3.9000000000005", ledger_usd: "3.540000000", difference_usd: "0.3600000000005" },
        ...{ difference_percent: 9.23, attempts: 4, unpriced_attempts: 1, uncounted_attempts: 0 },
        other_items: [{ item: "assistants api | file search", lines: 1, usd: "0.020000000" }],
        joined_models: [
          { model: "gpt-5.4-mini", report: ["gpt-5.4-mini-2026-03-17"], ledger: ["gpt-5.4-mini"] },
        ],
        outside: { lines: 0, usd: "0.000000000" },
      })
      assert.deepStrictEqual(
        json.days.map((each: { model: string; hints: ReadonlyArray<string> }) => [each.model, each.hints]),
        [
          ["gpt-5.4-mini", ["unknown_costs"]],
          ["o3-2025-04-16", ["only_in_report"]],
          ["gpt-5.4", []],
          ["gpt-5.4", []],
        ],
      )
    }).pipe(Effect.scoped),
  )

  it.live("asks Anthropic for a provider of another kind, and adds cents up", () =>
    Effect.gen(function* () {
      const { reports, run } = yield* setUp
      reports.state.charges = [
        {
          day: "2026-11-02",
          item: "Claude Haiku 4.5 Usage - Output Tokens",
          amount: "1.2345678",
          model: "claude-haiku-4-5-20251001",
        },
        { day: "2026-11-02", item: "Web Search Usage", amount: "25" },
      ]
      const args = ["--provider", "claude", ...november]
      const { code, stdout, stderr } = yield* run([...args, "--vendor", "anthropic", "--json"])
      assert.strictEqual(code, 0, stderr)
      assert.deepInclude(JSON.parse(stdout), {
        ...{
          vendor: "anthropic",
          report_usd: "0.262345678",
          ledger_usd: "0.012345678",
          difference_usd: "0.250000000",
        },
        days: [
          {
            ...{ day: "2026-11-02", model: "claude-haiku-4-5" },
            ...{ report_usd: "0.012345678", ledger_usd: "0.012345678" },
            ...{ difference_usd: "0.000000000", difference_percent: 0 },
            ...{ attempts: 1, unpriced_attempts: 0, uncounted_attempts: 0, estimated_attempts: 0, hints: [] },
          },
        ],
      })
      assert.deepStrictEqual(
        reports.asked.map(({ query }) => [
          query.get("starting_at"),
          query.get("ending_at"),
          query.get("limit"),
        ]),
        [
          ["2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z", "3"],
          ["2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z", "3"],
        ],
      )
      const direct = yield* run(["--provider", "direct", ...november, "--json"])
      assert.deepInclude(JSON.parse(direct.stdout), { vendor: "anthropic", ledger_usd: "0.000000000" })

      const untold = yield* run(args)
      assert.strictEqual(untold.code, 1)
      assert.match(
        untold.stderr,
        /whose report tells what it charged: give --vendor openai or --vendor anthropic, or --file\./,
      )
    }).pipe(Effect.scoped),
  )

  it.live("reads a file, whose form says whose it is, and leaves other days out", () =>
    Effect.gen(function* () {
      const { reports, run, folder } = yield* setUp
      const file = join(folder, "export.csv")
      yield* Effect.promise(() => writeFile(file, anthropicCsv))
      const args = ["--provider", "claude", "--from", "2026-08-04", "--to", "2026-08-05", "--file"]
      const { code, stdout, stderr } = yield* run([...args, file], { ANTHROPIC_ADMIN_KEY: "" })
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /^report {8}0\.050000000 USD, anthropic's export$/m)
      assert.match(stdout, /^left out {6}2 lines of other days, 0\.320000000 USD$/m)
      assert.match(stdout, /^Report and ledger agree on every model and day\.$/m)
      assert.match(
        stdout,
        /claude-haiku-4-5: Claude Haiku 4\.5 in the report, claude-haiku-4-5 in the ledger/,
      )
      assert.lengthOf(reports.asked, 0)

      yield* Effect.promise(() => writeFile(file, anthropicCsv.replace("0.05,", "much,")))
      const cases = [
        [[file], /export\.csv: line 2: cost_usd must be a decimal number/],
        [[file, "--vendor", "openai"], /export\.csv: line 2: /],
        [[join(folder, "none.csv")], /--file cannot be read: .*none\.csv/],
        [[folder], /--file cannot be read: /],
      ] as const
      for (const [more, words] of cases) {
        const failed = yield* run([...args, ...more])
        assert.strictEqual(failed.code, 1)
        assert.match(failed.stderr, words)
        assert.strictEqual(failed.stdout, "")
      }
      yield* Effect.promise(() => writeFile(file, anthropicCsv))
      const another = yield* run([...args, file, "--vendor", "openai"])
      assert.match(another.stderr, /export\.csv is anthropic's report, and --vendor says openai\./)
    }).pipe(Effect.scoped),
  )

  it.live("says what to do where the vendor gives no report, and never shows the key", () =>
    Effect.gen(function* () {
      const { reports, run } = yield* setUp
      const ask = (changes: Record<string, string> = {}) =>
        run(["--provider", "openai", ...november], changes)
      const trouble = (status: number, headers: Record<string, string> = {}, body = "") =>
        Effect.suspend(() => {
          reports.state.answer = { status, headers, body }
          return ask()
        })
      const cases = [
        [
          ask({ OPENAI_ADMIN_KEY: "" }),
          /OPENAI_ADMIN_KEY is not set\. Make an admin key at https:\/\/platform\.openai\.com\//,
        ],
        [ask({ OPENAI_ADMIN_KEY: "sk admin" }), /Wrong setting: OPENAI_ADMIN_KEY must be visible ASCII/],
        [
          ask({ OPENAI_ADMIN_KEY: "sk-another" }),
          /refused the key \(401\): this report takes an admin key\. Make one at/,
        ],
        [
          ask({ OPENAI_BASE_URL: `${reports.url}/v2` }),
          /\/v2\/organization\/costs does not exist \(404\)\. Check OPENAI_BASE_URL\./,
        ],
        [
          ask({ OPENAI_BASE_URL: "http://127.0.0.1:9/v1" }),
          /cannot be reached\. Check OPENAI_BASE_URL and the network, or give --file\./,
        ],
        [trouble(403), /refused the key \(403\)/],
        [trouble(429, { "retry-after": "17" }), /asked too often \(429\)\. Try again in 17 seconds\./],
        [trouble(429), /Try again in a minute\./],
        [trouble(503), /is in trouble \(503\)\. Try again later, or give --file\./],
        [
          trouble(400, {}, JSON.stringify({ error: { message: `no such day\u001b[2J, ${reports.key}` } })),
          /refused the request \(400\)\. no such day\\u001b\[2J, …/,
        ],
        [trouble(302, { location: `${reports.url}/elsewhere` }), /refused the request \(302\)\./],
        [trouble(200, {}, "<html>"), /did not answer with a report: is no JSON/],
        [trouble(200, {}, '{"data":[],"has_more":true}'), /names none \(has_more without next_page\)/],
        [
          trouble(200, {}, '{"data":[],"has_more":true,"next_page":"again"}'),
          /does not end after 200 pages: ask for fewer days\./,
        ],
        [trouble(200, {}, " ".repeat(33_554_433)), /a page of more than 33554432 bytes/],
      ] as const
      for (const [answer, words] of cases) {
        const { code, stderr, stdout } = yield* answer
        assert.strictEqual(code, 1, stderr)
        assert.match(stderr, words)
        assert.notInclude(stderr + stdout, reports.key)
        assert.strictEqual(stdout, "")
      }
      assert.isFalse(reports.asked.some(({ path }) => path === "/elsewhere"))
    }).pipe(Effect.scoped),
  )

  it.live("says what is wrong with what it was asked, or with the database", () =>
    Effect.gen(function* () {
      const { run, reports } = yield* setUp
      const noTables = Redacted.value(yield* freshPostgresUrl)
      const openai = ["--provider", "openai"]
      const cases = [
        [
          run([...openai, "--from", "2026-11-01T06:00:00Z", "--to", "2026-11-04"]),
          /Expected a whole UTC day such as 2026-11-23/,
        ],
        [run([...openai, "--from", "2026-11-04", "--to", "2026-11-04"]), /--from must be before --to\./],
        [run(["--provider", "opemai", ...november]), /For one that is gone give --vendor or --file\./],
        [
          run(["--provider", "opemai", "--vendor", "openai", ...november]),
          /No provider is called opemai \(there are: openai, claude, direct\), and the ledger has no call to one in these days\./,
        ],
        [run([...openai, ...november], { DATABASE_URL: noTables }), /Run: llm-gateway migrate/],
      ] as const
      for (const [answer, words] of cases) {
        const { code, stderr } = yield* answer
        assert.strictEqual(code, 1, stderr)
        assert.match(stderr, words)
      }
      assert.isTrue(reports.asked.length > 0)
    }).pipe(Effect.scoped),
  )
})
