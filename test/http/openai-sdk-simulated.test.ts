import { assert } from "@effect/vitest"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import OpenAI from "openai"
import { zodFunction, zodResponseFormat } from "openai/helpers/zod"
import { afterAll, beforeAll, describe, it } from "vitest"
import { z } from "zod"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { user } from "./openai-sdk-world.ts"

/** A newcomer's first calls: a gateway with nothing configured, and the helpers of OpenAI's own client. */

let gateway: GatewayInProcess
let client: OpenAI
let key: string

beforeAll(async () => {
  gateway = await GatewayInProcess.start()
  key = (await gateway.createKey()).key
  client = new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
})

afterAll(() => gateway?.stop())

const Event = z.object({
  name: z.string(),
  day: z.iso.date(),
  participants: z.array(z.object({ name: z.string(), email: z.email(), age: z.int().min(18).max(120) })),
  kind: z.enum(["meeting", "party"]),
  place: z.string().nullable(),
})
const response_format = zodResponseFormat(Event, "event")

const weather = zodFunction({
  name: "get_weather",
  description: "The weather at a place now",
  parameters: z.object({ place: z.string(), unit: z.enum(["celsius", "fahrenheit"]) }),
  function: ({ place, unit }) => `12 degrees ${unit} in ${place}`,
})

const auto = { model: "auto", messages: [user("What is the weather in Oslo?")] }

describe("OpenAI's client with the simulated providers", () => {
  it("parses an answer by a zod schema, whole and streamed", async () => {
    const messages = [user("Alice and Bob meet on Friday.")]
    const whole = await client.chat.completions.parse({ model: "auto", messages, response_format })
    const stream = client.chat.completions.stream({ model: "auto", messages, response_format })
    let deltas = 0
    stream.on("content.delta", () => deltas++)
    const streamed = await stream.finalChatCompletion()
    for (const { choices } of [whole, streamed]) {
      assert.deepStrictEqual(choices[0]?.message.parsed, {
        name: "simulated",
        day: "2026-01-01",
        participants: [{ name: "simulated", email: "simulated@example.com", age: 18 }],
        kind: "meeting",
        place: "simulated",
      })
      assert.isNull(choices[0]?.message.refusal)
    }
    assert.isAbove(deltas, 3)
  })

  it("runs a loop of tools to its end, whole and streamed", async () => {
    const asked = { ...auto, tools: [weather] }
    const whole = client.chat.completions.runTools(asked)
    const streamed = client.chat.completions.runTools({ ...asked, stream: true })
    for (const runner of [whole, streamed]) {
      assert.match((await runner.finalContent()) ?? "", /^\[simulated\]/)
      assert.deepStrictEqual(
        runner.messages.map(({ role }) => role),
        ["user", "assistant", "tool", "assistant"],
      )
      assert.strictEqual(runner.messages[2]?.content, "12 degrees celsius in simulated")
    }
  })

  it("parses the arguments of a call that is required, as they stream too", async () => {
    const asked = {
      model: "auto",
      messages: [user("Hello")],
      tools: [weather],
      tool_choice: "required" as const,
    }
    const parsed = await client.chat.completions.parse(asked)
    assert.strictEqual(parsed.choices[0]?.finish_reason, "tool_calls")
    const [call] = parsed.choices[0]?.message.tool_calls ?? []
    assert(call?.type === "function")
    assert.deepStrictEqual(call.function.parsed_arguments, { place: "simulated", unit: "celsius" })
    const stream = client.chat.completions.stream(asked)
    const done: Array<unknown> = []
    stream.on("tool_calls.function.arguments.done", (event) => done.push(event.parsed_arguments))
    await stream.done()
    assert.deepStrictEqual(done, [{ place: "simulated", unit: "celsius" }])
  })

  it("gets as many choices as it asks for, and a count that a tokenizer agrees with", async () => {
    const asked = { model: "auto", messages: [user("Hello")], n: 2 }
    const whole = await client.chat.completions.create(asked)
    const stream = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } })
    for (const { choices, usage } of [whole, await stream.finalChatCompletion()]) {
      assert.deepStrictEqual(
        choices.map(({ index, finish_reason }) => [index, finish_reason]),
        [
          [0, "stop"],
          [1, "stop"],
        ],
      )
      const counted = choices.map(({ message }) => countTokens(message.content ?? ""))
      assert.deepStrictEqual(
        [usage?.prompt_tokens, usage?.completion_tokens],
        [8, counted.reduce((sum, count) => sum + count, 0)],
      )
    }
  })

  it("hears what no model could do", async () => {
    const refused = client.chat.completions.create({ ...auto, tool_choice: "required" })
    const error = await refused.catch((cause: unknown) => cause)
    assert.instanceOf(error, OpenAI.BadRequestError)
    assert.strictEqual(error.param, "tool_choice")
  })

  it("gets the same marked text by /infer", async () => {
    const response = await fetch(`${gateway.url}/infer`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": key },
      body: JSON.stringify({ prompt: "Hello" }),
    })
    const { finish_reason, output, simulated, usage } = JSON.parse(await response.text())
    assert.match(output, /^\[simulated\]/)
    assert.deepInclude(usage, { input_tokens: 8, output_tokens: countTokens(output) })
    assert.deepStrictEqual([finish_reason, simulated], ["stop", true])
  })
})
