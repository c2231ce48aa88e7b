import { readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { failure, ok, toolCall } from "../support/fake-upstream-behaviours.ts"
import { OpenAiWorld } from "./openai-sdk-world.ts"

/**
 * What coding agents send, as Claude Code 2.1 and Codex 0.171 sent it (texts shortened, names and ids replaced), through each
 * kind of provider. `scripts/verify-agents.ts` has the agents themselves do whole turns.
 */

interface Recording {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
}

const read = (name: string): Recording =>
  JSON.parse(readFileSync(new URL(`../fixtures/agents/${name}.json`, import.meta.url), "utf8"))

const claudeCode = read("claude-code")
const codex = read("codex")

let world: OpenAiWorld

beforeAll(async () => {
  world = await OpenAiWorld.start({
    openAi: true,
    claude: true,
    models: ["big"],
    maxAttempts: 2,
    rest: "  search: { candidates: [p0/big, openai/gpt-5.4], exploration: 0, weights: { latency: 0, cost: 1 } }\n",
  })
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

/** Sends a recording as it came, but for its model and key. */
const send = ({ body, headers, path }: Recording, model: string, more: object = {}) => {
  const { authorization: _, ...own } = headers
  return world.post(path.replace("/v1", ""), { ...body, ...more, model }, own)
}

const lastCall = () => {
  const call = world.upstream.calls.at(-1)
  assert(call !== undefined)
  return call
}

const MODELS = ["p0/big", "openai/gpt-5.4-mini", "g0/gemini-2.5-flash", "c0/claude-sonnet-5"]

describe.each(MODELS)("through %s", (model) => {
  // Its limit is below what Claude Code asks for.
  const recorded =
    model === "g0/gemini-2.5-flash"
      ? { ...claudeCode, body: { ...claudeCode.body, max_tokens: 8_000 } }
      : claudeCode

  it("Claude Code is answered, and gets calls of its tools", async () => {
    world.upstream.respond(ok({ text: "Hello." }))
    const said = await (await send(recorded, model)).text()
    assert.include(said, '"type":"text_delta"')
    assert.include(said, "event: message_stop")
    world.upstream.respond(toolCall("Bash", { command: "ls" }))
    const called = await (await send(recorded, model)).text()
    assert.match(called, /"type":"tool_use".*"name":"Bash"/)
    assert.include(called, '"stop_reason":"tool_use"')
  })

  it("Codex is answered, and gets calls of its tools", async () => {
    world.upstream.respond(ok({ text: "Hello." }))
    const said = await (await send(codex, model)).text()
    assert.include(said, "event: response.output_text.delta")
    assert.include(said, "event: response.completed")
    world.upstream.respond(toolCall("exec_command", { cmd: "ls" }))
    const called = await (await send(codex, model)).text()
    assert.match(called, /"type":"function_call".*"name":"exec_command"/)
  })
})

describe("Claude Code", () => {
  it("speaks to Claude in its own words, betas included", async () => {
    await (await send(claudeCode, "c0/claude-sonnet-5")).text()
    assert.deepStrictEqual(lastCall().asked.json, { ...claudeCode.body, model: "claude-sonnet-5" })
    assert.strictEqual(lastCall().headers["anthropic-beta"], claudeCode.headers["anthropic-beta"])
  })

  it("has its effort and tools put into OpenAI's Responses, and is told what was left out", async () => {
    const response = await send(claudeCode, "openai/gpt-5.4-mini")
    await response.text()
    assert.strictEqual(lastCall().path, "/v1/responses")
    const { reasoning, tools } = lastCall().asked.json as { reasoning: unknown; tools: ReadonlyArray<object> }
    assert.deepStrictEqual(reasoning, { effort: "high" })
    assert.lengthOf(tools, 24)
    assert.notInclude(lastCall().body.toString(), "cache_control")
    assert.deepStrictEqual(response.headers.get("x-gateway-dropped")?.split(", "), [
      ...["context_management", "system[1].cache_control", "system[2].cache_control"],
      ...["messages[0].content[1].cache_control", "anthropic-beta"],
    ])
  })
})

describe.each(MODELS)("a conversation that is too long for %s", (model) => {
  it("is told to Claude Code in the words upon which it puts it in short", async () => {
    world.upstream.respond(failure("contextTooLong"))
    const { error } = JSON.parse(await (await send(claudeCode, model, { max_tokens: 8_000 })).text())
    assert.strictEqual(error.type, "invalid_request_error")
    assert.match(error.message, /^prompt is too long: (?!prompt is)/)
  })
})

describe("a search that Codex offers", () => {
  it("is had from who can search, though another is cheaper", async () => {
    const response = await send(codex, "search")
    await response.text()
    assert.strictEqual(response.headers.get("x-gateway-model"), "gpt-5.4")
    assert.isNull(response.headers.get("x-gateway-dropped"))
  })

  it("is gone without when nobody else answers", async () => {
    world.upstream.enqueue(failure("serverError"))
    const response = await send(codex, "search")
    await response.text()
    assert.strictEqual(response.headers.get("x-gateway-model"), "big")
    assert.include(response.headers.get("x-gateway-dropped"), "tools[8]")
  })
})
