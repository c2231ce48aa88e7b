import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, said } from "../support/fake-upstream-behaviours.ts"
import { rawStream } from "../support/fake-upstream-streams.ts"
import { goodEvents } from "../support/fake-upstream-wire.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { parseEvents } from "../support/StreamClient.ts"
import { scaled } from "../support/slowness.ts"

/** Streams of Claude and of OpenAI's Responses that are cut, as clients of each dialect see them and the ledger keeps them. */

const WORDS = { text: "Grüße aus Rom", usage: { input: 30, output: 20 } }

const wires = [
  { wire: "anthropic", model: "claude-haiku-4-5", base: "" },
  { wire: "openai", model: "gpt-5.5", base: "/v1" },
] as const

/** How each dialect asks for a stream, and the last events of one that is whole and of one that broke. */
const clients = [
  {
    path: "/v1/messages",
    body: {
      max_tokens: 100,
      messages: [{ role: "user", content: "Hi" }],
      // OpenAI is asked for Responses where there are tools.
      tools: [{ name: "f", input_schema: { type: "object" } }],
    },
    whole: /^message_stop$/,
    broken: /^error$/,
  },
  {
    path: "/v1/responses",
    body: { input: "Hi" },
    whole: /^response\.completed$/,
    broken: /^(response\.failed|error)$/,
  },
  {
    path: "/v1/chat/completions",
    body: {
      messages: [{ role: "user", content: "Hi" }],
      tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
      reasoning_effort: "low",
    },
    whole: /^\[DONE\]$/,
    broken: /^\{"error"/,
  },
] as const

/** Each cut has a provider of its own, so that no breaker remembers the one before. */
const PROVIDERS = 25

let upstream: FakeUpstream
let gateway: GatewayInProcess
let key: string
let asked = 0

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  const price = "price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }"
  const providers = wires.flatMap(({ base, model, wire }) =>
    Array.from(
      { length: PROVIDERS },
      (_, nth) =>
        `  - { name: ${wire}${nth}, kind: ${wire}, base_url: "${upstream.url}${base}", api_key_env: PROVIDER_KEY, models: [{ name: ${model}, ${price} }] }\n`,
    ),
  )
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: `providers:\n${providers.join("")}
limits: { max_attempts: 1, requests_per_minute: 100000, max_event_loop_delay_ms: 3600000 }
timeouts: { keep_alive_ms: 60000 }
`,
    env: { PROVIDER_KEY: "k" },
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
})

const ask = async (path: string, body: object) => {
  asked += 1
  const response = await fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key },
    body: JSON.stringify({ ...body, stream: true }),
    signal: AbortSignal.timeout(scaled(10_000)),
  })
  return { status: response.status, id: response.headers.get("x-request-id"), text: await response.text() }
}

/** Names of a stream's events; of chat, which has none, their data. */
const namesOf = (text: string): ReadonlyArray<string> =>
  parseEvents(text).map(({ data, type }) => (type === "message" ? data : type))

describe.each(wires)("a stream of kind $wire", ({ model, wire }) => {
  let turn = 0
  const next = () => `${wire}${turn++ % PROVIDERS}/${model}`

  it.each(clients)("is never taken for whole by a client of $path where it was cut", async (client) => {
    let events: ReadonlyArray<string> = []
    upstream.respond((exchange) => {
      events = goodEvents(exchange.asked, said(exchange, WORDS))
      ok(WORDS)(exchange)
    })
    const good = await ask(client.path, { model: next(), ...client.body })
    assert.match(namesOf(good.text).at(-1) ?? "", client.whole, good.text)

    // Between events, and in the midst of each.
    const bytes = Buffer.from(events.join(""))
    const ends = events.map((_, nth) => Buffer.byteLength(events.slice(0, nth).join("")))
    const cuts = ends.flatMap((end, nth) => [end, end + Math.floor(Buffer.byteLength(events[nth] ?? "") / 2)])
    const broken: Array<string> = []
    for (const cut of cuts) {
      upstream.respond(rawStream([bytes.subarray(0, cut)]))
      const { id, status, text } = await ask(client.path, { model: next(), ...client.body })
      if (status !== 200) {
        assert.include([502, 503], status, `${cut}: ${text}`)
        continue
      }
      const names = namesOf(text)
      assert.match(names.at(-1) ?? "", client.broken, `${cut}: ${text}`)
      assert.isFalse(
        names.some((name) => client.whole.test(name)),
        `${cut}: ${text}`,
      )
      broken.push(id ?? "")
    }
    assert.isAbove(broken.length, 3)

    const rows = await gateway.ledger(asked)
    for (const id of broken) {
      const row = rows.find(({ request_id }) => request_id === id)
      assert.deepInclude(row, {
        status: 200,
        error_code: "upstream_error",
        finish_reason: null,
        usage_estimated: true,
        attempts: 1,
      })
      assert.isAbove(Number(row?.input_tokens), 0)
      assert.isAbove(Number(row?.cost_usd), 0)
    }
  })
})

it("models in Anthropic's form come with the id of the request where its clients look for it", async () => {
  for (const path of ["/v1/models", "/v1/models/auto"]) {
    const headers = { "anthropic-version": "2023-06-01", "x-api-key": key }
    const response = await fetch(`${gateway.url}${path}`, { headers })
    assert.strictEqual(response.status, 200)
    assert.isNotNull(response.headers.get("request-id"))
    assert.strictEqual(response.headers.get("request-id"), response.headers.get("x-request-id"))
    const ofOpenAi = await fetch(`${gateway.url}${path}`, { headers: { "x-api-key": key } })
    assert.isNull(ofOpenAi.headers.get("request-id"))
  }
})
