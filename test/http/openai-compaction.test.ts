import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { ok, status, toolCall } from "../support/fake-upstream-behaviours.ts"
import { eventually } from "../support/process-watch.ts"
import { OpenAiWorld, thrown } from "./openai-sdk-world.ts"

/** Conversations in short: OpenAI's own way to compact, and a model's summary where there is none. */

let world: OpenAiWorld
let client: OpenAI

beforeAll(async () => {
  world = await OpenAiWorld.start({ openAi: true, claude: true })
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const lastCall = () => {
  const call = world.upstream.calls.at(-1)
  assert(call !== undefined)
  return call
}

type Items = OpenAI.Responses.ResponseInputItem[]

const conversation: Items = [
  { role: "user", content: "Launch on Tuesday." },
  { type: "function_call", call_id: "call_1", name: "note", arguments: '{"day":"Tuesday"}' },
  { type: "function_call_output", call_id: "call_1", output: "noted" },
  { role: "assistant", content: "It is noted." },
  { type: "message", role: "user", content: [{ type: "input_text", text: "And tell support." }] },
]

const SUMMARY = "Launch on Tuesday, support first: noted."

const MODELS = ["p0/m", "g0/gemini-2.5-flash", "c0/claude-haiku-5-5"]

describe.each(MODELS)("a model that summarizes: %s", (model) => {
  const compact = () => {
    world.upstream.respond(ok({ text: SUMMARY, usage: { input: 30, output: 9 } }))
    return client.responses.compact({ model, input: conversation, prompt_cache_key: "k" })
  }

  it("reads the whole conversation, and the wish at its end", async () => {
    await compact()
    const sent = lastCall().asked.prompt
    for (const said of ["Launch on Tuesday.", "It is noted.", "And tell support."]) assert.include(sent, said)
    assert.match(sent, /Answer with the summary alone\.$/)
  })

  it("leaves what the user said as it is, and one item for the rest", async () => {
    const { id, object, output, usage } = await compact()
    assert.strictEqual(object, "response.compaction")
    assert.match(id, /^resp_[0-9a-f]{32}$/)
    assert.deepInclude(usage, { input_tokens: 30, output_tokens: 9, total_tokens: 39 })
    // Its types have no user's messages in an output, as their sentence has.
    const items: ReadonlyArray<{ type: string; content?: unknown }> = output
    assert.deepStrictEqual(
      items.map(({ content, type }) => content ?? type),
      [
        [{ type: "input_text", text: "Launch on Tuesday." }],
        [{ type: "input_text", text: "And tell support." }],
        "compaction",
      ],
    )
  })

  it.each([...MODELS, "openai/gpt-5.5-pro"])("gives what %s goes on from", async (next) => {
    const { output } = await compact()
    world.upstream.respond(ok({ text: "On Tuesday." }))
    const input = [...output, { role: "user", content: "When?" }] as Items
    const { output_text } = await client.responses.create({ model: next, input })
    assert.strictEqual(output_text, "On Tuesday.")
    const sent = JSON.stringify(lastCall().json)
    assert.include(sent, SUMMARY)
    assert.notInclude(sent, "compaction")
  })
})

describe("no summary", () => {
  it.each([
    ["was cut", ok({ text: "Launch on", finish: "length" })],
    ["says nothing", ok({ text: "" })],
    ["calls a tool", toolCall("note", {})],
  ])("is one that %s", async (_, behaviour) => {
    world.upstream.respond(behaviour)
    const error = await thrown(
      client.responses.compact({ model: "p0/m", input: conversation }),
      OpenAI.InternalServerError,
    )
    assert.strictEqual(error.code, "upstream_bad_response")
  })

  it("is kept for a repetition", async () => {
    const headers = { "idempotency-key": "compact-1" }
    const compact = () => client.responses.compact({ model: "p0/m", input: "Hi" }, { headers })
    world.upstream.respond(ok({ text: "" }))
    await thrown(compact(), OpenAI.InternalServerError)
    world.upstream.respond(ok({ text: SUMMARY }))
    assert.strictEqual((await compact()).object, "response.compaction")
  })

  it.each([
    ["model", { input: "Hi" }],
    ["input", { model: "p0/m" }],
    ["previous_response_id", { model: "p0/m", input: "Hi", previous_response_id: "resp_1" }],
  ])("is made without what %s says", async (param, body) => {
    const response = await world.post("/responses/compact", body)
    assert.strictEqual(response.status, 400)
    const { error } = (await response.json()) as { error: { param: string } }
    assert.strictEqual(error.param, param)
    assert.lengthOf(world.upstream.calls, 0)
  })
})

describe("OpenAI's own way", () => {
  const theirs = {
    id: "resp_1",
    object: "response.compaction",
    created_at: 1_700_000_000,
    output: [{ id: "cmp_1", type: "compaction", encrypted_content: "gAAAAABoZW5jcnlwdGVk" }],
    usage: {
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 9,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 39,
    },
  } as const

  it("is asked for in the client's own words, and passes", async () => {
    world.upstream.respond(status(200, theirs))
    const body = { model: "openai/gpt-5.5", input: conversation, prompt_cache_key: "k" }
    const response = await world.post("/responses/compact", body)
    assert.strictEqual(response.headers.get("x-gateway-dropped"), null)
    assert.deepStrictEqual(await response.json(), theirs)
    const { json, path } = lastCall()
    assert.strictEqual(path, "/v1/responses/compact")
    assert.deepStrictEqual(json, { ...body, model: "gpt-5.5" })
  })

  it("takes the gateway's summaries too", async () => {
    world.upstream.respond(ok({ text: SUMMARY }))
    const { output } = await client.responses.compact({ model: "p0/m", input: "Hi" })
    world.upstream.respond(status(200, theirs))
    await client.responses.compact({ model: "openai/gpt-5.5", input: output as Items })
    const sent = JSON.stringify(lastCall().json)
    assert.include(sent, SUMMARY)
    assert.notInclude(sent, "compaction")
  })

  it("makes an item that goes to OpenAI alone", async () => {
    const input: Items = [...theirs.output, { role: "user", content: "When?" }]
    await client.responses.create({ model: "openai/gpt-5.5", input })
    assert.deepInclude(lastCall().json, { input })
    const error = await thrown(client.responses.create({ model: "p0/m", input }), OpenAI.BadRequestError)
    assert.strictEqual(error.param, "input[0].type")
  })
})

describe("a server in OpenAI's place", () => {
  const noPath = (path: string) =>
    status(404, {
      error: {
        message: `Invalid URL (POST ${path})`,
        type: "invalid_request_error",
        param: null,
        code: null,
      },
    })

  it.each([
    ["no compaction", ["/v1/responses/compact", "/v1/responses"]],
    ["nothing but chat", ["/v1/responses/compact", "/v1/responses", "/v1/chat/completions"]],
  ])("that has %s is asked for a summary, and loses no model", async (_, paths) => {
    const other = await OpenAiWorld.start({ openAi: true, maxAttempts: 3 })
    try {
      for (const path of paths.slice(0, -1)) other.upstream.enqueue(noPath(path))
      other.upstream.respond(ok({ text: SUMMARY }))
      const { output } = await other.client().responses.compact({ model: "openai/gpt-5.5", input: "Hi" })
      assert.strictEqual(output.at(-1)?.type, "compaction")
      assert.deepStrictEqual(
        other.upstream.calls.map(({ path }) => path),
        paths,
      )
      await other
        .client()
        .chat.completions.create({ model: "openai/gpt-5.5", messages: [{ role: "user", content: "Hi" }] })
    } finally {
      await other.stop()
    }
  })
})

it("has an endpoint of its own in the ledger", async () => {
  const { id, key } = await world.gateway.createKey()
  await world.client({ apiKey: key }).responses.compact({ model: "p0/m", input: "Hi" })
  const path = `/analytics/requests?key_id=${id}&endpoint=/v1/responses/compact`
  const count = async () =>
    ((await (await world.gateway.admin(path)).json()) as { data: ReadonlyArray<object> }).data.length
  await eventually(async () => (await count()) === 1, 10_000)
})
