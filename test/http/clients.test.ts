import { readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { isObject } from "../../src/platform/json.ts"
import { ok, toolCall } from "../support/fake-upstream-behaviours.ts"
import { OpenAiWorld } from "./openai-sdk-world.ts"

/**
 * What the programs and libraries of docs/clients.md sent, with the results of three calls where they have tools (texts
 * shortened, tools that were not called left out), through each kind of provider.
 */

interface Recording {
  readonly client: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
}

const recordings: ReadonlyArray<Recording> = JSON.parse(
  readFileSync(new URL("../fixtures/agents/clients.json", import.meta.url), "utf8"),
)

let world: OpenAiWorld

beforeAll(async () => {
  world = await OpenAiWorld.start({ openAi: true, claude: true, models: ["big"] })
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const MODELS = ["p0/big", "openai/gpt-5.4-mini", "g0/gemini-2.5-flash", "c0/claude-sonnet-5"]

const send = ({ body, headers, path }: Recording, model: string, more: object = {}) =>
  world.post(path.replace("/v1", ""), { ...body, ...more, model }, headers)

/** Results of tools in a request, in whatever dialect. */
const resultsIn = (json: unknown): number =>
  JSON.stringify(json).match(/"(tool_call_id|functionResponse|tool_use_id)":|"type":"function_call_output"/g)
    ?.length ?? 0

/** The answer's text, of whatever dialect and whether streamed. */
const textIn = (said: string): string => {
  const objects = said.startsWith("{") ? [said] : said.match(/(?<=^data: )\{.*$/gm)
  const texts = (value: unknown): ReadonlyArray<string> => {
    if (Array.isArray(value)) return value.flatMap(texts)
    if (!isObject(value)) return []
    const { content, delta, text, type } = value
    if (type === "response.output_text.delta" && typeof delta === "string") return [delta]
    // An event that says again what its deltas said.
    if (typeof type === "string" && /^response\.(output|content|completed)/.test(type)) return []
    if (typeof text === "string") return [text]
    if (typeof content === "string") return [content]
    return Object.values(value).flatMap(texts)
  }
  return (objects ?? []).flatMap((each) => texts(JSON.parse(each))).join("")
}

describe.each(recordings)("$client", (recorded) => {
  it.each(MODELS)("gets its answer from %s, who reads its results", async (model) => {
    world.upstream.respond(ok({ text: "Told all three." }))
    const response = await send(recorded, model)
    const said = await response.text()
    assert.strictEqual(response.status, 200, said)
    assert.strictEqual(textIn(said), "Told all three.")
    assert.strictEqual(resultsIn(world.upstream.calls.at(-1)?.json), resultsIn(recorded.body))
  })
})

describe("a text without citations", () => {
  const [recorded] = recordings.filter(({ client }) => client === "Vercel AI SDK, Messages")

  it.each([false, true])(
    "has no field for them, as Claude's has none: the AI SDK takes no null (stream: %s)",
    async (stream) => {
      assert(recorded !== undefined)
      world.upstream.respond(ok({ text: "Rome" }))
      const said = await (await send(recorded, "p0/big", { stream })).text()
      assert.include(said, '"type":"text"')
      assert.notInclude(said, "citations")
    },
  )
})

describe.each(MODELS)("Cursor's agent, which sends Responses to chat's path, through %s", (model) => {
  // As forum.cursor.com/t/159298 and other gateways' documents have it; its servers reach no test.
  const asked = {
    input: [
      { role: "system", content: "You are an agent." },
      { role: "user", content: [{ type: "input_text", text: "Read a.txt" }] },
      { type: "function_call", call_id: "call_1", name: "read_file", arguments: '{"path":"a.txt"}' },
      { type: "function_call_output", call_id: "call_1", output: "hello" },
    ],
    tools: [{ type: "function", name: "read_file", parameters: { type: "object", properties: {} } }],
    include: ["reasoning.encrypted_content"],
    reasoning: { effort: "medium", summary: "auto" },
    text: { verbosity: "low" },
    stream: true,
    stream_options: { include_usage: true },
  }

  it("is answered in chat, its usage included", async () => {
    world.upstream.respond(ok({ text: "It says hello." }))
    const response = await world.post("/chat/completions", { ...asked, model })
    assert.include(response.headers.get("x-gateway-dropped"), "reasoning.summary")
    const said = await response.text()
    assert.strictEqual(textIn(said), "It says hello.", said)
    assert.strictEqual(resultsIn(world.upstream.calls.at(-1)?.json), 1)
    assert.match(said, /"object":"chat.completion.chunk".*"usage":\{"prompt_tokens"/s)
    assert.match(said, /data: \[DONE\]\n\n$/)
  })

  it("gets calls of its tools in chat", async () => {
    world.upstream.respond(toolCall("read_file", { path: "b.txt" }))
    const { choices } = JSON.parse(
      await (await world.post("/chat/completions", { ...asked, model, stream: false })).text(),
    )
    const [{ function: called }] = choices[0].message.tool_calls
    assert.deepStrictEqual(called, { name: "read_file", arguments: '{"path":"b.txt"}' })
  })
})
