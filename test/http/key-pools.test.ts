import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { type Behaviour, type Exchange, failure, ok, status } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { mark } from "../support/mark.ts"
import { eventually } from "../support/process-watch.ts"

/** Several keys of one provider, of which a fake vendor limits or refuses one: over HTTP, from the client to the vendor. */

const keys = { a: mark("key-of-a"), b: mark("key-of-b"), c: mark("key-of-c"), d: mark("key-of-d") }
type Key = keyof typeof keys

let vendor: FakeUpstream
let spare: FakeUpstream
let gateway: GatewayInProcess
let client: string

/** The heavy one is asked first as long as it is well. */
const pool = (name: string, weights: Partial<Record<Key, number>>) => `
  - name: ${name}
    kind: openai-compatible
    base_url: ${vendor.openAiBaseUrl}
    api_keys:${Object.entries(weights)
      .map(([key, weight]) => `\n      - { env: KEY_${key.toUpperCase()}, name: ${key}, weight: ${weight} }`)
      .join("")}
    models:
      - { name: small, price: { input_usd_per_1m: 0.1, output_usd_per_1m: 0.1, source: test, as_of: 2026-11-01 } }
      - { name: large, price: { input_usd_per_1m: 0.2, output_usd_per_1m: 0.2, source: test, as_of: 2026-11-01 } }`

beforeAll(async () => {
  vendor = await FakeUpstream.start()
  spare = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: { KEY_A: keys.a, KEY_B: keys.b, KEY_C: keys.c, KEY_D: keys.d },
    config: providersYaml(
      [spare],
      `${pool("pool", { a: 1_000_000, b: 0.001 })}${pool("four", { a: 1, b: 1, c: 1, d: 1 })}${pool("even", { a: 1, b: 1 })}
routes:
  small: { candidates: [pool/small, p0/m], strategy: priority }
  large: { candidates: [pool/large, p0/m], strategy: priority }
  four: { candidates: [four/small, p0/m], strategy: priority }
timeouts: { deadline_ms: 20000, stream_ms: 20000 }
limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }`,
    ),
  })
  client = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await vendor?.stop()
  await spare?.stop()
})

beforeEach(async () => {
  for (const name of ["pool", "four", "even"])
    await gateway.admin(`/admin/providers/${name}/reset`, { method: "POST" })
  vendor.reset()
  spare.reset()
})

const keyOf = (authorization: string | undefined): Key | undefined =>
  (["a", "b", "c", "d"] as const).find((name) => authorization === `Bearer ${keys[name]}`)

/** Answers calls with a key as is said for it, and others well. */
const byKey =
  (behaviours: Partial<Record<Key, (exchange: Exchange) => Behaviour>>): Behaviour =>
  (exchange) => {
    const key = keyOf(exchange.request.headers.authorization)
    const behaviour = key === undefined ? status(401, {}) : (behaviours[key]?.(exchange) ?? ok())
    behaviour(exchange)
  }

const limitedBy = (headers: Record<string, string>) =>
  status(
    429,
    { error: { message: "Slow down.", type: "requests", param: null, code: "rate_limit_exceeded" } },
    headers,
  )
const limited = (seconds: number) => limitedBy({ "retry-after": String(seconds) })
const deadKey = status(401, {
  error: {
    message: "Incorrect API key.",
    type: "invalid_request_error",
    param: null,
    code: "invalid_api_key",
  },
})

/** The keys that the vendor was asked with, in order. */
const askedWith = () => vendor.calls.map(({ headers }) => keyOf(headers.authorization))

const ask = async (model: string, more: object = {}) => {
  const response = await gateway.infer(client, { prompt: "Hi", model, max_tokens: 10, ...more })
  const text = await response.text()
  return { response, text, attempts: response.headers.get("x-gateway-attempts") }
}

const answered = async (model: string, more: object = {}, provider = "pool") => {
  const { attempts, response, text } = await ask(model, more)
  assert.strictEqual(response.status, 200, text)
  assert.strictEqual(response.headers.get("x-gateway-provider"), provider)
  return Number(attempts)
}

const metrics = async () => (await fetch(`${gateway.url}/metrics`)).text()
const sample = async (series: string) => {
  const line = (await metrics()).split("\n").find((each) => each.startsWith(`${series} `))
  return line === undefined ? 0 : Number(line.slice(series.length + 1))
}

const modelsOf = async (provider: string) => {
  const response = await gateway.admin("/admin/models")
  assert.strictEqual(response.status, 200)
  const { data } = (await response.json()) as {
    data: Array<{
      provider: string
      model: string
      health: { state: string; why: string | null; until: string | null }
      keys: Array<{
        name: string
        weight: number
        state: string
        until: string | null
        why: string | null
      }> | null
    }>
  }
  return new Map(data.filter((each) => each.provider === provider).map((each) => [each.model, each]))
}

describe("a key that is limited", () => {
  it("costs one attempt, and then nothing: every request is answered by the same provider", async () => {
    vendor.respond(byKey({ a: () => limited(60) }))
    const before = await sample(
      'gateway_upstream_key_attempts_total{provider="pool",key="a",outcome="rate_limited"}',
    )
    assert.strictEqual(await answered("small"), 2)
    for (let i = 0; i < 9; i++) assert.strictEqual(await answered("small"), 1)
    assert.deepStrictEqual(askedWith(), ["a", ...Array.from({ length: 10 }, () => "b" as const)])
    assert.strictEqual(spare.count, 0)
    assert.strictEqual(await sample('gateway_breaker_open{provider="pool",model="small"}'), 0)
    assert.strictEqual(
      await sample('gateway_upstream_key_attempts_total{provider="pool",key="a",outcome="rate_limited"}'),
      before + 1,
    )
    assert.strictEqual(await sample('gateway_upstream_key_resting_models{provider="pool",key="a"}'), 1)
    assert.strictEqual(await sample('gateway_upstream_key_resting_models{provider="pool",key="b"}'), 0)
    const small = (await modelsOf("pool")).get("small")
    assert.deepStrictEqual(small?.health, { state: "healthy", until: null, why: null })
    const [a, b] = small?.keys ?? []
    assert.deepInclude(a, { name: "a", weight: 1_000_000, state: "resting", why: "rate_limited" })
    const leftMs = Date.parse(a?.until ?? "") - Date.now()
    assert.isAbove(leftMs, 30_000)
    assert.isAtMost(leftMs, 60_000)
    assert.deepStrictEqual(b, { name: "b", weight: 0.001, state: "healthy", until: null, why: null })
    assert.isNull((await modelsOf("p0")).get("m")?.keys)
  })

  it("is asked again when its rest is over", async () => {
    vendor.respond(byKey({ a: () => limitedBy({ "retry-after-ms": "1500" }) }))
    await answered("small")
    vendor.respond(ok())
    await eventually(async () => {
      await answered("small")
      return askedWith().at(-1) === "a"
    }, 10_000)
    assert.strictEqual(askedWith()[1], "b")
  })

  it("answers for its other models", async () => {
    vendor.respond(byKey({ a: ({ asked }) => (asked.model === "small" ? limited(60) : ok()) }))
    await answered("small")
    await answered("large")
    await answered("small")
    assert.deepStrictEqual(askedWith(), ["a", "b", "a", "b"])
  })

  it("is left alone when a good answer tells that its limit is used up", async () => {
    const usedUp = { "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m0s" }
    vendor.respond(byKey({ a: () => ok({ headers: usedUp }) }))
    for (let i = 0; i < 3; i++) assert.strictEqual(await answered("small"), 1)
    assert.deepStrictEqual(askedWith(), ["a", "b", "b"])
    const small = (await modelsOf("pool")).get("small")
    assert.strictEqual(small?.health.state, "healthy")
    assert.deepInclude(small?.keys?.[0], { state: "resting", why: "limit_used_up" })
  })

  it("keeps no stream from its beginning", async () => {
    vendor.respond(byKey({ a: () => limited(60) }))
    const { response, text } = await ask("small", { stream: true })
    assert.strictEqual(response.status, 200)
    assert.include(text, "echo: Hi")
    assert.deepStrictEqual(askedWith(), ["a", "b"])
    assert.strictEqual(spare.count, 0)
  })

  it("takes no retry from a key that is tried after it", async () => {
    let asked = 0
    vendor.respond(
      byKey({
        a: () => limited(60),
        b: () => (asked++ === 0 ? (exchange) => exchange.request.socket.destroy() : ok()),
      }),
    )
    assert.strictEqual(await answered("pool/small"), 3)
    assert.deepStrictEqual(askedWith(), ["a", "b", "b"])
  })
})

describe("a key that is refused", () => {
  it("rests with all of its models, and takes the provider from nobody", async () => {
    const lines = gateway.stderr.length
    vendor.respond(byKey({ a: () => deadKey }))
    for (let i = 0; i < 4; i++) {
      await answered("small")
      await answered("large")
    }
    assert.deepStrictEqual(askedWith(), ["a", ...Array.from({ length: 8 }, () => "b" as const)])
    assert.strictEqual(spare.count, 0)
    const models = await modelsOf("pool")
    for (const name of ["small", "large"]) {
      assert.strictEqual(models.get(name)?.health.state, "healthy")
      assert.deepInclude(models.get(name)?.keys?.[0], { state: "resting", why: "auth" })
    }
    assert.strictEqual(await sample('gateway_upstream_key_resting_models{provider="pool",key="a"}'), 2)
    const told = gateway.stderr
      .slice(lines)
      .split("\n")
      .filter((line) => line.includes("A key of a pool is refused"))
    assert.lengthOf(told, 1)
    assert.include(told[0], '"key":"a"')
    assert.notInclude(gateway.stderr.slice(lines), "A provider refuses the gateway")
  })

  it("is tried again after a reset", async () => {
    vendor.respond(byKey({ a: () => deadKey }))
    await answered("small")
    vendor.respond(ok())
    await gateway.admin("/admin/providers/pool/reset", { method: "POST" })
    await answered("small")
    assert.deepStrictEqual(askedWith(), ["a", "b", "a"])
  })

  it("for one model is asked for the others", async () => {
    const unknown = failure("modelNotFound")
    vendor.respond(byKey({ a: ({ asked }) => (asked.model === "small" ? unknown : ok()) }))
    for (let i = 0; i < 2; i++) for (const model of ["small", "large"]) await answered(model)
    assert.deepStrictEqual(askedWith(), ["a", "b", "a", "b", "a"])
  })
})

describe("keys that are all in trouble", () => {
  it("send requests to the next candidate, as one key does", async () => {
    vendor.respond(byKey({ a: () => limited(60), b: () => limited(30) }))
    assert.strictEqual(await answered("small", {}, "p0"), 3)
    await answered("small", {}, "p0")
    assert.deepStrictEqual(askedWith(), ["a", "b"])
    const small = (await modelsOf("pool")).get("small")
    assert.deepInclude(small?.health, { state: "tripped", why: "rate_limited" })
    const leftMs = Date.parse(small?.health.until ?? "") - Date.now()
    assert.isAtMost(leftMs, 30_000)
    // Its other models are not concerned.
    assert.strictEqual((await modelsOf("pool")).get("large")?.health.state, "healthy")
  })

  it("tell the client to wait until the first of them is free", async () => {
    vendor.respond(byKey({ a: () => limited(40), b: () => limited(90) }))
    const { response, text } = await ask("pool/small")
    assert.include(text, "upstream_rate_limited")
    assert.include([39, 40], Number(response.headers.get("retry-after")))
    assert.deepStrictEqual(askedWith(), ["a", "b"])
    // Whoever asks all the same gets the key that is free the soonest.
    await ask("pool/small")
    assert.deepStrictEqual(askedWith(), ["a", "b", "a"])
  })

  it("are waited for where one is limited for a moment, also after another is refused", async () => {
    const shortly = limitedBy({ "retry-after-ms": "300" })
    vendor.respond(byKey({ a: () => (vendor.count === 1 ? shortly : ok()), b: () => deadKey }))
    assert.strictEqual(await answered("pool/small"), 3)
    assert.deepStrictEqual(askedWith(), ["a", "b", "a"])
    assert.strictEqual(await answered("pool/small"), 1)
  })

  it("concern the account only when none of them is taken", async () => {
    vendor.respond(
      byKey({ a: ({ asked }) => (asked.model === "small" ? limited(60) : ok()), b: () => deadKey }),
    )
    await answered("small", {}, "p0")
    const models = await modelsOf("pool")
    assert.strictEqual(models.get("small")?.health.state, "tripped")
    assert.strictEqual(models.get("large")?.health.state, "healthy")
    await answered("large")
    await gateway.admin("/admin/providers/pool/reset", { method: "POST" })
    vendor.respond(deadKey)
    await answered("small", {}, "p0")
    for (const [, { health }] of await modelsOf("pool"))
      assert.deepInclude(health, { state: "tripped", why: "auth" })
  })

  it("leave the last attempt to another provider", async () => {
    vendor.respond(limited(60))
    assert.strictEqual(await answered("four", {}, "p0"), 4)
    assert.lengthOf(new Set(askedWith()), 3)
  })
})

describe("a conversation", () => {
  it("keeps its key, while others have theirs", async () => {
    const long = (word: string) => `${word} `.repeat(3_000)
    const keysOf = async (word: string, turns: number) => {
      const asked = vendor.count
      for (let i = 0; i < turns; i++) await answered("even/large", { prompt: long(word) }, "even")
      return new Set(askedWith().slice(asked))
    }
    const all = new Set<Key | undefined>()
    for (let i = 0; i < 20; i++) {
      const own = await keysOf(`word${i}`, 3)
      assert.strictEqual(own.size, 1)
      for (const key of own) all.add(key)
    }
    assert.deepStrictEqual([...all].toSorted(), ["a", "b"])
  })
})

describe("no key", () => {
  it("is shown, whichever of them the vendor quotes", async () => {
    const quoting = (key: Key) =>
      status(400, {
        error: { message: `Not with ${keys[key]}!`, type: "invalid_request_error", param: keys[key] },
      })
    const texts: Array<string> = []
    vendor.respond(byKey({ a: () => quoting("b"), b: () => quoting("a") }))
    for (const stream of [false, true]) texts.push((await ask("pool/small", { stream })).text)
    vendor.respond(byKey({ a: () => deadKey }))
    texts.push((await ask("pool/small")).text)
    texts.push((await ask("pool/small")).text)
    texts.push(await metrics(), gateway.stderr, gateway.stdout)
    texts.push(await (await gateway.admin("/admin/models")).text())
    texts.push(JSON.stringify(await gateway.ledger(1)))
    assert.include(texts[0], "withheld")
    for (const text of texts) for (const key of Object.values(keys)) assert.notInclude(text, key)
  })
})
