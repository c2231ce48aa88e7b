import Anthropic from "@anthropic-ai/sdk"
import { Effect } from "effect"
import OpenAI from "openai"
import { afterAll, assert, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeVendors, TEXT, vendorEnvironment, vendorFixtures } from "../support/FakeVendors.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** Both vendors' real clients through the gateway, in front of every other vendor that speaks as they do. */

let fakes: FakeVendors
let gateway: GatewayInProcess
let key: string
/** Bodies as the clients wrote them. */
const sent: Array<string> = []

const endpoints = vendorFixtures.flatMap(({ fixture: { dialects = {} }, preset: { name } }) =>
  Object.entries(dialects).map(([dialect, there]) => ({ name, dialect, there })),
)
const inMessages = endpoints.filter(({ dialect }) => dialect === "messages")
const inResponses = endpoints.filter(({ dialect }) => dialect === "responses")

const providerOf = (name: string, dialect: string) => `${name}-${dialect}`

beforeAll(async () => {
  fakes = await FakeVendors.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    env: vendorEnvironment(fakes),
    config: `providers:\n${endpoints
      .map(
        ({ dialect, name, there }) =>
          `  - { preset: ${name}, name: ${providerOf(name, dialect)}, models: [{ name: "${there.model}" }] }`,
      )
      .join("\n")}`,
  })
  ;({ key } = await gateway.createKey())
})
afterAll(async () => {
  await gateway?.stop()
  await fakes?.stop()
})
beforeEach(() => {
  sent.length = 0
  fakes.asked.length = 0
})

const recording: typeof fetch = (url, init) => {
  sent.push(String(init?.body))
  return fetch(url, init)
}

/** What reached the vendor is what the client wrote, byte by byte, but for the model's name. */
const assertPassedOn = (requested: string, model: string) => {
  assert.deepStrictEqual(
    fakes.asked,
    sent.map((body) => body.replace(JSON.stringify(requested), JSON.stringify(model))),
  )
}

const PARAMETERS = { type: "object" as const, properties: { city: { type: "string" } } }

describe.each(inMessages)("@anthropic-ai/sdk and $name", ({ dialect, name, there: { model } }) => {
  it("talk as if there were nothing between them, whole and streamed", async () => {
    const client = new Anthropic({ apiKey: key, baseURL: gateway.url, maxRetries: 0, fetch: recording })
    const requested = `${providerOf(name, dialect)}/${model}`
    const request: Anthropic.MessageCreateParamsNonStreaming = {
      model: requested,
      max_tokens: 2000,
      system: [{ type: "text", text: "Be short.", cache_control: { type: "ephemeral" } }],
      tools: [{ name: "weather", input_schema: PARAMETERS }],
      metadata: { user_id: "u" },
      messages: [
        { role: "user", content: "How is the weather in Rome?" },
        {
          role: "assistant",
          content: [{ type: "tool_use", id: "weather:0", name: "weather", input: { city: "Rome" } }],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "weather:0", content: "21" }] },
      ],
    }
    // Claude itself takes no such name of a call.
    if (model.includes("claude")) request.messages.splice(1)
    const answers = [
      await client.messages.create(request),
      await client.messages.stream(request).finalMessage(),
    ]
    for (const { content, stop_reason, usage } of answers) {
      assert.deepInclude(content.at(-1), { type: "text", text: TEXT })
      assert.strictEqual(stop_reason, "end_turn")
      assert.strictEqual(usage.output_tokens, 7)
    }
    assert.lengthOf(sent, 2)
    assertPassedOn(requested, model)
  })
})

describe.each(inResponses)("openai and $name", ({ dialect, name, there: { model, refuses } }) => {
  it("talk as if there were nothing between them, whole and streamed", async () => {
    const client = new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0, fetch: recording })
    const requested = `${providerOf(name, dialect)}/${model}`
    const request: Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, "stream"> = {
      model: requested,
      instructions: "Be short.",
      tools: [{ type: "function", name: "weather", parameters: PARAMETERS, strict: false }],
      ...(refuses === undefined && { store: false, include: ["reasoning.encrypted_content"] }),
      input: [
        { role: "user", content: "How is the weather in Rome?" },
        { type: "function_call", call_id: "call_1", name: "weather", arguments: '{"city":"Rome"}' },
        { type: "function_call_output", call_id: "call_1", output: "21" },
      ],
    }
    const whole = await client.responses.create(request)
    const streamed = await client.responses.stream(request).finalResponse()
    for (const { output_text, status, usage } of [whole, streamed]) {
      assert.strictEqual(output_text, TEXT)
      assert.strictEqual(status, "completed")
      assert.strictEqual(usage?.output_tokens, 7)
    }
    assert.lengthOf(sent, 2)
    assertPassedOn(requested, model)
  })
})
