import { setTimeout } from "node:timers/promises"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { status } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** What answers cost, as vendors would bill them: usage blocks from documents and from public reports. */

let upstream: FakeUpstream
let gateway: GatewayInProcess
let key: string

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: { OPENAI_API_KEY: "sk-of-a-test-that-everybody-knows" },
    config: `providers:
  - { name: openai, kind: openai, base_url: "${upstream.openAiBaseUrl}" }
  - name: vendor
    kind: openai-compatible
    base_url: ${upstream.openAiBaseUrl}
    models:
      - name: kimi
        price: { input_usd_per_1m: 1, cached_input_usd_per_1m: 0.1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }
      - name: writer
        price: { input_usd_per_1m: 1, cache_write_usd_per_1m: 1.25, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }
      - name: reasoner
        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }
      - name: speaker
        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, audio_input_usd_per_1m: 10, audio_output_usd_per_1m: 20, web_search_usd: 0.01, request_usd: 0.005, source: test, as_of: 2026-11-01 }
      - name: unpriced
  - name: aggregator
    kind: openai-compatible
    base_url: ${upstream.openAiBaseUrl}
    reports_cost: true
    models:
      - name: priced
        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }
  - { preset: openrouter, base_url: "${upstream.openAiBaseUrl}", api_key_env: OPENAI_API_KEY, models: [{ name: openai/gpt-5.4-mini }] }
  - { preset: xai, base_url: "${upstream.openAiBaseUrl}", api_key_env: OPENAI_API_KEY, models: [{ name: grok-4.3 }] }
`,
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
})

interface Case {
  readonly name: string
  readonly model: string
  readonly usage: object
  readonly rest?: object
  /** USD; null: unknown. */
  readonly cost: number | null
  /** Why it is unknown, where that is looked at. */
  readonly reason?: string
}

const terra = "openai/gpt-5.6-terra"
const beside = (completion: number, reasoning: number) => ({
  prompt_tokens: 1_000,
  completion_tokens: completion,
  total_tokens: 1_000 + completion + reasoning,
  completion_tokens_details: { reasoning_tokens: reasoning },
})

const cases: ReadonlyArray<Case> = [
  {
    name: "tokens written to a cache",
    model: terra,
    usage: {
      prompt_tokens: 9_080,
      completion_tokens: 100,
      prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 9_077 },
    },
    cost: 0.0238985,
  },
  {
    name: "a long prompt",
    model: terra,
    usage: { prompt_tokens: 300_000, completion_tokens: 1_000 },
    cost: 1.218,
  },
  {
    name: "a long prompt that is written to a cache",
    model: "openai/gpt-6-astra",
    usage: {
      prompt_tokens: 300_000,
      completion_tokens: 0,
      prompt_tokens_details: { cache_write_tokens: 300_000 },
    },
    cost: 7.5,
  },
  {
    name: "the flex tier",
    model: terra,
    usage: { prompt_tokens: 300_000, completion_tokens: 1_000 },
    rest: { service_tier: "flex" },
    cost: 0.609,
  },
  {
    name: "a tier of which no price is known",
    model: terra,
    usage: { prompt_tokens: 1_000, completion_tokens: 1_000 },
    rest: { service_tier: "scale" },
    cost: null,
  },
  {
    name: "a tier that is no name",
    model: terra,
    usage: { prompt_tokens: 1_000, completion_tokens: 1_000 },
    rest: { service_tier: { name: "flex" } },
    cost: null,
    reason: "unknown_service_tier",
  },
  {
    name: "a tier of two words",
    model: terra,
    usage: { prompt_tokens: 1_000, completion_tokens: 1_000 },
    rest: { service_tier: "flex tier" },
    cost: null,
    reason: "unknown_service_tier",
  },
  {
    name: "the priority tier of a long prompt",
    model: terra,
    usage: { prompt_tokens: 300_000, completion_tokens: 1_000 },
    rest: { service_tier: "priority" },
    cost: 2.436,
  },
  {
    name: "a tier, where the file names none",
    model: "vendor/kimi",
    usage: { prompt_tokens: 1_000, completion_tokens: 1_000 },
    rest: { service_tier: "flex" },
    cost: null,
    reason: "unknown_service_tier",
  },
  {
    name: "audio in and out, and searches",
    model: "vendor/speaker",
    usage: {
      prompt_tokens: 1_000,
      completion_tokens: 100,
      prompt_tokens_details: { audio_tokens: 400 },
      completion_tokens_details: { audio_tokens: 60 },
      server_tool_use: { web_search_requests: 2 },
    },
    // 600 x 1 + 400 x 10 + 40 x 2 + 60 x 20 millionths, 2 searches and the request.
    cost: 0.00588 + 2 * 0.01 + 0.005,
  },
  {
    name: "audio of a model that states no price for it",
    model: "vendor/reasoner",
    usage: { prompt_tokens: 1_000, completion_tokens: 100, prompt_tokens_details: { audio_tokens: 400 } },
    cost: null,
    reason: "unpriced_usage",
  },
  {
    name: "counts that cannot be",
    model: "vendor/reasoner",
    usage: { prompt_tokens: 10, completion_tokens: 10, prompt_tokens_details: { cached_tokens: 11 } },
    cost: null,
    reason: "contradictory_usage",
  },
  {
    name: "a total that its parts do not explain",
    model: "vendor/kimi",
    usage: { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 },
    cost: null,
    reason: "contradictory_usage",
  },
  {
    name: "a total in words",
    model: "vendor/kimi",
    usage: { ...beside(400, 300), total_tokens: "1700" },
    cost: null,
    reason: "contradictory_usage",
  },
  {
    name: "two counts of one cache",
    model: "vendor/kimi",
    usage: {
      prompt_tokens: 1_000,
      completion_tokens: 10,
      cached_tokens: 100,
      prompt_tokens_details: { cached_tokens: 900 },
    },
    cost: null,
    reason: "contradictory_usage",
  },
  {
    name: "an answer to nothing",
    model: "vendor/kimi",
    usage: { prompt_tokens: 0, completion_tokens: 10 },
    cost: null,
    reason: "contradictory_usage",
  },
  {
    name: "no counts",
    model: "vendor/reasoner",
    usage: {},
    cost: null,
    reason: "missing_usage",
  },
  { name: "reasoning beside the completion", model: "vendor/reasoner", usage: beside(100, 400), cost: 0.002 },
  { name: "reasoning beside a longer one", model: "vendor/reasoner", usage: beside(400, 300), cost: 0.0024 },
  {
    name: "Kimi's cache",
    model: "vendor/kimi",
    usage: { prompt_tokens: 10_000, completion_tokens: 10, cached_tokens: 9_000 },
    cost: 0.00192,
  },
  {
    name: "Mistral's cache",
    model: "vendor/kimi",
    usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100, num_cached_tokens: 900 },
    cost: 0.00039,
  },
  {
    name: "what DashScope wrote to its cache",
    model: "vendor/writer",
    usage: {
      prompt_tokens: 900,
      completion_tokens: 10,
      total_tokens: 910,
      prompt_tokens_details: { cache_creation_input_tokens: 889, cache_type: "ephemeral", cached_tokens: 0 },
    },
    cost: 0.00114225,
  },
  {
    name: "what the vendor says itself",
    model: "vendor/unpriced",
    usage: { prompt_tokens: 10, completion_tokens: 10, cost: 0.00123 },
    cost: 0.00123,
  },
  {
    name: "what xAI says itself, in ticks",
    model: "vendor/unpriced",
    usage: { prompt_tokens: 10, completion_tokens: 10, cost_in_usd_ticks: 2_709_000 },
    cost: 0.0002709,
  },
  {
    name: "a cost that is not believed over a stated price",
    model: "vendor/reasoner",
    usage: { prompt_tokens: 1_000, completion_tokens: 100, cost: 0.5 },
    cost: 0.0012,
  },
  {
    name: "nothing, where a price is stated",
    model: "vendor/reasoner",
    usage: { prompt_tokens: 1_000, completion_tokens: 100, estimated_cost: 0 },
    cost: 0.0012,
  },
  {
    name: "nothing, of a model of OpenAI's",
    model: terra,
    usage: { prompt_tokens: 1_000, completion_tokens: 100, cost_in_usd_ticks: 0 },
    cost: 0.0032,
  },
  {
    name: "the cost of an aggregator that the file believes",
    model: "aggregator/priced",
    usage: { prompt_tokens: 1_000, completion_tokens: 100, cost: 0.5 },
    cost: 0.5,
  },
  {
    name: "a cost that cannot be",
    model: "aggregator/priced",
    usage: { prompt_tokens: 10, completion_tokens: 100, cost: 5e6 },
    cost: null,
    reason: "implausible_cost",
  },
  {
    name: "a cost that cannot be, of a model without a price",
    model: "vendor/unpriced",
    usage: { prompt_tokens: 10, completion_tokens: 100, cost: 5e6 },
    cost: null,
    reason: "implausible_cost",
  },
  {
    name: "OpenRouter's free answer",
    model: "openrouter/openai/gpt-5.4-mini",
    usage: { prompt_tokens: 1_000, completion_tokens: 100, cost: 0 },
    cost: 0,
  },
  {
    name: "no ticks of xAI's, which gives nothing away",
    model: "xai/grok-4.3",
    usage: { prompt_tokens: 1_000, completion_tokens: 100, cost_in_usd_ticks: 0 },
    cost: 0.0015,
  },
  {
    name: "ticks of xAI's",
    model: "xai/grok-4.3",
    usage: { prompt_tokens: 1_000, completion_tokens: 100, cost_in_usd_ticks: 20_000_000 },
    cost: 0.002,
  },
  {
    name: "counts by their newer names",
    model: "vendor/reasoner",
    usage: { input_tokens: 1_000, output_tokens: 100, output_tokens_details: { reasoning_tokens: 50 } },
    cost: 0.0012,
  },
  {
    name: "a cache that is counted beside the prompt, as the total says",
    model: "vendor/kimi",
    usage: {
      prompt_tokens: 1_000,
      completion_tokens: 10,
      cache_read_input_tokens: 9_000,
      total_tokens: 10_010,
    },
    cost: 0.00192,
  },
  {
    name: "Anthropic's own block",
    model: "vendor/kimi",
    usage: { input_tokens: 1_000, output_tokens: 10, cache_read_input_tokens: 9_000 },
    cost: 0.00192,
  },
  {
    name: "zeros",
    model: "vendor/reasoner",
    usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    cost: null,
  },
  {
    name: "nothing that is known",
    model: "vendor/unpriced",
    usage: { prompt_tokens: 10, completion_tokens: 10 },
    cost: null,
  },
]

const answerOf = ({ model, usage, rest }: Case) => ({
  id: "x",
  object: "chat.completion",
  created: 1,
  model,
  choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
  usage,
  ...rest,
})

const streamOf = ({ model, usage, rest }: Case): string => {
  const event = (fields: object) =>
    `data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", created: 1, model, ...rest, ...fields })}\n\n`
  const piece = event({ choices: [{ index: 0, delta: { content: "Hi" }, finish_reason: "stop" }] })
  return `${piece}${event({ choices: [], usage })}data: [DONE]\n\n`
}

const ask = async (model: string, stream: boolean) => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content: "Hi" }] }),
  })
  assert.strictEqual(response.status, 200, await response.clone().text())
  await response.text()
  return response.headers
}

/** What the ledger has for a request, once it is written. */
const bookedFor = async (requestId: string | null) => {
  for (let tries = 0; tries < 200; tries++) {
    const response = await gateway.admin("/analytics/requests?limit=1000")
    // The API's own schema holds it elsewhere.
    const { data } = (await response.json()) as {
      data: ReadonlyArray<{
        readonly request_id: string
        readonly cost_usd: number | null
        readonly cost_reason: string | null
      }>
    }
    const row = data.find(({ request_id }) => request_id === requestId)
    if (row !== undefined) return row
    await setTimeout(20)
  }
  return assert.fail("no row")
}

describe("a stream that counts", () => {
  const event = (fields: object) => `data: ${JSON.stringify({ id: "x", model: "m", ...fields })}\n\n`
  const usage = { prompt_tokens: 1_000, completion_tokens: 100 }
  const end = { index: 0, delta: { content: "Hi" }, finish_reason: "stop" }
  const none = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }

  it.each([
    ["in its choice, as Moonshot's", event({ choices: [{ ...end, usage }] })],
    ["and counts zeros after that", event({ choices: [end], usage }) + event({ choices: [], usage: none })],
    ["behind its end", `${event({ choices: [end] })}data: [DONE]\n\n${event({ choices: [], usage })}`],
    [
      "in every chunk, and not in the last",
      event({ choices: [end], usage }) + event({ choices: [], usage: null }),
    ],
    [
      "where Groq's have been of old",
      event({ choices: [end], x_groq: { id: "req_1", usage: { ...usage, total_time: 0.1 } } }),
    ],
  ])("%s is priced", async (_name, events) => {
    upstream.respond(status(200, `${events}data: [DONE]\n\n`, { "content-type": "text/event-stream" }))
    const headers = await ask("vendor/reasoner", true)
    assert.strictEqual((await bookedFor(headers.get("x-request-id"))).cost_usd, 0.0012)
  })
})

describe("an answer of Responses", () => {
  const responseOf = (types: ReadonlyArray<string>) => ({
    id: "resp_1",
    object: "response",
    created_at: 1,
    model: "gpt-5.6-terra",
    status: "completed",
    output: [
      ...types.map((type, index) => ({ type, id: `call_${index}`, status: "completed" })),
      {
        type: "message",
        id: "msg_1",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text: "Rome", annotations: [] }],
      },
    ],
    usage: { input_tokens: 1_000, output_tokens: 100, total_tokens: 1_100 },
  })

  it.each<[types: ReadonlyArray<string>, cost: number | null]>([
    [[], 0.0032],
    [["web_search_call"], 0.0132],
    [["file_search_call", "file_search_call"], 0.0082],
    [["code_interpreter_call"], null],
    [["image_generation_call"], null],
    [["mcp_call"], 0.0032],
  ])("with %j costs %s", async (types, cost) => {
    upstream.respond(status(200, responseOf(types)))
    const response = await fetch(`${gateway.url}/v1/responses`, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body: JSON.stringify({ model: terra, input: "Hi" }),
    })
    assert.strictEqual(response.status, 200, await response.clone().text())
    await response.text()
    const booked = await bookedFor(response.headers.get("x-request-id"))
    assert.deepInclude(booked, { cost_usd: cost, cost_reason: cost === null ? "unpriced_usage" : null })
  })
})

describe("a stream whose tier stands apart from its counts", () => {
  const event = (fields: object) => `data: ${JSON.stringify({ id: "x", model: "m", ...fields })}\n\n`
  const usage = { prompt_tokens: 300_000, completion_tokens: 1_000 }
  const end = { index: 0, delta: { content: "Hi" }, finish_reason: "stop" }

  it.each([
    ["before them", event({ choices: [end], service_tier: "flex" }) + event({ choices: [], usage })],
    [
      "before them, and is not said again",
      event({ choices: [end], service_tier: "flex" }) + event({ choices: [], service_tier: null, usage }),
    ],
    ["after them", event({ choices: [end], usage }) + event({ choices: [], service_tier: "flex" })],
  ])("%s is priced by it", async (_name, events) => {
    upstream.respond(status(200, `${events}data: [DONE]\n\n`, { "content-type": "text/event-stream" }))
    const headers = await ask(terra, true)
    assert.strictEqual((await bookedFor(headers.get("x-request-id"))).cost_usd, 0.609)
  })
})

describe.each(cases)("$name", (of) => {
  it("costs in the header what is on the invoice", async () => {
    upstream.respond(status(200, answerOf(of)))
    const headers = await ask(of.model, false)
    assert.strictEqual(headers.get("x-gateway-cost"), of.cost === null ? "unknown" : String(of.cost))
  })

  it("costs the same in the ledger, streamed", async () => {
    upstream.respond(status(200, streamOf(of), { "content-type": "text/event-stream" }))
    const headers = await ask(of.model, true)
    const booked = await bookedFor(headers.get("x-request-id"))
    assert.strictEqual(booked.cost_usd, of.cost)
    if (of.reason !== undefined) assert.strictEqual(booked.cost_reason, of.reason)
  })
})
