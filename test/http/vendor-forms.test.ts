import { assert } from "@effect/vitest"
import { Effect } from "effect"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { rawStream } from "../support/fake-upstream-streams.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** What vendors do differently from what they document or imitate, and how it looks to clients. */

let upstream: FakeUpstream
let gateway: GatewayInProcess
let key: string

const gemini = ["gemini-3.8-flash", "gemini-2.5-flash-image", "gemma-4-31b-it"]
const price = "price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }"

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: { GEMINI_API_KEY: "a-key-of-a-test-that-everybody-knows" },
    config: `providers:
  - { name: plain, kind: openai-compatible, base_url: "${upstream.openAiBaseUrl}", models: [{ name: m, ${price} }] }
  - { name: fourth, kind: openai-compatible, base_url: "${upstream.openAiBaseUrl}", models: [{ name: m, ${price} }, { name: n, ${price} }] }
  - { name: third, kind: openai-compatible, base_url: "${upstream.openAiBaseUrl}", models: [{ name: m, ${price} }] }
  - { name: strict, kind: openai-compatible, base_url: "${upstream.openAiBaseUrl}", models: [{ name: m, ${price} }] }
  - name: gemini
    kind: gemini
    base_url: ${upstream.url}
    models: [${gemini.map((name) => `{ name: ${name}, ${price} }`).join(", ")}]
limits: { requests_per_minute: 100000 }
`,
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
})

beforeEach(() => upstream.reset())

const user = { role: "user", content: "Hi" }

const ask = async (model: string, fields: object = {}) => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [user], ...fields }),
  })
  const raw = await response.text()
  return { code: response.status, headers: response.headers, raw }
}

interface Message {
  readonly content?: string
  readonly [field: string]: unknown
}
interface Choice {
  readonly message: Message
  readonly delta?: Message
  readonly finish_reason: string | null
}

/** Returns what a whole answer says. */
const messageOf = ({ code, raw }: { readonly code: number; readonly raw: string }): Message => {
  assert.strictEqual(code, 200, raw)
  const [choice] = (JSON.parse(raw) as { readonly choices: ReadonlyArray<Choice> }).choices
  assert(choice !== undefined)
  return choice.message
}

/** Returns the deltas of a streamed answer that ended well. */
const deltasOf = ({ code, raw }: { readonly code: number; readonly raw: string }): ReadonlyArray<Message> => {
  assert.strictEqual(code, 200, raw)
  assert.isTrue(raw.endsWith("data: [DONE]\n\n"), raw)
  const events = raw.split("\n\n").filter((event) => event.startsWith("data: {"))
  return events.flatMap((event) => {
    const { choices } = JSON.parse(event.slice("data: ".length)) as {
      readonly choices: ReadonlyArray<Choice>
    }
    return choices.flatMap(({ delta }): ReadonlyArray<Message> => (delta === undefined ? [] : [delta]))
  })
}

const sentTo = (call: number) => Object(upstream.calls[call]?.json)
const textOf = (deltas: ReadonlyArray<Message>) => deltas.map(({ content }) => content ?? "").join("")

describe("a vendor that does not take stream_options", () => {
  const refusing = (body: string, code: number) => (exchange: Parameters<ReturnType<typeof ok>>[0]) => {
    const asked = Object(exchange.asked.json).stream_options !== undefined
    return asked ? status(code, body)(exchange) : ok({ text: "streamed" })(exchange)
  }

  it.each([
    [
      422,
      '{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}',
    ],
    [400, `{"error":{"message":"property 'stream_options' is unsupported"}}`],
  ])("answers streams without, and is not asked with it again (%s)", async (code, body) => {
    const model = code === 422 ? "strict/m" : "plain/m"
    upstream.respond(refusing(body, code))
    assert.strictEqual(textOf(deltasOf(await ask(model, { stream: true }))), "streamed")
    assert.strictEqual(upstream.count, 2)
    assert.strictEqual(textOf(deltasOf(await ask(model, { stream: true }))), "streamed")
    assert.strictEqual(upstream.count, 3)
  })
})

describe("a vendor of which one model takes less", () => {
  it("gets other words for that model alone, and for all that it does not take", async () => {
    upstream.respond((exchange) => {
      const asked = Object(exchange.asked.json)
      if (asked.model !== "n") return ok({ text: "fine" })(exchange)
      if (asked.stream_options !== undefined) {
        return status(
          422,
          '{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}',
        )(exchange)
      }
      return asked.messages[0].role === "developer"
        ? status(400, `{"error":{"message":"role 'developer' is unknown"}}`)(exchange)
        : ok({ text: "fine" })(exchange)
    })
    const messages = [{ role: "developer", content: "Be brief." }, user]
    assert.strictEqual(textOf(deltasOf(await ask("fourth/n", { messages, stream: true }))), "fine")
    assert.strictEqual(upstream.count, 3)
    assert.strictEqual(textOf(deltasOf(await ask("fourth/n", { messages, stream: true }))), "fine")
    assert.strictEqual(upstream.count, 4)
    await ask("fourth/m", { messages, stream: true })
    assert.deepInclude(sentTo(4), { stream_options: { include_usage: true }, messages })
  })
})

describe("a vendor that does not take a newer word in messages", () => {
  it.each([
    [
      400,
      "plain/m",
      {
        error: {
          message:
            "Failed to deserialize: messages[0].role: unknown variant `developer`, expected one of `system`",
        },
      },
    ],
    [
      422,
      "strict/m",
      { detail: [{ loc: ["body", "messages", 0, "role"], msg: "Input role 'developer' is unknown" }] },
    ],
  ])("gets an older one, at once from then on (%s)", async (code, model, error) => {
    upstream.respond((exchange) => {
      const isNew = JSON.stringify(exchange.asked.json).includes('"developer"')
      return isNew ? status(code, JSON.stringify(error))(exchange) : ok({ text: "fine" })(exchange)
    })
    const messages = [{ role: "developer", content: "Be brief." }, user]
    assert.strictEqual(messageOf(await ask(model, { messages })).content, "fine")
    assert.strictEqual(upstream.count, 2)
    assert.strictEqual(sentTo(1).messages[0].role, "system")
    assert.strictEqual(textOf(deltasOf(await ask(model, { messages, stream: true }))), "fine")
    assert.strictEqual(upstream.count, 3)
  })

  it("is not learned from a client's own words", async () => {
    const error = { error: { message: "Invalid value: the role 'developer' makes no sense here." } }
    upstream.respond(status(400, JSON.stringify(error)))
    assert.strictEqual((await ask("third/m", { messages: [user] })).code, 400)
    assert.strictEqual(upstream.count, 2)
    upstream.reset()
    await ask("third/m", { messages: [{ role: "developer", content: "Be brief." }, user] })
    assert.strictEqual(sentTo(0).messages[0].role, "developer")
  })
})

describe("an answer in the other form", () => {
  it("is a stream where a stream was asked for", async () => {
    const message = {
      role: "assistant",
      content: "whole",
      tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
    }
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
    upstream.respond(
      status(
        200,
        JSON.stringify({
          id: "x",
          object: "chat.completion",
          model: "m",
          choices: [{ index: 0, message, finish_reason: "tool_calls" }],
          usage,
        }),
      ),
    )
    const answer = await ask("plain/m", { stream: true, stream_options: { include_usage: true } })
    const deltas = deltasOf(answer)
    assert.strictEqual(textOf(deltas), "whole")
    assert.deepInclude(Object(deltas[0]).tool_calls[0], { index: 0, id: "c" })
    assert.include(answer.raw, '"total_tokens":5')
  })

  it("is whole where a whole one was asked for", async () => {
    const event = (json: object) => `data: ${JSON.stringify({ id: "x", model: "m", ...json })}\n\n`
    upstream.respond(
      rawStream([
        event({ choices: [{ index: 0, delta: { role: "assistant", content: "in " } }] }),
        event({ choices: [{ index: 0, delta: { content: "pieces" }, finish_reason: "stop" }] }),
        event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }),
        "data: [DONE]\n\n",
      ]),
    )
    const answer = await ask("plain/m")
    assert.strictEqual(messageOf(answer).content, "in pieces")
    assert.strictEqual(answer.headers.get("x-gateway-cost"), "0.000007")
  })

  it("is Gemini's events in one array", async () => {
    const piece = (text: string, more: object = {}) => ({
      candidates: [{ content: { parts: [{ text }] }, ...more }],
    })
    upstream.respond(status(200, JSON.stringify([piece("a"), piece("b", { finishReason: "STOP" })])))
    assert.strictEqual(textOf(deltasOf(await ask("gemini/gemini-3.8-flash", { stream: true }))), "ab")
  })
})

describe("a stream", () => {
  const event = (json: object) => `data: ${JSON.stringify({ id: "x", model: "m", ...json })}\n\n`
  const said = (text: string, finish_reason: string | null = null) =>
    event({ choices: [{ index: 0, delta: { content: text }, finish_reason }] })
  const usage = { prompt_tokens: 1000, completion_tokens: 10, total_tokens: 1010 }
  const stream = (...events: ReadonlyArray<string>) => {
    upstream.respond(rawStream([...events, "data: [DONE]\n\n"]))
    return ask("plain/m", { stream: true })
  }
  const client = () => new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
  it.each([
    ["in a chunk without choices", { usage }],
    ["in a chunk whose choices are null", { choices: null, usage }],
  ])("that counts %s reads like OpenAI's", async (_name, counted) => {
    upstream.respond(rawStream([said("a", "stop"), event(counted), "data: [DONE]\n\n"]))
    const messages = [{ role: "user" as const, content: "Hi" }]
    const asked = { model: "plain/m", messages, stream: true as const }
    for await (const { choices } of await client().chat.completions.create(asked)) {
      assert.lengthOf([...choices], 1)
    }
    const chunks = []
    const counting = { ...asked, stream_options: { include_usage: true } }
    for await (const chunk of await client().chat.completions.create(counting)) chunks.push(chunk)
    assert.deepStrictEqual(chunks.at(-1)?.choices, [])
    assert.strictEqual(chunks.at(-1)?.usage?.total_tokens, 1010)
  })

  it("whose calls have no numbers reads like OpenAI's", async () => {
    const call = (id: string) => ({ id, type: "function", function: { name: id, arguments: "{}" } })
    upstream.respond(
      rawStream([
        event({ choices: [{ index: 0, delta: { role: "assistant", tool_calls: [call("a")] } }] }),
        event({ choices: [{ index: 0, delta: { tool_calls: [call("b")] }, finish_reason: "tool_calls" }] }),
        "data: [DONE]\n\n",
      ]),
    )
    const message = await client()
      .chat.completions.stream({ model: "plain/m", messages: [{ role: "user", content: "Hi" }] })
      .finalMessage()
    assert.deepStrictEqual(
      message.tool_calls?.map(({ id }) => id),
      ["a", "b"],
    )
  })

  it.each(["network_error", "abort", "insufficient_system_resource", "error"])(
    "that ends for %s is no answer, and one in its midst is broken",
    async (reason) => {
      const nothing = await stream(said("", reason))
      assert.isAbove(nothing.code, 499)
      const half = await stream(said("a"), said("", reason))
      assert.notInclude(half.raw, "[DONE]")
      assert.include(half.raw, '"error"')
    },
  )

  it("is no answer when it stopped for a reason of the vendor's own", async () => {
    const end = {
      index: 0,
      delta: { content: "" },
      finish_reason: "stop",
      native_finish_reason: "network_error",
    }
    assert.isAbove((await stream(event({ choices: [end] }))).code, 499)
  })

  it("is no answer when MiniMax says so in it", async () => {
    const trouble = event({
      choices: null,
      base_resp: { status_code: 1008, status_msg: "insufficient balance" },
    })
    const { code, raw } = await stream(trouble)
    assert.strictEqual(code, 503)
    assert.notInclude(raw, "balance")
  })
})

describe("a whole answer", () => {
  it("is taken from a server that calls it a text", async () => {
    const body = JSON.stringify({
      choices: [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }],
    })
    upstream.respond(({ response }) => {
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).end(body)
    })
    assert.strictEqual(messageOf(await ask("plain/m")).content, "ok")
    upstream.respond(({ response }) => {
      response.writeHead(200, { "content-type": "text/plain" }).end("ok")
    })
    assert.strictEqual((await ask("plain/m")).code, 502)
  })

  it("says the texts of a list to /infer", async () => {
    const content = [
      { type: "thinking", thinking: [{ type: "text", text: "Hm." }] },
      { type: "text", text: "Four" },
      { type: "text", text: "." },
    ]
    upstream.respond(
      status(
        200,
        JSON.stringify({
          choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
        }),
      ),
    )
    const response = await fetch(`${gateway.url}/infer`, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body: JSON.stringify({ model: "plain/m", prompt: "2 + 2?" }),
    })
    assert.strictEqual(((await response.json()) as { output: string }).output, "Four.")
    upstream.reset()
    await ask("gemini/gemini-3.8-flash", { messages: [user, { role: "assistant", content }, user] })
    assert.deepStrictEqual(sentTo(0).contents[1].parts, [{ text: "Four" }, { text: "." }])
  })
})

describe("Gemini", () => {
  const model = "gemini/gemini-3.8-flash"
  const candidate = (parts: ReadonlyArray<object>, finishReason = "STOP") =>
    status(
      200,
      JSON.stringify({
        candidates: [{ content: { role: "model", parts }, finishReason }],
        usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 },
      }),
    )
  const call = {
    id: "c1",
    type: "function",
    function: { name: "weather", arguments: "{}" },
    extra_content: { google: { thought_signature: "b2xk" } },
  }
  const turns = [
    user,
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "tool", tool_call_id: "c1", content: "21" },
  ]
  const corrupted =
    '{"error":{"code":400,"message":"Corrupted thought signature.","status":"INVALID_ARGUMENT"}}'

  it.each(["whole", "stream"])(
    "gets a history once more when it takes a signature for corrupted (%s)",
    async (mode) => {
      upstream.enqueue(status(400, corrupted), ok({ text: "21 degrees" }))
      const answer = await ask(model, { messages: turns, stream: mode === "stream" })
      assert.strictEqual(
        mode === "stream" ? textOf(deltasOf(answer)) : messageOf(answer).content,
        "21 degrees",
      )
      const signatures = [0, 1].map((nth) => sentTo(nth).contents[1].parts[0].thoughtSignature)
      assert.deepStrictEqual(signatures, ["b2xk", "skip_thought_signature_validator"])
    },
  )

  it("is not asked a third time, and the client reads why", async () => {
    upstream.respond(status(400, corrupted))
    const { code, raw } = await ask(model, { messages: turns })
    assert.strictEqual(code, 400)
    assert.include(raw, "Corrupted thought signature.")
    assert.strictEqual(upstream.count, 2)
    upstream.reset()
    assert.strictEqual((await ask(model)).code, 200, "and nobody else suffers")
  })

  it("gives the signature of a text, which comes back with it", async () => {
    upstream.respond(candidate([{ text: "Hello" }, { text: "", thoughtSignature: "c2ln" }]))
    const message = messageOf(await ask(model))
    assert.deepStrictEqual(message.extra_content, { google: { thought_signature: "c2ln" } })
    upstream.respond(
      rawStream([
        `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text: "Hello" }] } }] })}\n\n`,
        `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text: "", thoughtSignature: "c2ln" }] }, finishReason: "STOP" }] })}\n\n`,
      ]),
    )
    const deltas = deltasOf(await ask(model, { stream: true }))
    assert.deepInclude(deltas, { extra_content: { google: { thought_signature: "c2ln" } } })
    upstream.reset()
    await ask(model, { messages: [user, message, user] })
    assert.deepStrictEqual(sentTo(0).contents[1].parts, [{ text: "Hello", thoughtSignature: "c2ln" }])
  })

  it("answers with an image", async () => {
    const image = { inlineData: { mimeType: "image/png", data: "AAAA" } }
    upstream.respond(candidate([image]))
    const { content, images } = messageOf(await ask("gemini/gemini-2.5-flash-image"))
    assert.deepStrictEqual([content, images] as unknown, [
      "",
      [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }],
    ])
    upstream.respond(
      rawStream([
        `data: ${JSON.stringify({ candidates: [{ content: { parts: [image] }, finishReason: "STOP" }] })}\n\n`,
      ]),
    )
    const deltas = deltasOf(await ask("gemini/gemini-2.5-flash-image", { stream: true }))
    assert.lengthOf(
      deltas.filter((delta) => delta.images !== undefined),
      1,
    )
  })

  const post = async (path: string, body: object) => {
    const response = await fetch(gateway.url + path, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body: JSON.stringify({ model: "gemini/gemini-2.5-flash-image", ...body }),
    })
    return { code: response.status, raw: await response.text() }
  }
  const image = { inlineData: { mimeType: "image/png", data: "AAAA" }, thoughtSignature: "c2ln" }
  const drawing = () => [
    candidate([image]),
    rawStream([
      `data: ${JSON.stringify({ candidates: [{ content: { parts: [image] }, finishReason: "STOP" }] })}\n\n`,
    ]),
  ]

  it("answers with an image in Responses, and has it back, which nobody else takes", async () => {
    upstream.enqueue(...drawing())
    const whole = await post("/v1/responses", { input: "Draw." })
    const [item] = JSON.parse(whole.raw).output
    assert.deepInclude(item, { type: "image_generation_call", status: "completed", result: "AAAA" })
    const streamed = await post("/v1/responses", { input: "Draw.", stream: true })
    assert.include(streamed.raw, "event: response.image_generation_call.completed")
    const completed = JSON.parse(streamed.raw.trimEnd().split("\ndata: ").at(-1) ?? "")
    assert.deepInclude(completed.response.output[0], { type: "image_generation_call", result: "AAAA" })
    const input = [user, item, { role: "user", content: "Larger." }]
    upstream.enqueue(candidate([{ text: "No." }]))
    assert.strictEqual((await post("/v1/responses", { input })).code, 200)
    assert.deepStrictEqual(sentTo(2).contents[1], { role: "model", parts: [image] })
    const refused = await post("/v1/responses", { model: "plain/m", input })
    assert.strictEqual(refused.code, 400, refused.raw)
    assert.strictEqual(JSON.parse(refused.raw).error.param, "input[1]")
  })

  it("answers with an image to /infer", async () => {
    upstream.enqueue(...drawing())
    const images = ["data:image/png;base64,AAAA"]
    const whole = await post("/infer", { prompt: "Draw." })
    assert.deepInclude(JSON.parse(whole.raw), { output: "", images })
    const streamed = await post("/infer", { prompt: "Draw.", stream: true })
    const [first = "", last = ""] = streamed.raw.split("\n\n")
    assert.deepStrictEqual(JSON.parse(first.slice("data: ".length)), { images })
    assert.deepInclude(JSON.parse(last.slice("data: ".length)), { output: "", images })
  })

  it("leaves Gemma without signatures", async () => {
    await ask("gemini/gemma-4-31b-it", { messages: turns })
    assert.notInclude(JSON.stringify(sentTo(0)), "thoughtSignature")
  })

  it("is not taken from others by a request that it has no answer to", async () => {
    upstream.respond(candidate([], "MALFORMED_FUNCTION_CALL"))
    for (let i = 0; i < 12; i++) assert.isAbove((await ask(model)).code, 499)
    upstream.reset()
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
    assert.include(metrics, 'gateway_breaker_open{provider="gemini",model="gemini-3.8-flash"} 0')
    assert.strictEqual((await ask(model)).code, 200)
  })

  it("has not stopped cleanly with a malformed call, even beside a text", async () => {
    upstream.respond(candidate([{ text: "Let me call" }], "MALFORMED_FUNCTION_CALL"))
    assert.strictEqual((await ask(model)).code, 502)
    assert.strictEqual(upstream.count, 2)
  })

  it("is told what it has words for, and the client what it has not", async () => {
    const { headers } = await ask(model, { user: "u", min_p: 0.1, top_k: 3, service_tier: "flex" })
    assert.strictEqual(headers.get("x-gateway-dropped"), "user, min_p")
    assert.deepInclude(sentTo(0), { serviceTier: "flex", generationConfig: { topK: 3 } })
    const refused = await ask(model, { extra_body: { google: { cached_content: "x" } } })
    assert.strictEqual(refused.code, 400)
    assert.strictEqual(JSON.parse(refused.raw).error.param, "extra_body.google.cached_content")
  })
})
