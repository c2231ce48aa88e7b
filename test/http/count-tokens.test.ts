import Anthropic from "@anthropic-ai/sdk"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { failure, ok, status } from "../support/fake-upstream-behaviours.ts"
import { AnthropicWorld, hello, OLD_VERSION } from "./anthropic-sdk-world.ts"
import { PROVIDER_KEY, thrown } from "./openai-sdk-world.ts"

/** Tokens of a request, counted by Claude's vendor where Claude would answer. */

let world: AnthropicWorld
let client: Anthropic

beforeAll(async () => {
  world = await AnthropicWorld.start({ claude: true })
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const { messages } = hello("")
const usage = { input: 4_711, output: 0 }

const count = async (model: string, more: object = {}) => {
  const { data, response } = await client.messages
    .countTokens({ model, messages, ...more }, { headers: { "anthropic-beta": "a-beta" } })
    .withResponse()
  return { tokens: data.input_tokens, estimated: response.headers.get("x-gateway-estimated") }
}

describe("a count", () => {
  it("is Claude's own where Claude is first in line, of the client's bytes", async () => {
    world.upstream.respond(ok({ usage }))
    for (const model of ["c0/claude-opus-5", "three"]) {
      assert.deepStrictEqual(await count(model), { tokens: 4_711, estimated: "false" })
    }
    const call = world.upstream.calls.at(-1)
    assert(call !== undefined)
    assert.strictEqual(call.path, "/v1/messages/count_tokens")
    assert.strictEqual(call.headers["x-api-key"], PROVIDER_KEY)
    assert.strictEqual(call.headers["anthropic-beta"], "a-beta")
    await world.post(
      '{"model":"c0/claude-opus-5", "messages":[{"role":"user","content":"Hi"}],"new":1.50}',
      OLD_VERSION,
      "/messages/count_tokens",
    )
    assert.strictEqual(
      world.upstream.calls.at(-1)?.body.toString(),
      '{"model":"claude-opus-5", "messages":[{"role":"user","content":"Hi"}],"new":1.50}',
    )
  })

  it("is an estimate where another is, and nobody is asked", async () => {
    for (const model of ["p0/m", "both"]) {
      const { estimated, tokens } = await count(model)
      assert.strictEqual(estimated, "true")
      assert.isAbove(tokens, 0)
    }
    assert.strictEqual(world.upstream.count, 0)
  })

  it("is refused with a limit that is none, as an answer is", async () => {
    for (const limit of ["-12345678901234567890", '{"valueOf":1}', "0"]) {
      const body = `{"model":"p0/m","messages":[{"role":"user","content":"Hi"}],"max_tokens":${limit}}`
      const response = await world.post(body, OLD_VERSION, "/messages/count_tokens")
      assert.strictEqual(response.status, 400)
      assert.include(await response.text(), '"param":"max_tokens"')
    }
  })

  it("is an estimate when Claude's vendor does not count", async () => {
    for (const broken of [
      failure("serverError"),
      failure("badRequest"),
      status(200, { input_tokens: "7" }),
    ]) {
      world.upstream.respond(broken)
      assert.strictEqual((await count("c0/claude-opus-5")).estimated, "true")
    }
  })

  it("of a prompt that no model holds is a count all the same", async () => {
    const long = [{ role: "user" as const, content: "word ".repeat(60_000) }]
    assert.isAbove((await count("p0/m", { messages: long })).tokens, 50_000)
  })

  it("is refused for names that are none, and for those of others", async () => {
    await thrown(count("nothing"), Anthropic.NotFoundError)
    const { key } = await world.world.gateway.createKey({ models: ["p0/m"] })
    const limited = world.client({ apiKey: key })
    const wanted = { model: "c0/claude-opus-5", messages }
    await thrown(limited.messages.countTokens(wanted), Anthropic.PermissionDeniedError)
    assert.strictEqual(world.upstream.count, 0)
  })
})
