import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** Parameters that not every candidate takes, seen from clients of each dialect and from the provider. */

let cheap: FakeUpstream
let dear: FakeUpstream
let gateway: GatewayInProcess
let key: string

const priced = (usd: number) =>
  `price: { input_usd_per_1m: ${usd}, output_usd_per_1m: ${usd}, source: test, as_of: 2026-11-01 }`
const model = (name: string, rest = "") => `{ name: ${name}, ${priced(1)}${rest} }`
const REFUSING = ", unsupported: [temperature, top_k, seed, user, reasoning_effort, thinking]"

/** Providers at the cheap upstream, each with a model that refuses: those that speak what, and Gemini, who translates. */
const kinds = ["chat", "native", "openai", "anthropic", "gemini"] as const

beforeAll(async () => {
  ;[cheap, dear] = await Promise.all([FakeUpstream.start(), FakeUpstream.start()])
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: { OPENAI_API_KEY: "sk-o", ANTHROPIC_API_KEY: "sk-a", GEMINI_API_KEY: "g" },
    config: `
providers:
  - { name: chat, kind: openai-compatible, base_url: "${cheap.openAiBaseUrl}", models: [${model("m", REFUSING)}] }
  - { name: native, kind: openai-compatible, base_url: "${cheap.openAiBaseUrl}", dialects: [messages, responses], models: [${model("m", REFUSING)}] }
  - { name: openai, kind: openai, base_url: "${cheap.openAiBaseUrl}", models: [${model("gpt-5.2", REFUSING)}] }
  - { name: anthropic, kind: anthropic, base_url: "${cheap.url}", models: [${model("claude-haiku-4-5", REFUSING)}] }
  - { name: gemini, kind: gemini, base_url: "${cheap.url}", models: [${model("gemini-2.5-flash", REFUSING)}] }
  - { name: learning, kind: openai-compatible, base_url: "${cheap.openAiBaseUrl}", dialects: [messages, responses], models: [${model("m")}, ${model("n")}, ${model("o")}] }
  - { name: dear, kind: openai-compatible, base_url: "${dear.openAiBaseUrl}", models: [{ name: m, ${priced(100)} }] }
routes:
  stated: { candidates: [chat/m, dear/m], ${CHEAPEST} }
  learned: { candidates: [learning/m, dear/m], ${CHEAPEST} }
  alone: { candidates: [learning/o], parameters: { temperature: drop, user: drop } }
  learned-drop: { candidates: [learning/n, dear/m], ${CHEAPEST}, parameters: { temperature: drop } }
${kinds
  .map(
    (name) =>
      `  drop-${name}: { candidates: [${name}/${MODELS[name]}], parameters: { temperature: drop, top_k: drop, user: drop, reasoning.effort: drop, thinking: drop } }`,
  )
  .join("\n")}
limits: { requests_per_minute: 100000 }`,
  })
  key = (await gateway.createKey()).key
})

const CLOCK_SET_MS = 20
const CHEAPEST = "exploration: 0, weights: { latency: 0, cost: 1 }"
const MODELS = {
  chat: "m",
  native: "m",
  openai: "gpt-5.2",
  anthropic: "claude-haiku-4-5",
  gemini: "gemini-2.5-flash",
}

afterAll(async () => {
  await gateway?.stop()
  await Promise.all([cheap?.stop(), dear?.stop()])
})

beforeEach(() => {
  cheap.reset()
  dear.reset()
})

const PATHS = { chat: "chat/completions", messages: "messages", responses: "responses" } as const
type Dialect = keyof typeof PATHS

const SAID = {
  chat: `"messages": [{"role": "user", "content": "Hi"}]`,
  messages: `"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]`,
  responses: `"input": "Hi"`,
}

/** Sends the fields in this text, as they are written, beside what every request of the dialect has. */
const post = async (dialect: Dialect, route: string, fields = "", before = "") => {
  const response = await fetch(`${gateway.url}/v1/${PATHS[dialect]}`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: `{ ${before}"model": "${route}", ${SAID[dialect]}${fields && `, ${fields}`} }`,
  })
  const text = await response.text()
  return { status: response.status, text, dropped: response.headers.get("x-gateway-dropped"), response }
}

const body = () => cheap.calls.at(-1)?.body.toString() ?? ""
const sent = () => cheap.calls.at(-1)?.json as Record<string, unknown>
const asked = () => [cheap.count, dear.count]

describe("a parameter that a model is stated to refuse", () => {
  it.each(["chat", "messages", "responses"] as const)("goes to another candidate: %s", async (dialect) => {
    assert.strictEqual((await post(dialect, "stated", `"temperature": 0.3`)).status, 200)
    assert.deepStrictEqual(asked(), [0, 1])
    assert.strictEqual((await post(dialect, "stated", `"temperature": 1.0`)).status, 200)
    assert.strictEqual((await post(dialect, "stated")).status, 200)
    assert.deepStrictEqual(asked(), [2, 1])
  })

  it.each([
    ["chat", `"temperature": 0.3`, "temperature"],
    ["chat", `"reasoning_effort": "low"`, "reasoning_effort"],
    ["messages", `"temperature": 0.3`, "temperature"],
    ["messages", `"top_k": 3`, "top_k"],
    ["messages", `"metadata": {"user_id": "u"}`, "metadata.user_id"],
    ["messages", `"output_config": {"effort": "low"}`, "output_config.effort"],
    ["responses", `"temperature": 0.3`, "temperature"],
    ["responses", `"reasoning": {"effort": "low"}`, "reasoning.effort"],
  ] as const)(
    "is named as its client names it, where nobody else is: %s %s",
    async (dialect, fields, param) => {
      const { status, text } = await post(dialect, "chat/m", fields)
      assert.strictEqual(status, 400, text)
      const said = `No model of chat/m can take this request. chat/m: parameter: ${param}: the model's documentation says that it is not taken. Leave ${param} out, or ask for another model.`
      const { error } = JSON.parse(text) as { error: { message: string; param?: string } }
      assert.include(error.message, said)
      if (dialect !== "messages") assert.strictEqual(error.param, param)
      assert.deepStrictEqual(asked(), [0, 0])
    },
  )

  it("is told of by a dry run", async () => {
    const response = await gateway.infer(key, {
      prompt: "Hi",
      model: "stated",
      temperature: 0.3,
      dry_run: true,
    })
    const { decision } = (await response.json()) as { decision: { excluded: unknown } }
    assert.deepStrictEqual(decision.excluded, [
      {
        provider: "chat",
        model: "m",
        reason: "parameter: temperature: the model's documentation says that it is not taken",
      },
    ])
  })
})

describe("a parameter that the route drops", () => {
  /** What the client says, in its dialect, that the models refuse, and its names of that. */
  const said = {
    chat: [
      `"temperature": 0.3, "user": "u", "reasoning_effort": "low"`,
      "temperature, reasoning_effort, user",
    ],
    messages: [
      `"temperature": 0.3, "top_k": 3, "metadata": {"user_id": "u"}, "output_config": {"effort": "low"}`,
      "temperature, top_k, metadata.user_id, output_config.effort",
    ],
    responses: [
      `"temperature": 0.3, "user": "u", "reasoning": {"effort": "low"}`,
      "temperature, reasoning.effort, user",
    ],
  } as const

  describe.each(kinds)("is not sent to %s", (kind) => {
    it.each(["chat", "messages", "responses"] as const)("by a client of %s", async (dialect) => {
      const [fields, names] = said[dialect]
      const { status, text, dropped } = await post(dialect, `drop-${kind}`, fields)
      assert.strictEqual(status, 200, text)
      assert.sameMembers(dropped?.split(", ") ?? [], names.split(", "))
      assert.notMatch(body(), /temperature|top_k|topK|user_id|"user":|effort|thinking|0\.3/i)
      // Another one that says none of it is sent as it is.
      assert.isNull((await post(dialect, `drop-${kind}`)).dropped)
    })
  })

  it("leaves every other byte of the client's as it was", async () => {
    const { dropped } = await post(
      "chat",
      "drop-chat",
      `"temperature" :  0.3 , "seed2": 1.50, "user":"u"`,
      `"top_k": 3, "x": [1,  2.0], `,
    )
    assert.strictEqual(dropped, "temperature, top_k, user")
    assert.strictEqual(
      body(),
      `{ "x": [1,  2.0], "model": "m", "messages": [{"role": "user", "content": "Hi"}] , "seed2": 1.50 }`,
    )
    await post(
      "messages",
      "drop-native",
      `"temperature": 0.3, "metadata": {"user_id": "u", "other": 1}, "y": 2.0`,
    )
    assert.strictEqual(
      body(),
      `{ "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "metadata": {"other":1}, "y": 2.0 }`,
    )
    await post("responses", "drop-native", `"reasoning": {"effort": "low", "summary": "auto"}, "y": 2.0`)
    assert.include(body(), `"input": "Hi", "reasoning": {"summary":"auto"}, "y": 2.0`)
  })

  it("is dropped from a stream too", async () => {
    const { dropped, text } = await post("chat", "drop-chat", `"temperature": 0.3, "stream": true`)
    assert.include(text, "[DONE]")
    assert.strictEqual(dropped, "temperature")
    assert.deepInclude(sent(), { stream: true, stream_options: { include_usage: true } })
    assert.notProperty(sent(), "temperature")
  })

  it("excludes the candidate where the route says nothing of another one beside it", async () => {
    const { status, text } = await post("chat", "drop-chat", `"temperature": 0.3, "seed": 1`)
    assert.strictEqual(status, 400)
    assert.include(text, "parameter: seed")
  })
})

describe("a parameter that a candidate refused", () => {
  const refusal = (param: string, code = "unsupported_parameter") =>
    status(
      400,
      JSON.stringify({
        error: {
          message: `Unsupported parameter: '${param}' is not supported with this model.`,
          type: "invalid_request_error",
          param,
          code,
        },
      }),
    )

  const reset = () => gateway.admin("/admin/providers/learning/reset", { method: "POST" })

  it.each([
    ["chat", `"temperature": 0.3`, "temperature"],
    ["messages", `"temperature": 0.3`, "temperature"],
    ["responses", `"temperature": 0.3`, "temperature"],
    ["responses", `"reasoning": {"effort": "low"}`, "reasoning.effort"],
    ["messages", `"output_config": {"effort": "low"}`, "output_config.effort"],
    [
      "chat",
      `"tools": [{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object"}}}]`,
      "tools[0].function.strict",
    ],
  ] as const)("%s: %s is asked of others from then on", async (dialect, fields, param) => {
    cheap.respond(refusal(param))
    assert.strictEqual((await post(dialect, "learned", fields)).status, 200)
    assert.deepStrictEqual(asked(), [1, 1])
    cheap.respond(ok())
    for (let i = 0; i < 3; i++) assert.strictEqual((await post(dialect, "learned", fields)).status, 200)
    assert.deepStrictEqual(asked(), [1, 4])
    assert.strictEqual(
      (
        await post(
          dialect,
          "learned",
          fields.replace(`,"strict":true`, "").replace(/"(temperature|reasoning|output_config)".*/, ""),
        )
      ).status,
      200,
    )
    assert.deepStrictEqual(asked(), [2, 4])
    await reset()
    assert.strictEqual((await post(dialect, "learned", fields)).status, 200)
    assert.deepStrictEqual(asked(), [3, 4])
  })

  it("is shown to operators until it is forgotten", async () => {
    cheap.respond(refusal("seed"))
    const before = Date.now()
    assert.strictEqual((await post("chat", "learned", `"seed": 1`)).status, 200)
    const models = async () => {
      const response = await gateway.admin("/admin/models")
      assert.strictEqual(response.status, 200)
      return ((await response.json()) as { data: ReadonlyArray<Record<string, unknown>> }).data
    }
    const listed = await models()
    assert.deepStrictEqual(
      listed
        .filter(({ provider }) => provider === "dear" || provider === "gemini")
        .map(({ outlook: _outlook, ...model }) => model),
      [
        {
          provider: "gemini",
          model: "gemini-2.5-flash",
          simulated: false,
          kind: "chat",
          context_window: 1_048_576,
          max_output_tokens: 65_536,
          price: {
            input_usd_per_1m: 1,
            cached_input_usd_per_1m: 1,
            output_usd_per_1m: 1,
            price_version: "test@2026-11-01",
            source: "test",
            as_of: "2026-11-01",
            valid_from: null,
          },
          inputs: ["text", "image", "audio", "video", "file"],
          unsupported: ["temperature", "top_k", "seed", "user", "reasoning_effort", "thinking"],
          health: { state: "healthy", until: null, why: null },
          failures: [],
          keys: null,
          refused: [],
        },
        {
          provider: "dear",
          model: "m",
          simulated: false,
          kind: "chat",
          context_window: null,
          max_output_tokens: null,
          price: {
            input_usd_per_1m: 100,
            cached_input_usd_per_1m: 100,
            output_usd_per_1m: 100,
            price_version: "test@2026-11-01",
            source: "test",
            as_of: "2026-11-01",
            valid_from: null,
          },
          inputs: null,
          unsupported: [],
          health: { state: "healthy", until: null, why: null },
          failures: [],
          keys: null,
          refused: [],
        },
      ],
    )
    const learning = listed.find(({ provider, model }) => provider === "learning" && model === "m")
    const [refused, ...others] = (learning?.refused ?? []) as ReadonlyArray<Record<string, string>>
    assert.deepStrictEqual(others, [])
    assert.deepInclude(refused, { parameter: "seed", dialect: "chat" })
    const [since, until] = [Date.parse(refused?.since ?? ""), Date.parse(refused?.until ?? "")]
    // Counted back by a clock that nobody sets; this one may be set meanwhile.
    assert.isAtLeast(since, before - CLOCK_SET_MS)
    assert.isAtMost(since, Date.now() + CLOCK_SET_MS)
    assert.approximately(until - since, 600_000, 2)
    await reset()
    assert.isTrue((await models()).every(({ refused }) => Array.isArray(refused) && refused.length === 0))
    assert.strictEqual((await fetch(`${gateway.url}/admin/models`)).status, 401)
  })

  it("is read out of Claude's sentences", async () => {
    const message = "`temperature` is deprecated for this model."
    const error = { type: "invalid_request_error", message }
    cheap.respond(status(400, JSON.stringify({ type: "error", error })))
    assert.strictEqual((await post("messages", "learned", `"temperature": 0.3`)).status, 200)
    assert.strictEqual((await post("messages", "learned", `"temperature": 0.3`)).status, 200)
    assert.deepStrictEqual(asked(), [1, 2])
    await reset()
  })

  it("is asked of it all the same when the others are down", async () => {
    cheap.respond(refusal("seed"))
    assert.strictEqual((await post("chat", "learned", `"seed": 1`)).status, 200)
    cheap.respond(ok({ text: "well" }))
    dear.respond(status(500, "{}"))
    const { status: code, text } = await post("chat", "learned", `"seed": 1`)
    assert.strictEqual(code, 200, text)
    assert.include(text, "well")
    await reset()
  })

  it("is dropped at once where the route says so and nobody else is left", async () => {
    cheap.enqueue(refusal("temperature"), refusal("user"))
    const { status, text, dropped } = await post(
      "chat",
      "alone",
      `"temperature": 0.3, "user": "u", "seed": 1`,
    )
    assert.strictEqual(status, 200, text)
    assert.strictEqual(dropped, "temperature, user")
    assert.strictEqual(cheap.count, 3)
    assert.deepInclude(sent(), { seed: 1 })
    assert.notProperty(sent(), "user")
    // What is not to be dropped is not.
    cheap.respond(refusal("seed"))
    assert.strictEqual((await post("chat", "alone", `"seed": 1`)).status, 400)
    assert.strictEqual(cheap.count, 4)
    await reset()
  })

  it("is dropped from then on where the route says so", async () => {
    cheap.respond(refusal("temperature"))
    assert.strictEqual((await post("chat", "learned-drop", `"temperature": 0.3`)).status, 200)
    cheap.respond(ok())
    const { dropped } = await post("chat", "learned-drop", `"temperature": 0.3`)
    assert.strictEqual(dropped, "temperature")
    assert.deepStrictEqual(asked(), [2, 1])
    assert.notProperty(sent(), "temperature")
    await reset()
  })
})
