import { randomUUID } from "node:crypto"
import { assert } from "@effect/vitest"
import { Effect, type Redacted } from "effect"
import fc from "fast-check"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { type Behaviour, ok } from "../support/fake-upstream-behaviours.ts"
import {
  endless,
  oddStream,
  rawStream,
  silentStream,
  streamThenHang,
} from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { eventually } from "../support/process-watch.ts"
import { parseEvents, type StreamClient } from "../support/StreamClient.ts"
import { endOf, StreamHistory } from "../support/StreamHistory.ts"

/** What clients of streams do (wait, read slowly, leave) and what they see, however the provider's bytes are cut. */

const KEEP_ALIVE_MS = 200

let upstream: FakeUpstream
let healthy: FakeUpstream
let gateway: GatewayInProcess
let key: string
let databaseUrl: Redacted.Redacted
const history = new StreamHistory()

beforeAll(async () => {
  ;[upstream, healthy, databaseUrl] = await Promise.all([
    FakeUpstream.start(),
    FakeUpstream.start(),
    Effect.runPromise(migratedPostgresUrl),
  ])
  gateway = await GatewayInProcess.start({
    databaseUrl,
    config: providersYaml(
      [upstream, upstream, healthy],
      `
routes:
  pair: { candidates: [p1/m, p2/m], exploration: 0, weights: { latency: 0, cost: 1 } }
timeouts: { first_token_ms: 2000, body_ms: 5000, stream_ms: 20000, keep_alive_ms: ${KEEP_ALIVE_MS} }
limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }`,
    ),
  })
  key = (await gateway.createKey()).key
  upstream.respond((exchange) => (scripts.get(exchange.asked.prompt) ?? ok())(exchange))
  await chat("p0/m", "warm").ended
})
afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
  await healthy?.stop()
})

const scripts = new Map<string, Behaviour>()
const script = (name: string, behaviour: Behaviour): string => {
  const prompt = `${name} ${scripts.size}`
  scripts.set(prompt, behaviour)
  return prompt
}

const chat = (
  model: string,
  prompt: string,
  options: { headers?: Readonly<Record<string, string>> } = {},
): StreamClient =>
  history.ask({
    url: gateway.url,
    path: "/v1/chat/completions",
    key,
    body: { model, messages: [{ role: "user", content: prompt }], stream: true },
    ...options,
  })

const callOf = async (prompt: string) => {
  const find = () => upstream.calls.find(({ asked }) => asked.prompt === prompt)
  if (find() === undefined) await upstream.until(() => find() !== undefined, 2000)
  return find() ?? assert.fail("not asked")
}

const rowsOf = async (column: string, value: unknown) => {
  const response = await gateway.admin("/analytics/requests?limit=1000")
  const { data } = (await response.json()) as { data: ReadonlyArray<Record<string, unknown>> }
  return data.filter((row) => row[column] === value)
}

const textOf = (client: StreamClient): string =>
  client.events
    .filter(({ data }) => data.startsWith('{"id"'))
    .map(({ data }) => JSON.parse(data).choices[0]?.delta.content ?? "")
    .join("")

const keepAlives = ({ text }: StreamClient): number => text.split(": keep-alive\n\n").length - 1

describe.concurrent("a client that waits", () => {
  it("hears that the stream lives, before the first token and between tokens", async () => {
    const client = chat("p0/m", script("pauses", ok({ text: "8 chars.", firstMs: 450, msBetween: 650 })))
    await client.head
    assert.strictEqual(client.status, 200)
    // Nobody has said anything yet, so that nobody is named.
    assert.deepInclude(client.headers, { "x-gateway-attempts": "1" })
    assert.isUndefined(client.headers["x-gateway-provider"])
    assert.strictEqual(client.events.length, 0)
    await client.until(({ events }) => events.length > 0)
    const before = keepAlives(client)
    assert.isAtLeast(before, 1)
    await client.ended
    assert.isAtLeast(keepAlives(client) - before, 3)
    assert.strictEqual(textOf(client), "8 chars.")
    assert.strictEqual(endOf(client.text), "done")
  })

  it("hears nothing of the kind while tokens come", async () => {
    const client = chat("p0/m", script("chats", ok({ text: "word ".repeat(20), msBetween: 20 })))
    await client.ended
    assert.strictEqual(keepAlives(client), 0)
    assert.strictEqual(endOf(client.text), "done")
  })

  it("is still moved to another provider, since a comment says nothing", async () => {
    healthy.respond(ok({ text: "from the healthy one" }))
    const client = chat("pair", script("silent", silentStream()))
    await client.ended
    assert.isAtLeast(keepAlives(client), 1)
    assert.strictEqual(textOf(client), "from the healthy one")
    assert.strictEqual(client.text.split('"role":"assistant"').length, 2)
    assert.strictEqual(endOf(client.text), "done")
  })

  it("gets the error in the stream when the wait was in vain", async () => {
    const client = chat("p0/m", script("silent", silentStream()))
    await client.ended
    assert.strictEqual(client.status, 200)
    assert.strictEqual(endOf(client.text), "error")
    assert.include(client.text, '"code":"upstream_timeout"')
    const [row] = await eventuallyRows("request_id", client.requestId, 1)
    assert.deepInclude(row, {
      status: 200,
      error_code: "upstream_timeout",
      output_tokens: null,
      cost_usd: null,
    })
  })
})

const eventuallyRows = async (column: string, value: unknown, count: number) => {
  let rows: ReadonlyArray<Record<string, unknown>> = []
  await eventually(async () => {
    rows = await rowsOf(column, value)
    return rows.length >= count
  })
  assert.strictEqual(rows.length, count)
  return rows
}

describe.concurrent("a client that leaves in the middle of a stream", () => {
  it.each([[false], [true]])(
    "stops the upstream call within a second (reading stopped before: %s)",
    async (paused) => {
      const prompt = script("left", paused ? endless(4096) : streamThenHang(3))
      const client = chat("p0/m", prompt)
      await client.until(({ events }) => events.length > 3)
      if (paused) client.pause()
      const call = await callOf(prompt)
      assert.strictEqual(call.outcome, "pending")
      const { requestId } = client
      client.leave()
      await upstream.until(() => call.outcome === "lost", 1000)

      const [row] = await eventuallyRows("request_id", requestId, 1)
      assert.deepInclude(row, {
        status: 499,
        error_code: "client_closed_request",
        stream: true,
        usage_estimated: true,
        provider: "p0",
        attempts: 1,
      })
      assert.isAbove(Number(row?.output_tokens), 0)
      assert.isAbove(Number(row?.cost_usd), 0)
    },
  )

  it("before the first token, too", async () => {
    const prompt = script("left", silentStream())
    const client = chat("p0/m", prompt)
    const call = await callOf(prompt)
    client.leave()
    await upstream.until(() => call.outcome === "lost", 1000)
  })

  it("with an Idempotency-Key finds the answer when it comes back", async () => {
    const prompt = script("keyed", ok({ text: "word ".repeat(10), msBetween: 30 }))
    const headers = { "idempotency-key": randomUUID() }
    const client = chat("p0/m", prompt, { headers })
    await client.until(({ events }) => events.length > 2)
    const begun = client.text
    client.leave()
    const call = await callOf(prompt)
    await upstream.until(() => call.outcome === "answered", 2000)

    const again = chat("p0/m", prompt, { headers })
    await again.ended
    assert.strictEqual(again.headers["idempotent-replayed"], "true")
    assert.strictEqual(textOf(again), "word ".repeat(10))
    assert.isTrue(again.text.startsWith(begun))
    assert.strictEqual(upstream.calls.filter(({ asked }) => asked.prompt === prompt).length, 1)
    const [row] = await eventuallyRows("request_id", client.requestId, 1)
    assert.deepInclude(row, { status: 200, error_code: null, usage_estimated: false, finish_reason: "stop" })
  })
})

describe("bytes", () => {
  const chunk = (delta: object, more: object = {}) => ({
    id: "c",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta, finish_reason: null }],
    ...more,
  })
  const megabyte = "Größe 🚀 ".repeat(80_000)
  const words = ["Größe", " 🚀🚀", ' "\\n', "\u2028", " end"]
  const chunks = [
    chunk({ role: "assistant", content: "" }),
    ...words.map((content) => chunk({ content })),
    chunk({ content: megabyte }),
    chunk({}, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
  ]
  /** One way to write each event, by its number: line ends, comments, fields in any order, data on several lines. */
  const write = (json: object, at: number): string => {
    const line = JSON.stringify(json)
    switch (at % 6) {
      case 0:
        return `data: ${line}\r\n\r\n`
      case 1:
        return `: a comment\ndata:${line}\n\n`
      case 2:
        return `data: ${JSON.stringify(json, null, 1).replaceAll("\n", "\ndata: ")}\n\n`
      case 3:
        return `id: 7\r\nevent: message\r\ndata: ${line}\r\nretry: 10\r\n\r\n: alone\r\n\r\n`
      case 4:
        return `data: ${line}\r\r`
      default:
        return `event:\ndata: ${line}\n\n\n\n`
    }
  }
  const source = Buffer.from(`\uFEFF${chunks.map(write).join("")}data: [DONE]\n\n`)
  const expected = [...chunks, "[DONE]"]
  const read = (client: StreamClient) =>
    client.events.map(({ data }) => (data === "[DONE]" ? data : JSON.parse(data)))

  /** Every byte of the small events on its own sometimes, and the large one in large pieces. */
  const slices = fc
    .array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 80 })), { minLength: 40, maxLength: 300 })
    .map((sizes) => {
      const pieces: Array<Buffer> = []
      let at = 0
      for (const size of sizes) {
        pieces.push(source.subarray(at, at + size))
        at += size
      }
      for (; at < source.length - 120; at += 100_003) {
        pieces.push(source.subarray(at, Math.min(at + 100_003, source.length - 120)))
      }
      for (at = source.length - 120; at < source.length; at++) pieces.push(source.subarray(at, at + 1))
      return pieces
    })

  it("make the same events however they are cut", async () => {
    const whole = chat("p0/m", script("whole", rawStream([source])))
    await whole.ended
    assert.deepStrictEqual(read(whole), expected)
    await fc.assert(
      fc.asyncProperty(slices, async (pieces) => {
        const cut = chat("p0/m", script("cut", rawStream(pieces)))
        await cut.ended
        assert.deepStrictEqual(read(cut), expected)
      }),
      { numRuns: 8, seed: 1 },
    )
  })

  it("of things that OpenAI may yet invent pass or are left out, and break nothing", async () => {
    const prompt = script("odd", oddStream({ text: "as ever" }))
    const client = chat("p0/m", prompt)
    await client.ended
    assert.strictEqual(endOf(client.text), "done")
    const call = await callOf(prompt)
    const sent = parseEvents(call.streamed.join(""))
    const known = sent.filter(({ type, data }) => type === "message" && !data.includes('"usage":{'))
    assert.deepStrictEqual(client.events, known)
    assert.include(client.text, '"invented":{"by":"them"}')
    assert.include(client.text, '"invented.object"')
  })

  it("of an unknown finish reason, role or delta pass too", async () => {
    const events = [
      chunk({ role: "oracle", mood: { level: 3 } }, { service_tier: "astral" }),
      chunk({ content: null, whisper: "psst" }),
      chunk({}, { choices: [{ index: 0, delta: {}, finish_reason: "bored", boredom: 9 }] }),
      chunk({}, { choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, dreams: 3 } }),
    ].map((json) => `data: ${JSON.stringify(json)}\n\n`)
    const client = chat("p0/m", script("unknown", rawStream([...events, "data: [DONE]\n\n"])))
    await client.ended
    assert.strictEqual(client.text, [...events.slice(0, 3), "data: [DONE]\n\n"].join(""))
    const [row] = await eventuallyRows("request_id", client.requestId, 1)
    assert.deepInclude(row, { status: 200, finish_reason: "other", input_tokens: 1, output_tokens: 2 })
  })
})

describe("all of it", () => {
  it("ended in [DONE] or an error, has its rows, and never broke the gateway", async () => {
    history.checkEndings()
    await history.checkLedger(databaseUrl, [upstream, healthy])
    assert.notMatch(gateway.stdout + gateway.stderr, /unhandled|unexpectedly/i)
  })
})
