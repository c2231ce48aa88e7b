import Anthropic from "@anthropic-ai/sdk"
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, describe, it } from "vitest"
import { z } from "zod"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { hello } from "./anthropic-sdk-world.ts"
import { thrown } from "./openai-sdk-world.ts"

/** A newcomer's first calls: a gateway with nothing configured, and the helpers of Anthropic's own client. */

let gateway: GatewayInProcess
let client: Anthropic

beforeAll(async () => {
  gateway = await GatewayInProcess.start()
  const { key } = await gateway.createKey()
  client = new Anthropic({ apiKey: key, baseURL: gateway.url, maxRetries: 0 })
})

afterAll(() => gateway?.stop())

describe("Anthropic's client with the simulated providers", () => {
  it("reads an answer, whole and streamed", async () => {
    const whole = await client.messages.create(hello("auto"))
    const stream = client.messages.stream(hello("auto"))
    let deltas = 0
    stream.on("text", () => deltas++)
    const streamed = await stream.finalMessage()
    for (const { content, usage, stop_reason } of [whole, streamed]) {
      assert.match(content[0]?.type === "text" ? content[0].text : "", /^\[simulated\]/)
      assert.isAbove(usage.input_tokens, 0)
      assert.isAbove(usage.output_tokens, 0)
      assert.include(["end_turn", "max_tokens"], stop_reason)
    }
    assert.isAbove(deltas, 3)
  })

  it("parses an answer by a zod schema", async () => {
    const format = zodOutputFormat(z.object({ name: z.string(), age: z.int() }))
    const { parsed_output } = await client.messages.parse({ ...hello("auto"), output_config: { format } })
    assert.strictEqual(parsed_output?.name, "simulated")
  })

  it("counts tokens before it asks, and says that it estimates", async () => {
    const { model, messages } = hello("auto")
    const counted = { model, messages, system: "Be brief." }
    const { data, response, request_id } = await client.messages.countTokens(counted).withResponse()
    assert.strictEqual(response.headers.get("x-gateway-estimated"), "true")
    assert.strictEqual(request_id, response.headers.get("x-request-id"))
    assert.isNotNull(response.headers.get("anthropic-ratelimit-requests-limit"))
    assert.deepStrictEqual(Object.keys(data), ["input_tokens"])
    // The simulated providers count by the same vocabulary.
    const answer = await client.messages.create({ ...counted, max_tokens: 100 })
    assert.strictEqual(data.input_tokens, answer.usage.input_tokens)
    const tools = [{ name: "f", input_schema: { type: "object" as const } }]
    const more = await client.messages.countTokens({ ...counted, tools })
    assert.isAbove(more.input_tokens, data.input_tokens)
  })

  it("is refused a count as it would be an answer", async () => {
    const wrongKey = new Anthropic({ apiKey: "gwk_wrong", baseURL: gateway.url, maxRetries: 0 })
    await thrown(wrongKey.messages.countTokens(hello("auto")), Anthropic.AuthenticationError)
    await thrown(client.messages.countTokens({ model: "auto", messages: [] }), Anthropic.BadRequestError)
    const limited = await gateway.createKey({ rpm: 1 })
    const once = new Anthropic({ apiKey: limited.key, baseURL: gateway.url, maxRetries: 0 })
    await once.messages.countTokens({ model: "auto", messages: hello("auto").messages })
    const refused = await thrown(
      once.messages.countTokens({ model: "auto", messages: hello("auto").messages }),
      Anthropic.RateLimitError,
    )
    assert.strictEqual(refused.errorCode, "rate_limited")
  })

  it("lists the models, page by page, and finds one", async () => {
    const ids: Array<string> = []
    for await (const { id, type } of client.models.list({ limit: 2 })) {
      assert.strictEqual(type, "model")
      ids.push(id)
    }
    assert.include(ids, "auto")
    assert.isAbove(ids.length, 2)
    assert.strictEqual(new Set(ids).size, ids.length)
    const [first = "", second = "", third = ""] = ids
    const before = await client.models.list({ before_id: third, limit: 1 })
    assert.deepStrictEqual(
      before.data.map(({ id }) => id),
      [second],
    )
    assert.isTrue(before.has_more)
    const { id, created_at } = await client.models.retrieve(first)
    assert.strictEqual(id, first)
    assert.isNotNaN(Date.parse(created_at))
    const unknown = await thrown(client.models.retrieve("nobody-knows"), Anthropic.NotFoundError)
    assert.strictEqual(unknown.type, "not_found_error")
    const wrong = await thrown(client.models.list({ limit: 0 }), Anthropic.BadRequestError)
    assert.include(wrong.message, "limit")
  })
})
