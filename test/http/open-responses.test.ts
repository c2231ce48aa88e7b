import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { z } from "zod"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { SocketClient, type SocketEvent } from "../support/SocketClient.ts"

/**
 * What the compliance suite of Open Responses (2026-04-24) asks for and what it wants to see, against the simulated providers.
 * `npm run verify:openresponses` runs the suite itself.
 */

let gateway: GatewayInProcess
let key: string

beforeAll(async () => {
  gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
  ;({ key } = await gateway.createKey({ rpm: 100_000 }))
})

afterAll(() => gateway?.stop())

const usage = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
})

const part = z.object({ type: z.literal("output_text"), text: z.string(), annotations: z.array(z.unknown()) })
const item = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("message"),
    id: z.string(),
    status: z.enum(["in_progress", "completed", "incomplete"]),
    role: z.literal("assistant"),
    content: z.array(part),
  }),
  z.object({
    type: z.literal("function_call"),
    id: z.string(),
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
    status: z.enum(["in_progress", "completed", "incomplete"]),
  }),
])

const response = z.object({
  id: z.string(),
  object: z.literal("response"),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.string(),
  incomplete_details: z.object({ reason: z.string() }).nullable(),
  model: z.string(),
  previous_response_id: z.string().nullable(),
  instructions: z.string().nullable(),
  output: z.array(item),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  tools: z.array(
    z.object({
      type: z.literal("function"),
      name: z.string(),
      description: z.string().nullable(),
      parameters: z.record(z.string(), z.unknown()).nullable(),
      strict: z.boolean().nullable(),
    }),
  ),
  tool_choice: z.union([z.enum(["none", "auto", "required"]), z.object({ type: z.string() })]),
  truncation: z.enum(["auto", "disabled"]),
  parallel_tool_calls: z.boolean(),
  text: z.object({ format: z.object({ type: z.string() }) }),
  top_p: z.number(),
  presence_penalty: z.number(),
  frequency_penalty: z.number(),
  top_logprobs: z.int(),
  temperature: z.number(),
  reasoning: z.object({ effort: z.string().nullable(), summary: z.string().nullable() }).nullable(),
  usage: usage.nullable(),
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.int().nullable(),
  store: z.boolean(),
  background: z.boolean(),
  service_tier: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  safety_identifier: z.string().nullable(),
  prompt_cache_key: z.string().nullable(),
})

const numbered = { sequence_number: z.int() }
const inItem = { ...numbered, item_id: z.string(), output_index: z.int() }
const inPart = { ...inItem, content_index: z.int() }

/** Every event that the simulated providers' answers have. */
const event = z.discriminatedUnion("type", [
  z.object({ type: z.literal("response.created"), ...numbered, response }),
  z.object({ type: z.literal("response.in_progress"), ...numbered, response }),
  z.object({ type: z.literal("response.completed"), ...numbered, response }),
  z.object({ type: z.literal("response.output_item.added"), ...numbered, output_index: z.int(), item }),
  z.object({ type: z.literal("response.output_item.done"), ...numbered, output_index: z.int(), item }),
  z.object({ type: z.literal("response.content_part.added"), ...inPart, part }),
  z.object({ type: z.literal("response.content_part.done"), ...inPart, part }),
  z.object({ type: z.literal("response.output_text.delta"), ...inPart, delta: z.string() }),
  z.object({ type: z.literal("response.output_text.done"), ...inPart, text: z.string() }),
  z.object({ type: z.literal("response.function_call_arguments.delta"), ...inItem, delta: z.string() }),
  z.object({ type: z.literal("response.function_call_arguments.done"), ...inItem, arguments: z.string() }),
])

const errorEvent = z.object({
  type: z.literal("error"),
  status: z.int(),
  error: z.object({ code: z.string(), message: z.string(), param: z.string().nullable() }),
})

const compacted = z.object({
  id: z.string(),
  object: z.literal("response.compaction"),
  created_at: z.int(),
  output: z.array(
    z.discriminatedUnion("type", [
      z.object({ type: z.literal("compaction"), id: z.string(), encrypted_content: z.string() }),
      z.object({
        type: z.literal("message"),
        id: z.string(),
        status: z.literal("completed"),
        role: z.literal("user"),
        content: z.array(z.object({ type: z.literal("input_text"), text: z.string() })),
      }),
    ]),
  ),
  usage,
})

const post = (path: string, body: object): Promise<Response> =>
  fetch(`${gateway.url}/v1${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: "auto", ...body }),
  })

const says = (role: string, content: unknown, more: object = {}) => ({
  type: "message",
  role,
  content,
  ...more,
})
const user = (text: string) => says("user", text)

const tools = [
  {
    type: "function",
    name: "get_weather",
    description: "The weather at a place",
    parameters: {
      type: "object",
      properties: { location: { type: "string", description: "City and state" } },
      required: ["location"],
    },
  },
]

/** One white pixel. */
const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII="

describe("a response", () => {
  it.each([
    ["to a text", { input: [user("Hello in three words.")] }],
    [
      "to what the assistant said in phases",
      {
        input: [
          says("assistant", "I look for it.", { phase: "commentary" }),
          says("assistant", "It is four.", { phase: "final_answer" }),
          user("The number alone."),
        ],
      },
    ],
    ["with a system's message", { input: [says("system", "You are a pirate."), user("Hello.")] }],
    [
      "to an image",
      {
        input: [
          says("user", [
            { type: "input_text", text: "What is it?" },
            { type: "input_image", image_url: PIXEL },
          ]),
        ],
      },
    ],
    [
      "to several turns",
      { input: [user("I am Alice."), says("assistant", "Hello Alice!"), user("Who am I?")] },
    ],
  ])("%s has every field", async (_, body) => {
    const { output, status } = response.parse(await (await post("/responses", body)).json())
    assert.strictEqual(status, "completed")
    assert.isNotEmpty(output)
  })

  it("calls a tool", async () => {
    const answer = await post("/responses", { input: [user("How is the weather in San Francisco?")], tools })
    const { output } = response.parse(await answer.json())
    assert.include(
      output.map(({ type }) => type),
      "function_call",
    )
  })

  it("is streamed", async () => {
    const text = await (await post("/responses", { input: [user("Count to five.")], stream: true })).text()
    const events = text.split("\n").flatMap((line) => (line.startsWith("data: ") ? [line.slice(6)] : []))
    isAnswer(events.map((data) => JSON.parse(data)))
  })
})

describe("a compacted conversation", () => {
  const input = [
    user("We agreed to launch on Tuesday and to tell support first."),
    says("assistant", "Understood: on Tuesday, support beforehand."),
  ]

  it("has a compaction", async () => {
    const answer = await post("/responses/compact", { input, prompt_cache_key: "k" })
    const { output } = compacted.parse(await answer.json())
    assert.strictEqual(output.at(-1)?.type, "compaction")
  })

  it("is of a model", async () => {
    const { status } = await post("/responses/compact", { model: undefined, input })
    assert.strictEqual(status, 400)
  })

  it("is what a WebSocket goes on from", async () => {
    const { output } = compacted.parse(await (await post("/responses/compact", { input })).json())
    await withSocket(async (ask) => {
      isAnswer(await ask({ input: [...output, user("Go on.")], tools: [] }))
    })
  })
})

describe("a WebSocket", () => {
  it("has one response after the other", () =>
    withSocket(async (ask) => {
      const first = isAnswer(await ask({ input: [user("Count to three.")] }))
      const second = isAnswer(await ask({ input: "The second." }))
      assert.notStrictEqual(first.id, second.id)
    }))

  it("goes on from a response that is not stored", () =>
    withSocket(async (ask) => {
      const { id } = isAnswer(await ask({ input: "Remember cobalt." }))
      isAnswer(await ask({ previous_response_id: id, input: "Which word?" }))
    }))

  it("does not know another one's", async () => {
    const ids: Array<string> = []
    await withSocket(async (ask) => {
      ids.push(isAnswer(await ask({ input: "Remember copper." })).id)
    })
    await withSocket(async (ask) => {
      isNotFound(await ask({ previous_response_id: ids[0], input: "Which word?" }))
      isAnswer(await ask({ input: [user("Anew, then.")] }))
    })
  })

  it("does not know what nobody said", () =>
    withSocket(async (ask) => {
      isNotFound(await ask({ previous_response_id: "resp_missing", input: "Hi" }))
    }))

  it("forgets a response when going on from it fails", () =>
    withSocket(async (ask) => {
      const { id } = isAnswer(await ask({ input: "Remember ember." }))
      const output = { type: "function_call_output", call_id: "call_missing", output: "of no call" }
      const [failed] = await ask({ previous_response_id: id, input: [output] })
      assert.strictEqual(errorEvent.parse(failed).status, 400)
      isNotFound(await ask({ previous_response_id: id, input: "Go on." }))
    }))
})

/** Checks each event and the whole, and returns its response. */
const isAnswer = (events: ReadonlyArray<unknown>) => {
  const parsed = events.map((each) => event.parse(each))
  assert.deepStrictEqual(
    parsed.map(({ sequence_number }) => sequence_number),
    parsed.map((_, index) => index),
  )
  const last = parsed.at(-1)
  assert(last?.type === "response.completed")
  assert.strictEqual(last.response.status, "completed")
  return last.response
}

const isNotFound = (events: ReadonlyArray<unknown>): void => {
  assert.lengthOf(events, 1)
  assert.strictEqual(errorEvent.parse(events[0]).error.code, "previous_response_not_found")
}

/** Lets requests be made that are not to be stored. */
const withSocket = async (
  use: (ask: (body: object) => Promise<Array<SocketEvent>>) => Promise<void>,
): Promise<void> => {
  const client = await SocketClient.open(`${gateway.url}/v1`, key)
  await use((body) => client.ask({ model: "auto", store: false, ...body }))
  await client.close()
}
