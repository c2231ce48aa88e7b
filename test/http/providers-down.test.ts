import { once } from "node:events"
import { createServer, type Server } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { scaled } from "../support/slowness.ts"

/** Floods and outages as a whole: how much reaches the providers, how fast clients hear, how traffic comes back. */

/** An address where somebody listens or nobody does. Passes requests on to a fake upstream. */
class Door {
  static async closed(upstream: FakeUpstream): Promise<Door> {
    const door = new Door(upstream)
    await door.open()
    await door.close()
    return door
  }

  port = 0
  readonly #upstream: FakeUpstream
  #server: Server | undefined

  private constructor(upstream: FakeUpstream) {
    this.#upstream = upstream
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async open(): Promise<void> {
    const server = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk)
      const answer = await fetch(`${this.#upstream.url}${request.url}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: Buffer.concat(chunks),
      })
      response
        .writeHead(answer.status, { "content-type": "application/json" })
        .end(Buffer.from(await answer.arrayBuffer()))
    })
    server.listen(this.port, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    if (address !== null && typeof address !== "string") this.port = address.port
    this.#server = server
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = once(server, "close")
    server.close()
    server.closeAllConnections()
    await closed
  }
}

let a: FakeUpstream
let b: FakeUpstream
let doors: ReadonlyArray<Door> = []
let gateway: GatewayInProcess
let key: string

beforeAll(async () => {
  a = await FakeUpstream.start()
  b = await FakeUpstream.start()
  doors = [await Door.closed(a), await Door.closed(b)]
  // p0, p1: behind doors. Then one provider in trouble and one not for each of three stories.
  const lines = providersYaml(
    [a, b, a, b, a, b, a, b],
    `
routes:
  doors: { candidates: [p0/m, p1/m], exploration: 0, weights: { latency: 0, cost: 1 } }
  storm: { candidates: [p2/m], exploration: 0 }
  storms: { candidates: [p3/m, p4/m], exploration: 0 }
  half: { candidates: [p6/m, p5/m], exploration: 0, weights: { latency: 0, cost: 1 } }
timeouts: { connect_ms: 500, headers_ms: 2000, body_ms: 2000, deadline_ms: 5000 }
limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000, max_in_flight: 5000 }`,
    (i) => (i === 5 ? 1000 : 1),
  ).split("base_url: ")
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: lines
      .map((part, i) => {
        const door = doors[i - 1]
        return door === undefined ? part : part.replace(/^\S+/, `${door.url}/v1`)
      })
      .join("base_url: "),
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await Promise.all(doors.map((door) => door.close()))
  await a?.stop()
  await b?.stop()
})

beforeEach(() => {
  a.reset()
  b.reset()
})

const ask = async (model: string) => {
  const startedAt = performance.now()
  const response = await gateway.infer(key, { model, prompt: "Hi" })
  const body = (await response.json()) as Record<string, unknown>
  return {
    status: response.status,
    code: body.code,
    retryAfter: response.headers.get("retry-after"),
    ms: performance.now() - startedAt,
  }
}

const tiersOf = async (model: string) => {
  const response = await gateway.infer(key, { model, prompt: "Hi", dry_run: true })
  const { decision } = (await response.json()) as {
    decision: { candidates: ReadonlyArray<{ tier: string }> }
  }
  return decision.candidates.map(({ tier }) => tier)
}

describe("when no provider can be reached", () => {
  it("clients hear so at once, and traffic flows as soon as one is back, open breakers or not", async () => {
    for (let i = 0; i < 12; i++) {
      const answer = await ask("doors")
      assert.deepInclude(answer, { status: 503, code: "no_provider_available" })
      assert.match(answer.retryAfter ?? "", /^[1-9]\d*$/)
      assert.isBelow(answer.ms, scaled(1000))
    }
    assert.deepStrictEqual(await tiersOf("doors"), ["tripped", "tripped"])

    // The one that is asked last comes back first.
    await doors[1]?.open()
    assert.deepStrictEqual(await tiersOf("doors"), ["tripped", "tripped"])
    assert.strictEqual((await ask("doors")).status, 200)
    assert.strictEqual(b.count, 1)
    // Its success puts it first again, before the circuit's time is over.
    assert.deepStrictEqual(await tiersOf("doors"), ["degraded", "tripped"])

    await doors[0]?.open()
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask("doors")))
    assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [200])
  })
})

describe("a storm of 429", () => {
  it("is not answered with a storm of retries", async () => {
    // Without Retry-After every request would like to try again.
    a.respond(failure("rateLimited", { "retry-after": "0", "retry-after-ms": "0" }))
    const offered = 60
    const answers = await Promise.all(Array.from({ length: offered }, () => ask("storm")))
    assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [429])
    // A fifth may be tried again, and three before a provider has seen any traffic.
    assert.isAtMost(a.count, 1.2 * offered + 3)
  })

  it("from everybody with Retry-After 30 is passed on at once, each provider asked once per request", async () => {
    a.respond(failure("rateLimited", { "retry-after": "30", "retry-after-ms": "30000" }))
    b.respond(failure("rateLimited", { "retry-after": "30", "retry-after-ms": "30000" }))
    for (let i = 0; i < 20; i++) {
      const answer = await ask("storms")
      assert.deepInclude(answer, { status: 429, code: "upstream_rate_limited" })
      assert.isAtLeast(Number(answer.retryAfter), 29)
      assert.isBelow(answer.ms, scaled(1000))
    }
    assert.isAtMost(a.count, 20)
    assert.isAtMost(b.count, 20)
    a.reset()
    b.reset()
    assert.strictEqual((await ask("storms")).status, 200)
  })
})

describe("a used-up quota", () => {
  it("costs one upstream call and then none while another provider is healthy", async () => {
    a.respond(failure("quotaExhausted"))
    for (let i = 0; i < 20; i++) assert.strictEqual((await ask("half")).status, 200)
    assert.strictEqual(a.count, 1)
    assert.strictEqual(b.count, 20)
  })
})

describe("a flood of wrong keys", () => {
  const authResults = async () => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text()
    const count = (result: string) =>
      Number(
        new RegExp(`^gateway_auth_results_total\\{.*result="${result}".*\\} (\\d+)`, "m").exec(text)?.[1] ??
          0,
      )
    return { verified: count("verified"), refused: count("refused"), unavailable: count("unavailable") }
  }

  it("is refused by the checksum without a lookup, and good keys are served meanwhile", async () => {
    assert.strictEqual((await ask("p7/m")).status, 200)
    const before = await authResults()
    const wrongAnswers: Array<number> = []
    let n = 0
    const attacker = async () => {
      while (n < 2000) {
        // A letter of the checksum changed, each key another one.
        const wrong = `${key.slice(0, 17)}${String(n++).padStart(43, "0")}${key.slice(60)}`
        const response = await gateway.infer(wrong, { model: "p7/m", prompt: "Hi" })
        await response.arrayBuffer()
        wrongAnswers.push(response.status)
      }
    }
    const flood = Promise.all(Array.from({ length: 100 }, attacker))
    const goodAnswers: Array<number> = []
    for (let i = 0; i < 20; i++) {
      goodAnswers.push((await ask("p7/m")).status)
      await sleep(10)
    }
    await flood
    assert.deepStrictEqual([...new Set(goodAnswers)], [200])
    assert.deepStrictEqual([...new Set(wrongAnswers)], [401])
    // A lookup each would saturate the checks, and some would be told that theirs could not be made.
    assert.deepStrictEqual(await authResults(), { ...before, refused: before.refused + 2000 })
  })
})
