import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { afterAll, beforeAll, describe, it } from "vitest"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { createPostgresServer, type PostgresServer } from "../support/postgres-server.ts"
import { Replica } from "../support/Replica.ts"
import { scaled } from "../support/slowness.ts"

/** Three gateways on one PostgreSQL, of which all sorts of things befall two, spend budgets together. */

const USD_PER_1M = 10
const TOKENS = { input: 40, output: 60 }
const CALL_USD = ((TOKENS.input + TOKENS.output) * USD_PER_1M) / 1e6

let upstream: FakeUpstream
let database: PostgresServer
let gateways: ReadonlyArray<Replica> = []

const config = ({ openAiBaseUrl }: FakeUpstream) => `
limits: { requests_per_minute: 100000 }
providers:
  - name: fake
    kind: openai-compatible
    base_url: ${openAiBaseUrl}
    models:
      - { name: m, price: { input_usd_per_1m: ${USD_PER_1M}, output_usd_per_1m: ${USD_PER_1M}, source: test, as_of: 2026-11-01 } }
`

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  upstream.respond(ok({ usage: TOKENS, delayMs: 20 }))
  database = await createPostgresServer()
  await database.start()
  gateways = await Promise.all(
    [1, 2, 3].map(() => Replica.start({ databaseUrl: database.url, config: config(upstream) })),
  )
  await Promise.all(gateways.map((gateway) => gateway.ready()))
}, scaled(120_000))

afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.remove()))
  await upstream?.stop()
  await database?.remove()
})

const onDatabase = <A>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, SqlError.SqlError>) =>
  SqlClient.SqlClient.use(use).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(database.url), maxConnections: 1 })),
    Effect.scoped,
    Effect.runPromise,
  )

const setBudget = (scope: string, subject: string, usd: number) =>
  onDatabase(
    (sql) => sql`
      INSERT INTO budgets (scope, subject, period, limit_nano_usd)
      VALUES (${scope}, ${subject}, 'total', ${Math.round(usd * 1e9)})`,
  )

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

type Ending = "answered" | "refused" | "unavailable" | "broken"

const ask = async (gateway: Replica, key: string, stream: boolean): Promise<Ending> => {
  try {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body: JSON.stringify({
        model: "fake/m",
        messages: [{ role: "user", content: "Hi" }],
        max_tokens: 60,
        stream,
      }),
      signal: AbortSignal.timeout(scaled(20_000)),
    })
    const text = await response.text()
    if (response.status === 200) return text.includes("error") ? "broken" : "answered"
    return text.includes("budget_exceeded") ? "refused" : "unavailable"
  } catch {
    return "broken"
  }
}

/** Sends `times` what the budget pays for, to all gateways, a few dozen at a time. */
const offer = async (key: string, budgetUsd: number, times: number, whenHalf = async () => {}) => {
  const total = Math.round((budgetUsd / CALL_USD) * times)
  const endings: Array<Ending> = []
  let sent = 0
  let half = false
  const client = async () => {
    while (sent < total) {
      const n = sent++
      const gateway = gateways[n % gateways.length]
      if (gateway === undefined) return
      endings.push(await ask(gateway, key, n % 3 === 0))
      if (!half && upstream.count >= budgetUsd / CALL_USD / 2) {
        half = true
        await whenHalf()
      }
    }
  }
  await Promise.all(Array.from({ length: 48 }, client))
  return Map.groupBy(endings, (ending) => ending)
}

const book = (key: string) =>
  onDatabase(
    (sql) => sql<{ spent: number; held: number }>`
      SELECT
        (spent_nano_usd / 1e9)::float8 AS spent,
        (SELECT coalesce(sum(greatest(granted_nano_usd - returned_nano_usd - settled_nano_usd, 0)), 0) / 1e9
          FROM budget_leases AS lease WHERE lease.budget_id = budgets.id)::float8 AS held
      FROM budget_windows JOIN budgets ON budgets.id = budget_id WHERE subject = ${key}`,
  )

const settled = async (key: string) => {
  for (let tries = 0; tries < 100; tries++) {
    const [row] = await book(key)
    if (row !== undefined && row.held === 0) return row
    await pause(scaled(200))
  }
  return (await book(key))[0]
}

describe("three gateways with one PostgreSQL", () => {
  it("spend a budget to its end and no further, whole and streamed", {
    timeout: scaled(90_000),
  }, async () => {
    const { id, key } = await (gateways[0] ?? assert.fail()).createKey()
    await setBudget("key", id, 0.3)
    await pause(1_000)
    const before = upstream.count
    const endings = await offer(key, 0.3, 5)
    const spent = (upstream.count - before) * CALL_USD
    console.log(
      `budget $0.3, offered $1.5: ${upstream.count - before} calls, $${spent.toFixed(4)} spent; ` +
        [...endings].map(([ending, all]) => `${all.length} ${ending}`).join(", "),
    )
    assert.isAtMost(spent, 0.3 + 1e-9)
    assert.isAtLeast(spent, 0.28)
    assert.strictEqual(endings.get("broken"), undefined)
    const row = await settled(id)
    assert.closeTo(row?.spent ?? 0, spent, 1e-9)
    assert.strictEqual(row?.held, 0)
  })

  it("keep it when one is killed, one is stopped for a while, and PostgreSQL is restarted", {
    timeout: scaled(180_000),
  }, async () => {
    const [first, second, third] = gateways
    assert(first !== undefined && second !== undefined && third !== undefined)
    const { id, key } = await third.createKey()
    await setBudget("key", id, 0.6)
    await pause(1_000)
    const before = upstream.count
    const endings = await offer(key, 0.6, 5, async () => {
      await first.kill()
      second.signal("SIGSTOP")
      await database.kill()
      await database.start()
      await pause(1_500)
      second.signal("SIGCONT")
    })
    const calls = upstream.count - before
    const spent = calls * CALL_USD
    const [left] = await book(id)
    console.log(
      `budget $0.6, offered $3 with disasters: ${calls} calls, $${spent.toFixed(4)} spent, ` +
        `$${left?.held.toFixed(4)} held by the dead; ${[...endings].map(([ending, all]) => `${all.length} ${ending}`).join(", ")}`,
    )
    assert.isAtMost(spent, 0.6 + 1e-9)
    // Its journal says what it had spent; the rest is to be had again.
    await first.start()
    await first.ready()
    await pause(scaled(2_000))
    await offer(key, 0.1, 5)
    const row = await settled(id)
    const all = (upstream.count - before) * CALL_USD
    console.log(`after it came back: $${all.toFixed(4)} spent, ${JSON.stringify(row)}`)
    assert.isAtMost(all, 0.6 + 1e-9)
    assert.strictEqual(row?.held, 0)
    assert.isAtMost(row?.spent ?? 1, 0.6 + 1e-9)
    assert.isAtLeast(row?.spent ?? 0, 0.57)
  })
})
