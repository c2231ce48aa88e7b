import { randomBytes } from "node:crypto"
import { setTimeout } from "node:timers/promises"
import { assert } from "@effect/vitest"
import { afterAll, afterEach, beforeAll, describe, it } from "vitest"
import { formatApiKey, generateApiKeyId, generateApiKeySecret } from "../../src/domain/ApiKeyFormat.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { type Behaviour, ok, status } from "../support/fake-upstream-behaviours.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { createPostgresServer, type PostgresServer } from "../support/postgres-server.ts"
import { postmasterOf, query, signalAll } from "../support/postgres-signals.ts"
import { eventually, metric } from "../support/process-watch.ts"
import { Replica } from "../support/Replica.ts"
import { scaled } from "../support/slowness.ts"
import { TcpProxy } from "../support/TcpProxy.ts"
import { readBooks } from "../torture/Books.ts"

/**
 * A gateway whose database hangs, is slow, or is given rows that it cannot take, and one whose disk is full. One
 * PostgreSQL of their own; the tests run in order.
 */

let upstream: FakeUpstream
let postgres: PostgresServer
let postmaster: number
let proxy: TcpProxy
let gateway: Replica
let id: string
let key: string
let load: NodeJS.Timeout | undefined
const behaviours = new Map<string, Behaviour>()

const config = () =>
  providersYaml(
    [upstream],
    "limits: { requests_per_minute: 1000000, max_event_loop_delay_ms: 60000 }",
  ).replace("input_usd_per_1m: 1,", "input_usd_per_1m: 1, cached_input_usd_per_1m: 0.25,")

beforeAll(async () => {
  ;[upstream, postgres] = await Promise.all([FakeUpstream.start(), createPostgresServer()])
  upstream.respond((exchange) => (behaviours.get(exchange.asked.prompt) ?? ok({ delayMs: 10 }))(exchange))
  await postgres.start()
  postmaster = await postmasterOf(postgres.url)
  proxy = await TcpProxy.start({ host: "127.0.0.1", port: Number(new URL(postgres.url).port) })
  gateway = await Replica.start({ databaseUrl: proxy.url(postgres.url), config: config() })
  await gateway.ready()
  ;({ id, key } = await gateway.createKey())
  await known(key)
})
afterAll(async () => {
  if (postmaster) signalAll(postmaster, "SIGCONT")
  await gateway?.remove()
  await proxy?.stop()
  await postgres?.remove()
  await upstream?.stop()
})

const ask = async (apiKey: string, headers: Record<string, string> = {}, prompt = "Hi", asked = gateway) => {
  const startedAt = performance.now()
  const response = await asked.infer(apiKey, { model: "p0/m", prompt }, headers)
  const body = (await response.json()) as Record<string, unknown>
  return {
    status: response.status,
    code: body.code,
    cost: body.cost,
    id: response.headers.get("x-request-id") ?? "",
    retryAfter: response.headers.get("retry-after") ?? "",
    ms: performance.now() - startedAt,
  }
}

const KNOWN_AFTER = 2

/** The first use of a key hashes it, and is not remembered if it meets the news of the key's creation. */
const known = async (apiKey: string, asked = gateway) => {
  for (let i = 0; i < KNOWN_AFTER; i++) {
    assert.strictEqual((await ask(apiKey, {}, "Hi", asked)).status, 200)
    await setTimeout(150)
  }
}

/** A request every 10 ms: `stop` gives their times, slowest last, once all were answered with 200. */
const startLoad = () => {
  const asked: Array<Promise<{ readonly status: number | string; readonly ms: number }>> = []
  load = setInterval(
    () => asked.push(ask(key).catch((error: unknown) => ({ status: String(error), ms: 0 }))),
    10,
  )
  return {
    stop: async () => {
      clearInterval(load)
      const answers = await Promise.all(asked)
      assert.deepStrictEqual([...new Set(answers.map((answer) => answer.status))], [200])
      return answers.map(({ ms }) => ms).toSorted((a, b) => a - b)
    },
  }
}

const quantile = (times: ReadonlyArray<number>, q: number): number => times[Math.floor(times.length * q)] ?? 0

const unknownKey = () =>
  formatApiKey({ id: generateApiKeyId(randomBytes), secret: generateApiKeySecret(randomBytes) })

const shipped = async () => (await metric(gateway.url, "gateway_ledger_queue_records")) === 0

const rowsOf = async (keyId: string) =>
  (
    await query<{ n: number }>(
      postgres.url,
      `SELECT count(*)::int AS n FROM requests WHERE key_id = '${keyId}' AND status = 200`,
    )
  )[0]?.n

afterEach(() => {
  clearInterval(load)
  proxy.latencyMs = 0
  proxy.accept()
})

describe("a database that hangs", () => {
  it("costs known keys nothing, unknown ones a second and a 503, and nothing once it goes on", async () => {
    const { key: unseen } = await gateway.createKey("unseen")
    await eventually(shipped, 10_000)
    const before = (await rowsOf(id)) ?? 0
    signalAll(postmaster, "SIGSTOP")
    const known = startLoad()
    try {
      await setTimeout(500)
      // More than any pool has connections.
      const unknown = Array.from({ length: 40 }, () => ask(unknownKey()))
      const refused = await Promise.all([...unknown, ask(unseen)])
      for (const answer of refused) {
        assert.deepInclude(answer, { status: 503, code: "auth_unavailable" })
        assert.match(answer.retryAfter, /^[1-9]\d*$/)
        assert.isBelow(answer.ms, scaled(1500))
      }
      const keyed = await ask(key, { "idempotency-key": "hanging" }, "keyed")
      assert.deepInclude(keyed, { status: 503, code: "idempotency_unavailable" })
      assert.match(keyed.retryAfter, /^[1-9]\d*$/)
      assert.isBelow(keyed.ms, scaled(3500))
      assert.isFalse(upstream.calls.some(({ asked }) => asked.prompt === "keyed"))
      await eventually(async () => (await gateway.readyz()).body.status === "degraded")
      assert.deepStrictEqual(await gateway.readyz(), {
        status: 200,
        body: { status: "degraded", reasons: ["database unreachable"] },
      })
    } finally {
      signalAll(postmaster, "SIGCONT")
    }
    // Without a restart.
    await eventually(async () => (await ask(unseen)).status === 200, 8000)
    await eventually(async () => (await ask(key, { "idempotency-key": "again" })).status === 200, 8000)
    await eventually(async () => (await gateway.readyz()).body.status === "ready", 8000)
    const times = await known.stop()
    assert.isAbove(times.length, 100)
    // Waiting for the database would take each of them a second and more.
    assert.isBelow(quantile(times, 0.5), scaled(500))
    assert.isBelow(quantile(times, 0.99), scaled(2500))
    await eventually(shipped, 20_000)
    // One more row: that of the keyed request.
    assert.strictEqual(await rowsOf(id), before + times.length + 1)
  })
})

describe("a database that holds up claims", () => {
  it("holds up neither new keys nor revocations, and is no database that is down", async () => {
    const [unseen, revoked] = await Promise.all([gateway.createKey("unseen"), gateway.createKey("revoked")])
    await known(revoked.key)
    const locked = query(
      postgres.url,
      `DO $$ BEGIN
        LOCK TABLE idempotency_claims IN ACCESS EXCLUSIVE MODE;
        PERFORM pg_sleep(6);
      END $$`,
    )
    let keyed = 0
    const flood: Array<ReturnType<typeof ask>> = []
    load = setInterval(() => flood.push(ask(key, { "idempotency-key": `waiting-${keyed++}` })), 50)
    await setTimeout(2000)
    assert.strictEqual((await ask(unseen.key)).status, 200)
    assert.strictEqual((await gateway.readyz()).body.status, "ready")
    const startedAt = performance.now()
    await query(postgres.url, `UPDATE api_keys SET revoked_at = now() WHERE id = '${revoked.id}'`)
    await eventually(async () => (await ask(revoked.key)).status === 401, 5000)
    assert.isBelow(performance.now() - startedAt, scaled(1000))
    clearInterval(load)
    await locked
    const statuses = new Set((await Promise.all(flood)).map(({ status }) => status))
    assert.include([...statuses], 503)
    await eventually(async () => (await ask(key, { "idempotency-key": "free" })).status === 200, 8000)
  })
})

describe("a database that takes two seconds to commit", () => {
  it("delays no request without an Idempotency-Key", async () => {
    await eventually(shipped, 10_000)
    const measure = async (ms: number) => {
      const running = startLoad()
      await setTimeout(ms)
      return running.stop()
    }
    const before = (await rowsOf(id)) ?? 0
    const near = await measure(1000)
    proxy.latencyMs = 1000
    const far = await measure(3000)
    assert.isAbove(await metric(gateway.url, "gateway_ledger_queue_records"), 20)
    proxy.latencyMs = 0
    // Twice the machine's noise is far from what one wait for this database takes.
    for (const q of [0.5, 0.99]) {
      assert.isBelow(
        quantile(far, q),
        3 * quantile(near, q) + scaled(500),
        `${q}: ${quantile(near, q)} ms before`,
      )
    }
    await eventually(shipped, 20_000)
    assert.strictEqual(await rowsOf(id), before + near.length + far.length)
  })
})

describe("what a database cannot store", () => {
  const NOTHING = "\u0000\ud800"

  it("in a client's words or a provider's numbers costs nobody a row, and unknown costs are null", async () => {
    // Of refusals only a key's first ones in a minute have a row each.
    const { key } = await gateway.createKey("unstorable")
    const answer = (usage: unknown, model = "m") =>
      status(200, {
        ...{ id: "x", object: "chat.completion", created: 1, model },
        choices: [{ index: 0, message: { role: "assistant", content: NOTHING }, finish_reason: "stop" }],
        usage,
      })
    const details = { prompt_tokens_details: { cached_tokens: 400 } }
    const usages: Readonly<Record<string, readonly [usage: unknown, costNanoUsd: number | null]>> = {
      missing: [undefined, null],
      null: [null, null],
      negative: [{ prompt_tokens: -1, completion_tokens: 5, total_tokens: 4 }, null],
      absurd: [{ prompt_tokens: 1e300, completion_tokens: 5, total_tokens: 5 }, null],
      text: [{ prompt_tokens: "12", completion_tokens: "5", total_tokens: "17" }, null],
      unstorable: [{ prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, [NOTHING]: NOTHING }, 20_000],
      // USD per million: 1 for 600 of input, 0.25 for the 400 that were cached, 2 for 50 of output.
      cached: [{ prompt_tokens: 1000, completion_tokens: 50, total_tokens: 1050, ...details }, 800_000],
    }
    for (const [name, [usage]] of Object.entries(usages)) behaviours.set(name, answer(usage, `m${NOTHING}`))
    const expected = new Map<string, number | null>()
    await Promise.all(
      Object.entries(usages).map(async ([name, [, cost]]) => {
        const { status, id, cost: told } = await ask(key, {}, name)
        assert.strictEqual(status, 200, name)
        assert.strictEqual(told, cost === null ? null : cost / 1e9, name)
        expected.set(id, cost)
      }),
    )
    const others = await Promise.all(
      [
        { model: "p0/m", prompt: `${NOTHING} words` },
        { model: "p0/m", prompt: "x".repeat(20_000) },
        { model: NOTHING, prompt: "Hi" },
        { model: "y".repeat(1_000_000), prompt: "Hi" },
      ].map(async (body) => {
        const response = await gateway.infer(key, body)
        await response.text()
        return response.headers.get("x-request-id") ?? ""
      }),
    )
    await eventually(shipped, 10_000)
    const { rows, rollupFaults } = await readBooks(postgres.url)
    const costs = new Map(rows.map((row) => [row.id, row.costNanoUsd]))
    for (const [id, cost] of expected) assert.strictEqual(costs.get(id), cost, id)
    for (const id of others) assert.isTrue(costs.has(id), `${id} has no row`)
    assert.strictEqual(await metric(gateway.url, "gateway_ledger_queue_records"), 0)
    // What was never counted has no series.
    assert.notInclude(await (await fetch(`${gateway.url}/metrics`)).text(), "gateway_ledger_dropped_total{")
    assert.deepStrictEqual(rollupFaults, [])
    const [sums] = await query<{ strange: number }>(
      postgres.url,
      `SELECT count(*)::int AS strange FROM requests
        WHERE cost_nano_usd < 0 OR input_tokens < 0 OR (cost_nano_usd IS NULL) <> (cost_reason IS NOT NULL)
          AND provider IS NOT NULL`,
    )
    assert.deepStrictEqual(sums, { strange: 0 })
  })
})

describe("a disk that takes no more of the journal", () => {
  it("fails nobody, is told once, and costs no row as long as the process lives", async () => {
    // Blocks of 1 KiB: no file of this process grows over 48 KiB.
    const full = await Replica.start({
      databaseUrl: proxy.url(postgres.url),
      config: config(),
      launcher: ["bash", "-c", `ulimit -f 48; exec "$@"`, "bash"],
    })
    try {
      await full.ready()
      const { id, key } = await full.createKey("full")
      await known(key, full)
      proxy.refuse()
      const REQUESTS = 120
      for (let i = 0; i < REQUESTS; i += 10) {
        const answers = await Promise.all(Array.from({ length: 10 }, () => ask(key, {}, "Hi", full)))
        assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [200])
      }
      assert.isAtLeast(await metric(full.url, "gateway_ledger_queue_records"), REQUESTS)
      assert.isAbove(await metric(full.url, "gateway_ledger_overflow_records"), REQUESTS / 3)
      const told = full.log.filter(({ message }) => String(message).includes("kept in memory"))
      assert.lengthOf(told, 1)
      assert.include(JSON.stringify(told), "EFBIG")
      assert.include(
        (await full.readyz()).body.reasons,
        "ledger journal takes no records: a file may not grow further (EFBIG)",
      )
      proxy.accept()
      await eventually(async () => (await metric(full.url, "gateway_ledger_queue_records")) === 0, 20_000)
      assert.strictEqual(await rowsOf(id), REQUESTS + KNOWN_AFTER)
      assert.notInclude(await (await fetch(`${full.url}/metrics`)).text(), "gateway_ledger_dropped_total{")
      assert.strictEqual(await full.stop(), 0)
    } finally {
      proxy.accept()
      await full.remove()
    }
  })
})
