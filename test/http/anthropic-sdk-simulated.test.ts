import Anthropic from "@anthropic-ai/sdk"
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, describe, it } from "vitest"
import { z } from "zod"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { hello } from "./anthropic-sdk-world.ts"

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
})
