import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { RequestId } from "../../src/domain/Ids.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { attempt, record } from "../ledger/records.ts"
import { migratedPostgresUrl, temporaryDirectory } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { runCli } from "./run-cli.ts"

const model = (name: string, usd: number) => `
  - name: ${name}
    kind: simulated
    models: [{ name: m, price: { input_usd_per_1m: ${usd}, output_usd_per_1m: ${usd}, source: test, as_of: "2026-11-01" } }]`

const config = (routes: string, usd = 1) => `
providers:${model("dear", 10)}${model("cheap", usd)}${model("stranger", 1)}
routes:
${routes}
`

const DAY = Date.parse("2026-11-23T00:00:00Z")

const candidate = (provider: string, ms: number, usd: number) => ({
  provider,
  model: "m",
  predicted_ms: ms,
  predicted_cost_usd: usd,
  predicted_output_tokens: 55,
  availability: 1,
  tier: "healthy",
  score: 1,
  rank: 1,
})

/** Requests that `dear` led; every tenth was sent to `cheap` to see how that is. */
const logged = (i: number): LedgerRecord => {
  const explored = i % 10 === 9
  const provider = explored ? "cheap" : "dear"
  const candidates = [candidate("dear", 800, 0.00175), candidate("cheap", 1_600, 0.000175)]
  const costNanoUsd = explored ? 175_000 : 1_750_000
  return record({
    id: RequestId.make(`00000000-0000-7000-8000-${String(i).padStart(12, "0")}`),
    startedAt: DAY + i * 60_000,
    latencyMs: (explored ? 1_600 : 800) + (i % 7),
    provider,
    model: "m",
    costNanoUsd,
    decision: {
      route: "auto",
      strategy: "score",
      mode: "whole",
      weights: { latency: 1, cost: 0 },
      estimated_input_tokens: 120,
      candidates: explored ? candidates.toReversed() : candidates,
      excluded: [],
      chosen_by: explored ? "exploration" : "score",
      probability: explored ? 0.1 : 0.9,
    },
    attempts: [{ ...attempt, provider, model: "m", startedAt: DAY + i * 60_000, costNanoUsd }],
  })
}

const setUp = Effect.gen(function* () {
  const folder = yield* temporaryDirectory
  const url = yield* migratedPostgresUrl
  const write = (name: string, text: string) => Effect.promise(() => writeFile(join(folder, name), text))
  yield* write(
    "gateway.yaml",
    config("  auto: { candidates: [dear/m, cheap/m], weights: { latency: 1, cost: 0 } }"),
  )
  yield* Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* writeBatch(
      sql,
      [
        // Two days, and more than a page.
        ...Array.from({ length: 1_600 }, (_, i) => logged(i)),
        record({ startedAt: DAY + 1, decision: null }),
        record({ startedAt: DAY + 2, decision: { route: "auto", from: "another world" } }),
        record({ startedAt: DAY + 3, route: "other", decision: { route: "other" } }),
      ].map(ledgerEntry),
    )
  }).pipe(Effect.provide(PgClient.layer({ url, maxConnections: 2 }), { local: true }))
  const env = {
    DATABASE_URL: Redacted.value(url),
    GATEWAY_CONFIG: join(folder, "gateway.yaml"),
    ADMIN_JWT_SECRET,
  }
  return {
    folder,
    write,
    run: (...args: ReadonlyArray<string>) =>
      runCli(["route", "replay", "--since", "2026-11-23", "--until", "2026-11-25", ...args], env, folder),
    plain: (...args: ReadonlyArray<string>) => runCli(["route", "replay", ...args], env, folder),
  }
})

describe("llm-gateway route replay", () => {
  it.live("prints what other weights would have come to, and draws it", () =>
    Effect.gen(function* () {
      const { folder, run } = yield* setUp
      const drawing = join(folder, "replay.svg")
      const { code, stdout, stderr } = yield* run("--weights", "0/1", "--route", "auto", "--svg", drawing)
      assert.strictEqual(code, 0, stderr)
      assert.include(stdout, "route auto from 2026-11-23T00:00:00.000Z to 2026-11-25T00:00:00.000Z")
      assert.include(stdout, "left out: 1 whose decision cannot be read")
      assert.match(stdout, /p95 of whole answer, ms +1,6\d\d \(1,6\d\d to 1,6\d\d\) +1,6\d\d/)
      const svg = yield* Effect.promise(() => readFile(drawing, "utf8"))
      assert.match(svg, /^<svg [\s\S]*<\/svg>\n$/)
      assert.notMatch(svg, /NaN|Infinity|undefined/)
      assert.strictEqual(svg.match(/<circle /g)?.length, 2)

      const answer = JSON.parse((yield* run("--weights", "0/1", "--json")).stdout)
      assert.deepInclude(answer, {
        read: 1_602,
        left_out: { unreadable: 2, clients: 0, no_such_route: 0, no_known_candidate: 0 },
        unknown_candidates: [],
        randomised_outcomes: { used: 160, clipped: 0 },
      })
      assert.strictEqual(answer.logged.requests, 1_600)
      assert.closeTo(answer.logged.cost_usd.estimate, 1_440 * 0.00175 + 160 * 0.000175, 1e-9)
      // Those that go to the cheap one, and as long as it is led by that a few that try the dear one.
      assert.isAtLeast(answer.new.cost_usd.estimate, 1_600 * 0.000175)
      assert.isBelow(answer.new.cost_usd.estimate, 0.3 * answer.logged.cost_usd.estimate)
    }).pipe(Effect.scoped),
  )

  it.live("tries another file, with its prices, and names whom the log does not know", () =>
    Effect.gen(function* () {
      const { folder, run, write } = yield* setUp
      const route = (candidates: string) =>
        `  auto: { candidates: [${candidates}], weights: { latency: 1, cost: 0 }, exploration: 0 }`
      const file = join(folder, "new.yaml")
      yield* write("new.yaml", config(route("cheap/m, stranger/m"), 2))
      const { code, stdout, stderr } = yield* run("--config", file, "--json")
      assert.strictEqual(code, 0, stderr)
      const answer = JSON.parse(stdout)
      assert.deepStrictEqual(answer.unknown_candidates, [{ candidate: "stranger/m", requests: 1_600 }])
      assert.closeTo(answer.new.cost_usd.estimate, 1_600 * 175 * 2e-6, 1e-6)
      const text = (yield* run("--config", file)).stdout
      assert.include(text, "not in the log: stranger/m, a candidate of 1,600 requests.")

      yield* write("broken.yaml", config(route("cheap/m, nobody/m")))
      const broken = yield* run("--config", join(folder, "broken.yaml"))
      assert.strictEqual(broken.code, 1)
      assert.include(broken.stderr, "routes.auto.candidates[1] names no provider")
    }).pipe(Effect.scoped),
  )

  it.live("refuses what makes no sense", () =>
    Effect.gen(function* () {
      const { plain, run } = yield* setUp
      for (const [args, rule] of [
        [["--since", "1d", "--weights", "0.5/0.6"], "Expected latency/cost that sum to 1"],
        [["--since", "1d", "--weights", "half"], "Expected latency/cost that sum to 1"],
        [["--since", "2999-01-01", "--weights", "0/1"], "--since is in the future"],
        [["--since", "soon", "--weights", "0/1"], "Expected 12h, 7d, 2026-11-23"],
        [["--since", "2026-11-02", "--until", "2026-11-01", "--weights", "0/1"], "--since must be before"],
      ] as const) {
        const { code, stderr, stdout } = yield* plain(...args)
        assert.strictEqual(code, 1, args.join(" "))
        assert.include(stdout + stderr, rule)
      }
      const unwritable = yield* run("--weights", "0/1", "--svg", "/nowhere/at/all.svg")
      assert.strictEqual(unwritable.code, 1)
      assert.include(unwritable.stderr, "--svg cannot be written: /nowhere/at/all.svg")
      const nothing = yield* run("--route", "nobodys", "--weights", "0/1")
      assert.include(nothing.stdout, "No request is left to replay of 0.")
    }).pipe(Effect.scoped),
  )
})
