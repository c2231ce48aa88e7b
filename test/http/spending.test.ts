import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { afterAll, beforeAll, describe, it } from "vitest"
import { rollUp } from "../../src/ledger/tables/roll-up.ts"
import { runCli } from "../cli/run-cli.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** What is spent at a provider that is paid for answers of no use, and by whom. */

let careless: FakeUpstream
let careful: FakeUpstream
let gateway: GatewayInProcess
let databaseUrl: Redacted.Redacted
let key: { readonly id: string; readonly key: string }

const config = (carelessUsdPer1M: number, unpricedUsdPer1M?: number) => {
  const provider = (name: string, { openAiBaseUrl }: FakeUpstream, usdPer1M: number) => `
  - name: ${name}
    kind: openai-compatible
    base_url: ${openAiBaseUrl}
    models:
      - { name: m, price: { input_usd_per_1m: ${usdPer1M}, output_usd_per_1m: ${usdPer1M}, source: test, as_of: 2026-11-01 } }`
  const price =
    unpricedUsdPer1M === undefined
      ? ""
      : `, price: { input_usd_per_1m: ${unpricedUsdPer1M}, output_usd_per_1m: 0, source: test, as_of: 2026-11-01 }`
  return `providers:${provider("careless", careless, carelessUsdPer1M)}
      - { name: unpriced${price} }${provider("careful", careful, 10)}
routes:
  either: { candidates: [careless/m, careful/m], exploration: 0, weights: { latency: 0, cost: 1 } }
`
}

beforeAll(async () => {
  careless = await FakeUpstream.start()
  careful = await FakeUpstream.start()
  // Paid for, and no answer.
  careless.respond(status(200, { choices: [], usage: { prompt_tokens: 7_000, completion_tokens: 3_000 } }))
  careful.respond(ok({ usage: { input: 400, output: 100 } }))
  databaseUrl = await Effect.runPromise(migratedPostgresUrl)
  gateway = await GatewayInProcess.start({ databaseUrl, config: config(1) })
  key = await gateway.createKey()
})

afterAll(async () => {
  await gateway?.stop()
  await careless?.stop()
  await careful?.stop()
})

const ask = async (model: string) => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "x-api-key": key.key, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hi" }] }),
  })
  await response.text()
  return response
}

interface Row {
  readonly provider?: string
  readonly key_id?: string
  readonly requests: number
  readonly errors: number
  readonly cost_usd: number | null
  readonly wasted_usd: number
  readonly unpriced_attempts: number
  readonly spent_usd: number | null
}

const rowsOf = async (listing: string): Promise<ReadonlyArray<Row>> => {
  const response = await gateway.admin(`/analytics/${listing}`)
  // The API's own schema holds it elsewhere.
  const { data } = (await response.json()) as { data: ReadonlyArray<Row> }
  return data
}

const spending = async (listing: string) =>
  (await rowsOf(listing)).map(({ provider, key_id, requests, errors, cost_usd, wasted_usd, spent_usd }) => ({
    of: provider ?? key_id,
    ...{ requests, errors, cost_usd, wasted_usd, spent_usd },
  }))

const assertSpending = async (wasted: number) => {
  const cost = 0.005
  const whole = { requests: 2, errors: 1, cost_usd: cost, wasted_usd: wasted, spent_usd: cost + wasted }
  assert.deepStrictEqual(await spending("usage-by-key"), [{ of: key.id, ...whole }])
  // Where midnight was in between, of two days.
  const wastedInTime = (await rowsOf("timeseries?bucket=day")).map(({ wasted_usd }) => wasted_usd)
  assert.closeTo(
    wastedInTime.reduce((sum, each) => sum + each, 0),
    wasted,
    1e-12,
  )
  const ofNobody = { requests: 1, errors: 1, cost_usd: 0, wasted_usd: 0, spent_usd: 0 }
  const ofCareless = { requests: 0, errors: 0, cost_usd: 0, wasted_usd: wasted, spent_usd: wasted }
  const ofCareful = { requests: 1, errors: 0, cost_usd: cost, wasted_usd: 0, spent_usd: cost }
  assert.deepStrictEqual(await spending("usage-by-provider"), [
    { of: "", ...ofNobody },
    { of: "careful", ...ofCareful },
    { of: "careless", ...ofCareless },
  ])
  assert.deepStrictEqual(await spending(`usage-by-provider?key_id=${key.id}&provider=careless`), [
    { of: "careless", ...ofCareless },
  ])
  assert.deepStrictEqual(await spending("usage-by-key?provider=careful&stream=false"), [
    { of: key.id, ...ofCareful },
  ])
  assert.deepStrictEqual(await spending("usage-by-key?stream=true"), [])
}

const onDatabase = <A>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, SqlError.SqlError>) =>
  SqlClient.SqlClient.use(use).pipe(
    Effect.provide(PgClient.layer({ url: databaseUrl, maxConnections: 1 })),
    Effect.runPromise,
  )

const recompute = async (...usdPer1M: Parameters<typeof config>) => {
  const folder = await mkdtemp(join(tmpdir(), "gateway-spending-"))
  try {
    await writeFile(join(folder, "gateway.yaml"), config(...usdPer1M))
    const env = {
      DATABASE_URL: Redacted.value(databaseUrl),
      GATEWAY_CONFIG: join(folder, "gateway.yaml"),
      ADMIN_JWT_SECRET,
    }
    const days = ["--from", "2020-01-01", "--to", "2100-01-01"]
    const { code, stderr } = await Effect.runPromise(runCli(["costs", "recompute", ...days], env, folder))
    assert.strictEqual(code, 0, stderr)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

describe("a provider whose answers are none", () => {
  it("is paid from what was wasted, which answers do not cost", async () => {
    assert.strictEqual((await ask("either")).headers.get("x-gateway-cost"), "0.005")
    assert.strictEqual((await ask("careless/m")).status, 502)
    while ((await rowsOf("requests")).length < 2) await setTimeout(20)
    await assertSpending(0.01 * careless.count)
  })

  it("was paid what it costs by the prices of today, once they are corrected", async () => {
    await recompute(3)
    await assertSpending(0.03 * careless.count)
  })

  it("was paid the same after the hour, and then by other prices", async () => {
    await onDatabase((sql) =>
      Effect.andThen(
        sql`UPDATE usage_recent SET hour = hour - interval '2 hours'`,
        sql`UPDATE latency_recent SET hour = hour - interval '2 hours'`,
      ),
    )
    assert.isAbove(await onDatabase(rollUp), 0)
    await assertSpending(0.03 * careless.count)
    await recompute(2)
    await assertSpending(0.02 * careless.count)
  })
})

describe("a provider whose answers are none, and have no price", () => {
  const unpriced = async () => {
    const [row] = await rowsOf("usage-by-provider?provider=careless&model=unpriced")
    return row && [row.requests, row.wasted_usd, row.unpriced_attempts, row.spent_usd]
  }

  it("is paid an unknown sum, until there is one", async () => {
    const before = (await rowsOf("requests")).length
    const asked = careless.count
    assert.strictEqual((await ask("careless/unpriced")).status, 502)
    const attempts = careless.count - asked
    assert.isAbove(attempts, 0)
    while ((await rowsOf("requests")).length === before) await setTimeout(20)
    assert.deepStrictEqual(await unpriced(), [0, 0, attempts, null])
    await recompute(2, 1)
    assert.deepStrictEqual(await unpriced(), [0, 0.007 * attempts, 0, 0.007 * attempts])
  })
})
