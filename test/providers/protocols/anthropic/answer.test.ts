import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { anthropicModels } from "../../../../src/catalog/builtin-models.ts"
import { costOf } from "../../../../src/catalog/cost.ts"
import { type ClaudeBlock, claudeMessage } from "../../../support/fake-upstream-anthropic.ts"
import { bodyOf, protocol } from "./lowering.ts"

const parse = (json: unknown) =>
  protocol.parse("claude-x", { json, bytes: Buffer.from(JSON.stringify(json)), nowMs: 1_700_000_000_123 })

const bodyOfAnswer = (json: unknown) => JSON.parse(String(Result.getOrThrow(parse(json)).body()))

const faultOf = (json: unknown) => {
  const parsed = parse(json)
  return Result.isFailure(parsed) ? parsed.failure.kind : undefined
}

const thinking: ClaudeBlock = { type: "thinking", thinking: "Hm.", signature: "c2ln" }
const text: ClaudeBlock = { type: "text", text: "Rome" }
const call: ClaudeBlock = { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Rome" } }

describe("a whole answer", () => {
  it("reads as OpenAI's", () => {
    const message = claudeMessage({ model: "claude-x-1" }, [thinking, text, call], "tool_use")
    assert.deepStrictEqual(bodyOfAnswer(message), {
      id: "chatcmpl-msg_fake",
      object: "chat.completion",
      created: 1_700_000_000,
      model: "claude-x-1",
      choices: [
        {
          index: 0,
          message: {
            role: "assistant",
            content: "Rome",
            refusal: null,
            reasoning_content: "Hm.",
            reasoning_details: [
              {
                type: "reasoning.text",
                text: "Hm.",
                signature: "c2ln",
                format: "anthropic-claude-v1",
                index: 0,
              },
            ],
            tool_calls: [
              {
                id: "toolu_1",
                type: "function",
                function: { name: "weather", arguments: '{"city":"Rome"}' },
              },
            ],
          },
          logprobs: null,
          finish_reason: "tool_calls",
        },
      ],
      usage: {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
    })
  })

  it("comes back as the turn that it was", () => {
    const message = claudeMessage(
      { model: "x" },
      [thinking, { type: "redacted_thinking", data: "AA" }, text, call],
      "tool_use",
    )
    const [choice] = bodyOfAnswer(message).choices
    const { messages } = bodyOf({
      messages: [
        { role: "user", content: "Where?" },
        choice.message,
        { role: "tool", tool_call_id: "toolu_1", content: "sunny" },
      ],
    })
    assert.deepStrictEqual(messages[1].content, message.content)
  })

  it.each([
    ["end_turn", "stop"],
    ["stop_sequence", "stop"],
    ["max_tokens", "length"],
    ["model_context_window_exceeded", "length"],
    ["refusal", "content_filter"],
    ["pause_turn", "other"],
    ["invented", "other"],
  ] as const)("that ended for %s has ended for %s", (reason, finish) => {
    assert.strictEqual(
      Result.getOrThrow(parse(claudeMessage({ model: "x" }, [text], reason))).finishReason,
      finish,
    )
  })

  it("counts what the cache read and wrote as input", () => {
    const { usage } = Result.getOrThrow(
      parse(
        claudeMessage({ model: "x" }, [text], "end_turn", {
          input_tokens: 1,
          cache_creation_input_tokens: 20,
          cache_read_input_tokens: 300,
          cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 15 },
          output_tokens: 9,
          output_tokens_details: { thinking_tokens: 4 },
          server_tool_use: { web_search_requests: 2 },
          service_tier: "priority",
          inference_geo: "us",
          speed: "fast",
        }),
      ),
    )
    assert.deepStrictEqual(usage, {
      inputTokens: 321,
      outputTokens: 9,
      cachedTokens: 300,
      cacheWriteTokens: 20,
      reasoningTokens: 4,
      details: { cache_write_1h_tokens: 15, web_searches: 2 },
      serviceTier: "priority-fast-us",
    })
  })

  it("has a tier that is no name, and not the usual one, where Claude says something else", () => {
    const tierOf = (told: object) =>
      Result.getOrThrow(
        parse(
          claudeMessage({ model: "x" }, [text], "end_turn", { input_tokens: 1, output_tokens: 1, ...told }),
        ),
      ).usage?.serviceTier
    assert.strictEqual(tierOf({ service_tier: { name: "priority" } }), "nameless")
    assert.strictEqual(tierOf({ service_tier: "a b" }), "nameless")
    assert.strictEqual(tierOf({ speed: "faster" }), "faster")
    assert.isUndefined(tierOf({ service_tier: "standard", speed: "standard", inference_geo: "global" }))
  })

  it.each<[name: string, counts: object]>([
    ["no input", { input_tokens: 0, output_tokens: 9 }],
    [
      "other parts of what was written than all of it",
      {
        input_tokens: 1,
        output_tokens: 9,
        cache_creation_input_tokens: 20,
        cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 5 },
      },
    ],
  ])("knows no usage with %s", (_name, counts) => {
    const message = claudeMessage({ model: "x" }, [text], "end_turn", counts)
    assert.isNull(Result.getOrThrow(parse(message)).usage)
  })

  it("counts what compacting the conversation took, which its totals leave out", () => {
    const { usage } = Result.getOrThrow(
      parse(
        claudeMessage({ model: "x" }, [text], "end_turn", {
          input_tokens: 23_000,
          cache_read_input_tokens: 10,
          cache_creation: { ephemeral_1h_input_tokens: 0 },
          output_tokens: 1_000,
          iterations: [
            {
              type: "compaction",
              input_tokens: 180_000,
              cache_read_input_tokens: 0,
              cache_creation_input_tokens: 500,
              cache_creation: { ephemeral_1h_input_tokens: 500 },
              output_tokens: 3_500,
            },
            { type: "message", input_tokens: 23_000, output_tokens: 1_000 },
          ],
        }),
      ),
    )
    assert.deepStrictEqual(usage, {
      inputTokens: 203_510,
      outputTokens: 4_500,
      cachedTokens: 10,
      cacheWriteTokens: 500,
      reasoningTokens: 0,
      details: { cache_write_1h_tokens: 500 },
    })
  })

  it("has no known price with another model's advice, which its totals leave out", () => {
    const { usage } = Result.getOrThrow(
      parse(
        claudeMessage({ model: "x" }, [text], "end_turn", {
          input_tokens: 400,
          output_tokens: 500,
          iterations: [
            { type: "message", input_tokens: 400, output_tokens: 500 },
            { type: "advisor_message", model: "y", input_tokens: 900, output_tokens: 1_600 },
          ],
        }),
      ),
    )
    assert.strictEqual(usage?.serviceTier, "advisor")
    const price = anthropicModels[0]?.price
    assert.strictEqual(costOf(price, usage, Date.now()).reason, "unknown_service_tier")
  })

  it("is none without a message, with an error, or with nothing said", () => {
    const deep = JSON.parse(`${'{"a":'.repeat(300)}1${"}".repeat(300)}`)
    assert.strictEqual(faultOf(["no message"]), "bad_response")
    assert.strictEqual(faultOf({ type: "message" }), "bad_response")
    assert.strictEqual(faultOf({ content: [{ type: "tool_use", input: deep }] }), "bad_response")
    assert.strictEqual(faultOf({ type: "error", error: { type: "overloaded_error" } }), "overloaded")
    assert.strictEqual(faultOf(claudeMessage({ model: "x" }, [], "end_turn")), "no_answer")
    assert.strictEqual(faultOf(claudeMessage({ model: "x" }, [thinking], "pause_turn")), "no_answer")
    assert.isUndefined(faultOf(claudeMessage({ model: "x" }, [], "refusal")))
  })
})
