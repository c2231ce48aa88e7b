import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { type Behaviour, ok, status } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { refusalOf, type StrictVendor } from "../support/strict-vendors.ts"

/** What one vendor handed out in an earlier turn, when that one does not answer and another one is asked, as clients see it. */

const strict = ["groq", "mistral", "cerebras", "deepseek", "moonshot"] as const

let down: FakeUpstream
let healthy: FakeUpstream
let gateway: GatewayInProcess
let key: string

const price = (usd: number) =>
  `price: { input_usd_per_1m: ${usd}, output_usd_per_1m: ${usd}, source: test, as_of: 2026-11-01 }`
const only = "exploration: 0, weights: { latency: 0, cost: 1 }"

beforeAll(async () => {
  down = await FakeUpstream.start()
  healthy = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: Object.fromEntries(strict.map((name) => [`${name.toUpperCase()}_API_KEY`, "a-key-of-these-tests"])),
    // A model for each way of asking: what one learns is not known of another.
    config: `providers:
  - { name: down, kind: openai-compatible, base_url: "${down.openAiBaseUrl}", models: [{ name: m, ${price(1)} }] }
  - { name: unknown, kind: openai-compatible, base_url: "${healthy.openAiBaseUrl}", models: [${["whole", "stream"].map((name) => `{ name: ${name}, ${price(9)} }`).join(", ")}] }
${strict
  .map(
    (name) =>
      `  - { preset: ${name}, base_url: "${healthy.openAiBaseUrl}", dialects: [], models: [{ name: whole, ${price(9)} }, { name: stream, ${price(9)} }] }`,
  )
  .join("\n")}
routes:
${[...strict, "unknown"]
  .flatMap((name) =>
    ["whole", "stream"].map(
      (mode) => `  ${name}-${mode}: { candidates: [down/m, ${name}/${mode}], ${only} }`,
    ),
  )
  .join("\n")}
limits: { requests_per_minute: 100000 }
`,
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await down?.stop()
  await healthy?.stop()
})

beforeEach(() => {
  down.reset()
  healthy.reset()
  // A refusal for no reason makes nobody rest, so that the other one is asked second each time.
  down.respond(status(400, { error: { message: "Kaboom." } }))
})

/** Answers as the vendor does: what it does not take it refuses. */
const like =
  (vendor: StrictVendor): Behaviour =>
  (exchange) => {
    const refusal = refusalOf(vendor, Object(exchange.asked.json))
    return (refusal === undefined ? ok({ text: "warm" }) : status(refusal.status, refusal.body))(exchange)
  }

const post = async (path: string, body: object) => {
  const response = await fetch(gateway.url + path, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: JSON.stringify(body),
  })
  const raw = await response.text()
  assert.strictEqual(response.status, 200, raw)
  assert.include(raw, "warm")
  assert.isAbove(down.count, 0, "the other one was asked first")
  return response
}

const user = { role: "user", content: "How warm is it?" }
const call = { id: "c12345678", type: "function", function: { name: "weather", arguments: "{}" } }
const chat = (turn: object) => [
  user,
  { role: "assistant", content: null, tool_calls: [call], ...turn },
  { role: "tool", tool_call_id: call.id, content: "21" },
]
const turnSentTo = (nth: number) => Object(healthy.calls[nth]?.json).messages[1]
const thinking = [{ type: "thinking", thinking: [{ type: "text", text: "deep thoughts" }] }]

describe.each(["whole", "stream"] as const)("a turn that another vendor answered (%s)", (mode) => {
  const ask = (vendor: string, turn: object) =>
    post("/v1/chat/completions", {
      model: `${vendor}-${mode}`,
      stream: mode === "stream",
      messages: chat(turn),
    })

  it.each<[vendor: StrictVendor, from: string, turn: object, taken: object | undefined]>([
    ["groq", "DeepSeek", { reasoning_content: "deep thoughts" }, { reasoning: "deep thoughts" }],
    ["mistral", "DeepSeek", { reasoning_content: "deep thoughts" }, undefined],
    ["cerebras", "DeepSeek", { reasoning_content: "deep thoughts" }, { reasoning: "deep thoughts" }],
    [
      "groq",
      "OpenRouter",
      { reasoning: "deep thoughts", reasoning_details: [{ type: "reasoning.text", text: "deep thoughts" }] },
      { reasoning: "deep thoughts" },
    ],
    ["deepseek", "Mistral", { content: thinking }, { content: "", reasoning_content: "deep thoughts" }],
    ["groq", "OpenAI", { refusal: null, annotations: [], audio: null }, undefined],
  ])("is taken by %s at once, and from %s", async (vendor, _from, turn, taken) => {
    healthy.respond(like(vendor))
    await ask(vendor, turn)
    assert.strictEqual(healthy.count, 1)
    assert.deepStrictEqual(turnSentTo(0), { role: "assistant", content: null, tool_calls: [call], ...taken })
  })

  it.each(["deepseek", "moonshot"] as const)(
    "has no reasoning that %s insists on, but then something in its place",
    async (vendor) => {
      healthy.respond(like(vendor))
      await ask(vendor, {})
      assert.strictEqual(healthy.count, 2)
      assert.strictEqual(turnSentTo(1).reasoning_content, " ")
      await ask(vendor, {})
      assert.strictEqual(healthy.count, 3, "which is remembered")
    },
  )

  it.each(["groq", "mistral", "cerebras"] as const)(
    "is said once more without reasoning to a server that turns out to be like %s",
    async (vendor) => {
      healthy.respond(like(vendor))
      const response = await ask("unknown", { reasoning_content: "deep thoughts" })
      assert.notProperty(turnSentTo(healthy.count - 1), "reasoning_content")
      if (mode === "whole")
        assert.include(response.headers.get("x-gateway-dropped") ?? "", "messages[1].reasoning_content")
    },
  )
})

describe("reasoning that comes in another dialect", () => {
  it("reaches a vendor of chat under the name that it takes", async () => {
    healthy.respond(like("cerebras"))
    await post("/v1/messages", {
      model: "cerebras-whole",
      max_tokens: 100,
      messages: [
        user,
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "deep thoughts", signature: "" },
            { type: "tool_use", id: call.id, name: "weather", input: {} },
          ],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "21" }] },
      ],
    })
    await post("/v1/responses", {
      model: "cerebras-whole",
      input: [
        user,
        { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "deep thoughts" }] },
        { type: "function_call", call_id: call.id, name: "weather", arguments: "{}" },
        { type: "function_call_output", call_id: call.id, output: "21" },
      ],
    })
    for (const nth of [0, 1]) {
      assert.deepStrictEqual(turnSentTo(nth), {
        role: "assistant",
        content: null,
        tool_calls: [call],
        reasoning: "deep thoughts",
      })
    }
  })

  it("is left out and named where none is taken", async () => {
    healthy.respond(like("mistral"))
    const response = await post("/v1/messages", {
      model: "mistral-whole",
      max_tokens: 100,
      messages: [
        user,
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "deep", signature: "" },
            { type: "text", text: "21" },
          ],
        },
        user,
      ],
    })
    assert.include(response.headers.get("x-gateway-dropped") ?? "", "messages[1].content[0]")
  })
})
