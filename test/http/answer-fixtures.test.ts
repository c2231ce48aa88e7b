import { readdirSync, readFileSync } from "node:fs"
import { afterAll, assert, beforeAll, beforeEach, describe, expect, it } from "@effect/vitest"
import { type JsonObject, parseJson } from "../../src/platform/json.ts"
import { status } from "../support/fake-upstream-behaviours.ts"
import { OpenAiWorld, user } from "./openai-sdk-world.ts"

/**
 * Complete answers: `test/fixtures/answers/<wire>/<case>/upstream.http` is what a provider says, and beside it stands what a
 * client of each dialect gets. After a change that is meant: `vitest run fixtures -u`, and read the difference.
 */
const folder = new URL("../fixtures/answers/", import.meta.url)

/** The provider and the model that stand for a wire. */
const wires = {
  anthropic: ["c0", "claude-haiku-5-5"],
  gemini: ["g0", "gemini-2.5-flash"],
  "openai-chat": ["p0", "m"],
  "openai-responses": ["openai", "gpt-5.5-pro"],
} as const

const parameters = { type: "object", properties: { city: { type: "string" } } }
const question = "What is the weather in Rome?"

/** The same question in each dialect. */
const dialects: Readonly<Record<string, readonly [path: string, body: JsonObject]>> = {
  chat: [
    "/chat/completions",
    {
      messages: [user(question)],
      tools: [{ type: "function", function: { name: "weather", parameters } }],
      stream_options: { include_usage: true },
    },
  ],
  messages: [
    "/messages",
    { messages: [user(question)], tools: [{ name: "weather", input_schema: parameters }], max_tokens: 1000 },
  ],
  responses: ["/responses", { input: question, tools: [{ type: "function", name: "weather", parameters }] }],
}

let world: OpenAiWorld

beforeAll(async () => {
  world = await OpenAiWorld.start({ openAi: true, claude: true })
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const readHttp = (file: URL) => {
  const [head = "", ...rest] = readFileSync(file, "utf8").split("\n\n")
  const [line = "", ...fields] = head.split("\n")
  const headers = Object.fromEntries(fields.map((field) => field.split(": ") as [string, string]))
  return { code: Number(line.split(" ")[1]), headers, body: rest.join("\n\n") }
}

/** Header fields that say something of the answer. */
const SHOWN = ["content-type", "retry-after", "x-should-retry", "x-gateway-dropped"]

/** Writes a response as its fixture has it: JSON for people, and without what each one has of its own. */
const writeHttp = async (response: Response): Promise<string> => {
  const fields = SHOWN.flatMap((name) => {
    const value = response.headers.get(name)
    return value === null ? [] : [`${name}: ${value}\n`]
  })
  const text = await response.text()
  const json = parseJson(text)
  const body = json === undefined ? text : `${JSON.stringify(json, null, 2)}\n`
  const id = response.headers.get("x-request-id")
  assert(id !== null)
  return `HTTP/1.1 ${response.status}\n${fields.join("")}\n${body}`
    .replaceAll(id, "REQUEST_ID")
    .replaceAll(id.replaceAll("-", ""), "REQUEST_ID")
    .replaceAll(/("(?:created|created_at|completed_at)": ?)(?!1700000000)\d{10}/g, "$10")
}

describe.each(Object.entries(wires))("%s", (wire, [provider, model]) => {
  const cases = new URL(`${wire}/`, folder)

  describe.each(readdirSync(cases))("%s", (name) => {
    const { body, code, headers } = readHttp(new URL(`${name}/upstream.http`, cases))
    const stream = headers["content-type"] === "text/event-stream"

    it.each(Object.entries(dialects))("for a client of %s", async (dialect, [path, asked]) => {
      // The case before may have made the gateway wary of it.
      await world.gateway.admin(`/admin/providers/${provider}/reset`, { method: "POST" })
      world.upstream.respond(status(code, body, headers))
      const { stream_options, ...rest } = asked
      const response = await world.post(path, {
        ...rest,
        model: `${provider}/${model}`,
        ...(stream && { stream, ...(stream_options !== undefined && { stream_options }) }),
      })
      assert.strictEqual(world.upstream.count, 1)
      await expect(await writeHttp(response)).toMatchFileSnapshot(
        new URL(`${name}/${dialect}.http`, cases).pathname,
      )
    })
  })
})
