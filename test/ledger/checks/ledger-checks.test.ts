import { assert, describe, layer } from "@effect/vitest"
import { Data, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { failureCode } from "../../../src/database/failure-code.ts"
import { reading } from "../../../src/database/reading.ts"
import type { Finding } from "../../../src/domain/Finding.ts"
import { checkPartitions } from "../../../src/ledger/checks/check-partitions.ts"
import { checkRollupLevels } from "../../../src/ledger/checks/check-rollup-levels.ts"
import { checkRollups } from "../../../src/ledger/checks/check-rollups.ts"
import { checkRows } from "../../../src/ledger/checks/check-rows.ts"
import type { LedgerSubject } from "../../../src/ledger/checks/LedgerSubject.ts"
import type { LedgerRecord } from "../../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../../src/ledger/ledger-entry.ts"
import { createDaysAhead, ledgerPartitions } from "../../../src/ledger/tables/partitions.ts"
import { rollUp } from "../../../src/ledger/tables/roll-up.ts"
import { writeBatch } from "../../../src/ledger/write-batch.ts"
import { layerPostgres } from "../../support/Databases.ts"
import { attempt, HOUR_MS, record } from "../records.ts"
import { emptyTables } from "../rows.ts"

const DAY_MS = 24 * HOUR_MS

/** A day in the past of any clock that runs these tests, with its ledger in hours that are over. */
const DAY = Date.UTC(2026, 9, 20)

const failed = { ...attempt, outcome: "server_error" as const, usage: null, costNanoUsd: null }

/** Billed for nothing. */
const spoiled = { ...attempt, provider: "gemini", model: "gemini-3-flash", outcome: "bad_response" as const }

/** Of most requests. */
const hours = { fromMs: DAY, toMs: DAY + 5 * HOUR_MS }
/** Of those that have no cost. */
const unpricedHours = { fromMs: DAY + DAY_MS, toMs: DAY + 2 * DAY_MS + HOUR_MS }

const records: ReadonlyArray<LedgerRecord> = [
  ...Array.from({ length: 30 }, (_, i) =>
    record({ startedAt: DAY + (i % 5) * HOUR_MS, stream: i % 2 === 0, attempts: [failed, attempt] }),
  ),
  record({
    ...{ startedAt: DAY + DAY_MS, usage: null, costNanoUsd: null, costReason: "missing_usage" },
    ...{ team: "search", user: "ada", tags: ["eu", "prod"] },
  }),
  record({
    ...{ startedAt: DAY + 2 * DAY_MS, provider: null, model: null, status: 502, errorCode: "provider_error" },
    ...{ usage: null, costNanoUsd: null, costReason: null, priceVersion: null, attempts: [failed, spoiled] },
  }),
]

const sound = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* emptyTables
  for (const { requests, attempts } of yield* ledgerPartitions(sql))
    yield* sql`DROP TABLE IF EXISTS ${sql(requests)}, ${sql(attempts)}`
  yield* writeBatch(sql, records.map(ledgerEntry))
  yield* rollUp(sql)
  // On the second level and on the first.
  yield* writeBatch(sql, [ledgerEntry(record({ startedAt: DAY + HOUR_MS }))])
  yield* createDaysAhead(sql, 3)
})

const subject = (changes: Partial<LedgerSubject> = {}) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ ms: number }>`SELECT (extract(epoch FROM now()) * 1000)::float8 AS ms`
    return {
      sql,
      span: { fromMs: DAY, toMs: DAY + 3 * DAY_MS },
      nowMs: row?.ms ?? 0,
      retentionDays: undefined,
      budgetMs: Number.POSITIVE_INFINITY,
      progress: () => Effect.void,
      ...changes,
    } satisfies LedgerSubject
  })

const check = (changes: Partial<LedgerSubject> = {}) =>
  Effect.gen(function* () {
    const about = yield* subject(changes)
    const findings: ReadonlyArray<Finding> = [
      yield* checkPartitions(about),
      yield* checkRollups(about),
      yield* checkRollupLevels(about),
      ...(yield* checkRows(about)),
    ]
    return new Map(findings.map((finding) => [finding.check, finding]))
  })

class Found<A> extends Data.TaggedClass("Found")<{ readonly value: A }> {}

/** What an effect finds, and nothing of what it did. */
const undone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const end = yield* Effect.flip(
      sql.withTransaction(Effect.flatMap(effect, (value) => Effect.fail(new Found({ value })))),
    )
    return end instanceof Found ? end.value : yield* Effect.fail(end)
  })

const statuses = (findings: ReadonlyMap<string, Finding>) =>
  Object.fromEntries([...findings].map(([name, { status }]): [string, string] => [name, status]))

const all = {
  ...{ partitions: "ok", rollups: "ok", rollup_levels: "ok" },
  ...{ attempts: "ok", costs: "ok", values: "ok" },
}

interface Defect {
  readonly name: string
  readonly statement: string
  readonly red: Partial<typeof all>
  readonly says: ReadonlyArray<RegExp>
  readonly span?: typeof hours
}

const one = "(SELECT id FROM requests WHERE attempts = 2 AND provider IS NOT NULL ORDER BY id LIMIT 1)"
const request = (assignment: string) => `UPDATE requests SET ${assignment} WHERE id = ${one}`
const lastAttempt = (assignment: string) =>
  `UPDATE attempts SET ${assignment} WHERE request_id = ${one} AND ordinal = 2`
const both = (assignment: string, other: string) => `
  WITH changed AS (${request(assignment)}) UPDATE attempts SET ${other} WHERE request_id = ${one} AND ordinal = 2`

const defects: ReadonlyArray<Defect> = [
  {
    name: "an attempt is gone",
    statement: `DELETE FROM attempts WHERE request_id = ${one} AND ordinal = 2`,
    red: { attempts: "fail" },
    says: [/^1 wrong/, /1 requests that count other attempts than they have, such as [0-9a-f-]{36}$/],
  },
  {
    name: "an attempt in the middle is gone and the count was made to fit",
    statement: `WITH gone AS (DELETE FROM attempts WHERE request_id = ${one} AND ordinal = 1)
      ${request("attempts = 1")}`,
    red: { attempts: "fail", rollups: "fail" },
    says: [/not numbered from 1 on/, /wasted_nano_usd 0, rows 140000$/],
  },
  {
    name: "a request is gone",
    statement: `DELETE FROM requests WHERE id = ${one}`,
    red: { attempts: "fail", rollups: "fail" },
    says: [/only attempts are there/, /requests 1, rows 0|requests 4, rows 3|requests 3, rows 2/],
  },
  {
    name: "a rollup that is still recent counts one too many",
    statement: "UPDATE usage_recent SET requests = requests + 1",
    red: { rollups: "fail" },
    says: [/AdaAdaAdaAda openai\/gpt-5-mini whole: requests 5, rows 4$/, /1 group in \d+ hours are not/],
  },
  {
    name: "a rollup that has moved on costs a nano-dollar more, in all its sizes",
    statement: `UPDATE usage SET cost_nano_usd = cost_nano_usd + 1
      WHERE stream AND start <= to_timestamp(${DAY / 1000}) AND start + make_interval(hours => hours) > to_timestamp(${DAY / 1000})`,
    red: { rollups: "fail", rollup_levels: "fail" },
    says: [
      /stream: cost_nano_usd 420001, rows 420000$/,
      /total_usage of 1 hour from 2026-10-20T00:00:00.000Z on: 1 row/,
    ],
  },
  {
    name: "what an attempt cost in vain is counted in part",
    span: unpricedHours,
    statement: "UPDATE usage SET wasted_nano_usd = 1 WHERE wasted_nano_usd > 0",
    red: { rollups: "fail", rollup_levels: "fail" },
    says: [
      /gemini\/gemini-3-flash whole: wasted_nano_usd 1, rows 140000$/,
      /model_usage of 1 hour from 2026-10-22T00:00:00.000Z on: 1 row/,
    ],
  },
  {
    name: "latencies were counted twice",
    statement: "UPDATE latency_recent SET requests = requests * 2",
    red: { rollups: "fail" },
    says: [/whole: measured 5, rows 4$/],
  },
  {
    name: "a rollup is gone",
    statement: "DELETE FROM usage_recent",
    red: { rollups: "fail" },
    says: [/requests 3, rows 4/],
  },
  {
    name: "an endpoint that is still recent counts one too many",
    statement: "UPDATE attributed_recent SET requests = requests + 1",
    red: { rollups: "fail" },
    says: [/endpoint \/infer whole: requests 5, rows 4$/, /1 group in \d+ hours are not/],
  },
  {
    name: "a user's day says more than the rows",
    span: unpricedHours,
    statement: "UPDATE user_usage SET requests = 2",
    red: { rollups: "fail" },
    says: [/2026-10-21T00:00:00.000Z user ada whole: requests 2, rows 1$/],
  },
  {
    name: "a tag's hour is gone",
    span: unpricedHours,
    statement: "DELETE FROM tag_usage WHERE hours = 1 AND tag = 'eu'",
    red: { rollups: "fail", rollup_levels: "fail" },
    says: [/tag eu whole: requests 0, rows 1/, /tag_usage of 6 hours from/],
  },
  {
    name: "what a team spends on a model is more than what it spends",
    span: unpricedHours,
    statement: "UPDATE team_cell_usage SET cost_nano_usd = 1",
    red: { rollup_levels: "fail" },
    says: [/team_usage of 1 hour from/],
  },
  {
    name: "a day of the usage by key is gone",
    statement: `DELETE FROM key_usage WHERE hours = 24 AND start = to_timestamp(${DAY / 1000})`,
    red: { rollup_levels: "fail" },
    says: [/key_usage of 24 hours from 2026-10-20T00:00:00.000Z on: 2 rows/],
  },
  {
    name: "a week of all usage counts something else",
    statement: "UPDATE total_usage SET errors = errors + 1 WHERE hours = 168",
    red: { rollup_levels: "fail" },
    says: [/total_usage of 168 hours from/],
  },
  {
    name: "a model's histogram is another",
    statement: `UPDATE model_usage SET latencies = '' WHERE hours = 1 AND start = to_timestamp(${DAY / 1000})`,
    red: { rollup_levels: "fail" },
    says: [/model_usage of 1 hour from/],
  },
  {
    name: "a day is gone",
    statement: "DROP TABLE requests_20261021, attempts_20261021",
    red: { partitions: "fail" },
    says: [/2026-10-21: 1 request by the rollups, no rows/],
  },
  {
    name: "the attempts of a day are gone",
    statement: "DROP TABLE attempts_20261022",
    red: { partitions: "fail" },
    says: [/requests_20261022 has no attempts beside it/],
  },
  {
    name: "tomorrow was not made",
    statement: `DO $$ DECLARE suffix text := to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD'); BEGIN
      EXECUTE format('DROP TABLE requests_%s, attempts_%s', suffix, suffix); END $$`,
    red: { partitions: "warn" },
    says: [/is not there yet/],
  },
  {
    name: "a cost has no price version",
    statement: request("price_version = NULL"),
    red: { costs: "fail" },
    says: [/a cost and no price version/],
  },
  {
    name: "a cost has a reason to be unknown",
    statement: request("cost_reason = 'unknown_model'"),
    red: { costs: "fail" },
    says: [/a cost and a reason why there is none/],
  },
  {
    name: "an unknown cost has no reason",
    span: unpricedHours,
    statement: "UPDATE requests SET cost_reason = NULL WHERE cost_reason = 'missing_usage'",
    red: { costs: "fail" },
    says: [/neither a cost nor a reason/],
  },
  {
    name: "the reason for an unknown cost is wrong",
    span: unpricedHours,
    statement: "UPDATE requests SET cost_reason = 'unknown_model' WHERE cost_reason = 'missing_usage'",
    red: { costs: "fail" },
    says: [/contradicted by their tokens or price version/],
  },
  {
    name: "an attempt cost something else than its request",
    statement: lastAttempt("cost_nano_usd = cost_nano_usd + 1"),
    red: { costs: "fail" },
    says: [/something else than the attempt that answered them/],
  },
  {
    name: "an attempt has a cost without tokens",
    statement: `UPDATE attempts SET cost_nano_usd = 5 WHERE request_id = ${one} AND ordinal = 1`,
    red: { costs: "fail", rollups: "fail" },
    says: [/a cost and no tokens/, /wasted_nano_usd 0, rows 5$/],
  },
  {
    name: "nobody's answer has a cost",
    span: unpricedHours,
    statement: "UPDATE requests SET cost_nano_usd = 0, price_version = 'x' WHERE provider IS NULL",
    red: { costs: "fail" },
    says: [/of nobody's answer/],
  },
  {
    name: "a latency is negative",
    statement: request("first_token_ms = -1"),
    red: { values: "fail" },
    says: [/negative number/],
  },
  {
    name: "more tokens were cached than came in",
    statement: both("cached_tokens = 121", "upstream_status = 200"),
    red: { values: "fail", rollups: "fail" },
    says: [/more cached tokens than input/],
  },
  {
    name: "half a usage is there",
    statement: both("output_tokens = NULL", "latency_ms = 1"),
    red: { values: "fail", rollups: "fail" },
    says: [/half a usage/],
  },
  {
    name: "a status is none",
    statement: request("status = 20"),
    red: { values: "fail", rollups: "fail" },
    says: [/status that HTTP does not have/],
  },
  {
    name: "a model has no provider",
    span: unpricedHours,
    statement: "UPDATE requests SET model = 'gpt-5' WHERE provider IS NULL",
    red: { values: "fail", rollups: "fail" },
    says: [/half a provider and model/],
  },
  {
    name: "an attempt took less than no time",
    statement: lastAttempt("latency_ms = -1"),
    red: { values: "fail" },
    says: [/an attempt that cannot be/],
  },
]

describe("the checks of the ledger", () => {
  layer(layerPostgres)((it) => {
    it.effect("find nothing wrong with what the ledger wrote", () =>
      Effect.gen(function* () {
        yield* sound
        const findings = yield* check()
        assert.deepStrictEqual(statuses(findings), all)
        assert.deepInclude(findings.get("rollups")?.numbers, {
          hours: 72,
          compared: 72,
          groups: 29,
          differing: 0,
        })
        assert.deepInclude(findings.get("attempts")?.numbers, { requests: 33, wrong: 0, checked_days: 3 })
        assert.deepInclude(findings.get("rollup_levels")?.numbers, { days: 3, differing: 0 })
        const sql = yield* SqlClient.SqlClient
        const sizes = yield* sql`SELECT DISTINCT hours::int FROM total_usage ORDER BY 1`
        assert.deepStrictEqual(sizes, [{ hours: 1 }, { hours: 6 }, { hours: 24 }, { hours: 168 }])
      }),
    )

    it.effect.each(defects)("find that $name", ({ statement, red, says, span = hours }) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const findings = yield* undone(Effect.andThen(sql.unsafe(statement), check({ span })))
        assert.deepStrictEqual(statuses(findings), { ...all, ...red })
        const words = [...findings.values()].flatMap(({ summary, examples }) => [summary, ...examples])
        for (const pattern of says)
          assert.isTrue(
            words.some((text) => pattern.test(text)),
            words.join("\n"),
          )
        for (const name of Object.keys(red)) assert.isString(findings.get(name)?.next)
      }),
    )

    it.effect("look at minutes of the last day, and at how long first tokens took", () =>
      Effect.gen(function* () {
        yield* sound
        const sql = yield* SqlClient.SqlClient
        const streamed = record({ startedAt: DAY + 2 * HOUR_MS + 90_000, stream: true, firstTokenMs: 300 })
        yield* writeBatch(sql, [ledgerEntry(streamed), ledgerEntry(record({ startedAt: DAY + 2 * HOUR_MS }))])
        const found = (nowMs: number, statement?: string) =>
          undone(
            Effect.gen(function* () {
              if (statement !== undefined) yield* sql.unsafe(statement)
              const { examples, status } = yield* checkRollups(yield* subject({ span: hours, nowMs }))
              return { status, examples: examples.join("\n") }
            }),
          )
        const nowMs = DAY + 5 * HOUR_MS
        assert.deepStrictEqual(yield* found(nowMs), { status: "ok", examples: "" })
        const atTwo = `'${new Date(DAY + 2 * HOUR_MS).toISOString()}'`
        for (const [statement, says] of [
          [
            `UPDATE minute_usage SET requests = requests + 1 WHERE minute = ${atTwo} AND NOT stream`,
            /T02:00:00\.000Z minute 02:00 whole: requests \d, rows \d$/,
          ],
          [
            `UPDATE minute_usage SET latencies = '', first_tokens = '' WHERE minute > ${atTwo}`,
            /minute 02:01 stream: measured 0, rows 1; first_tokens 0, rows 1$/m,
          ],
          [
            `DELETE FROM minute_usage WHERE minute = ${atTwo} AND NOT stream`,
            /minute 02:00 whole: requests 0, rows/,
          ],
          [
            "UPDATE first_token_usage SET first_tokens = first_tokens || first_tokens WHERE hours = 1",
            /T02:00:00\.000Z openai\/gpt-5-mini in 1 hour stream: first_tokens 2, rows 1$/,
          ],
          [
            "UPDATE first_token_usage SET first_tokens = '' WHERE hours = 24",
            /T00:00:00\.000Z openai\/gpt-5-mini in 24 hours stream: first_tokens 0, rows 1$/,
          ],
        ] as const) {
          const damaged = yield* found(nowMs, statement)
          assert.strictEqual(damaged.status, "fail", statement)
          assert.match(damaged.examples, says)
        }
        // Minutes of the day before are on their way out.
        assert.strictEqual((yield* found(DAY + 30 * HOUR_MS, "DELETE FROM minute_usage")).status, "ok")
        // What was there before first tokens were counted has none to compare with.
        assert.strictEqual((yield* found(nowMs, "DELETE FROM first_token_usage")).status, "ok")
      }),
    )

    it.effect("see the whole of a span that starts and ends within an hour, and nothing outside of it", () =>
      Effect.gen(function* () {
        yield* sound
        const sql = yield* SqlClient.SqlClient
        yield* sql`UPDATE usage SET requests = requests + 1 WHERE hours = 1 AND start = to_timestamp(${(DAY + HOUR_MS) / 1000}::float8)`
        const at = (fromMs: number, toMs: number) =>
          Effect.flatMap(subject({ span: { fromMs, toMs } }), checkRollups)
        const inside = yield* at(DAY + HOUR_MS + 1_000, DAY + HOUR_MS + 2_000)
        assert.deepInclude(inside, { status: "fail" })
        assert.deepInclude(inside.numbers, { compared: 1, differing: 2 })
        assert.deepInclude(yield* at(DAY + 2 * HOUR_MS, DAY + DAY_MS), { status: "ok" })
        assert.deepInclude(yield* at(DAY, DAY + HOUR_MS), { status: "ok" })
      }),
    )

    it.effect(
      "do not miss the rows of days that were dropped in their time, and do those that were not",
      () =>
        Effect.gen(function* () {
          yield* sound
          const sql = yield* SqlClient.SqlClient
          const now = (yield* subject()).nowMs
          // A day may stay two hours longer, which is yesterday's business until then.
          const retentionDays = Math.floor((now - 2 * HOUR_MS - DAY) / DAY_MS) - 1
          const overdue = yield* check({ retentionDays })
          assert.deepStrictEqual(statuses(overdue), { ...all, partitions: "warn" })
          assert.match(overdue.get("partitions")?.examples.join() ?? "", /^requests_20261020 ended at/)
          yield* sql`DROP TABLE requests_20261020, attempts_20261020`
          assert.deepStrictEqual(statuses(yield* check({ retentionDays })), all)
          // A late record brought the day back: its rollups count more than its rows, rightly.
          yield* writeBatch(sql, [ledgerEntry(record({ startedAt: DAY }))])
          assert.strictEqual((yield* check({ retentionDays })).get("rollups")?.status, "ok")
          assert.strictEqual((yield* check()).get("rollups")?.status, "fail")
        }),
    )

    it.effect("say how far they came when their time is up", () =>
      Effect.gen(function* () {
        yield* sound
        const findings = yield* check({ budgetMs: -1 })
        assert.deepStrictEqual(statuses(findings), {
          ...{ ...all, rollups: "warn", attempts: "warn", costs: "warn", values: "warn" },
        })
        assert.match(findings.get("rollups")?.summary ?? "", /after 0 of 72 hours/)
      }),
    )

    it.effect("can change nothing", () =>
      Effect.gen(function* () {
        yield* sound
        const sql = yield* SqlClient.SqlClient
        const refused = yield* Effect.flip(reading(sql, sql`DELETE FROM attempts`))
        assert.strictEqual(failureCode(refused), "25006")
      }),
    )
  })
})
