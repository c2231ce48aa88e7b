import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import type { OpenAI } from "openai"
import type { ChatChunk } from "../../../../src/domain/Chat.ts"
import { SseParser } from "../../../../src/providers/http/sse.ts"
import type { Reading } from "../../../../src/providers/protocols/Protocol.ts"
import {
  type ClaudeBlock,
  claudeEvent,
  claudeEvents,
  claudeMessage,
} from "../../../support/fake-upstream-anthropic.ts"
import { bodyOf, protocol } from "./lowering.ts"

type Chunk = OpenAI.ChatCompletionChunk
type Delta = Chunk["choices"][number]["delta"] & {
  readonly reasoning_content?: string
  readonly reasoning_details?: ReadonlyArray<object>
}

/** Feeds events until the stream is over; `outcome` is how it ended. */
const run = (events: ReadonlyArray<string>, rest = "") => {
  const reader = protocol.openStream("claude-x", 1_700_000_000_123)
  const chunks: Array<ChatChunk> = []
  const take = (reading: Reading) => {
    if (reading._tag !== "Fault") chunks.push(...reading.chunks)
    return reading
  }
  for (const event of new SseParser(1_000_000).push(Buffer.from(events.join(""))).events) {
    const reading = take(reader.read(event))
    if (reading._tag === "Fault") return { chunks, outcome: reading.fault.kind }
    if (reading._tag === "Done") return { chunks, outcome: "Done" as const }
  }
  const end = take(reader.end(rest))
  return { chunks, outcome: end._tag === "Fault" ? end.fault.kind : end._tag }
}

const wire = ({ event }: ChatChunk): Chunk => {
  const text = Buffer.from(event).toString()
  assert.match(text, /^data: [^\n]+\n\n$/)
  return JSON.parse(text.slice(6))
}
const deltas = (chunks: ReadonlyArray<ChatChunk>): ReadonlyArray<Delta> =>
  chunks.map(wire).flatMap(({ choices }) => choices.map(({ delta }) => delta))

const thinking: ClaudeBlock = { type: "thinking", thinking: "They want it.", signature: "c2ln" }
const text: ClaudeBlock = { type: "text", text: "Grüße 🌍" }
const call: ClaudeBlock = { type: "tool_use", id: "toolu_1", name: "fn__a__2f__b", input: { city: "Rome" } }
const bare: ClaudeBlock = { type: "tool_use", id: "toolu_2", name: "now", input: {} }

const usage = {
  input_tokens: 3,
  cache_creation_input_tokens: 4,
  cache_read_input_tokens: 5,
  cache_creation: { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 3 },
  output_tokens: 20,
  output_tokens_details: { thinking_tokens: 7 },
  service_tier: "standard",
}

describe("a streamed answer", () => {
  it("gives one role, its thoughts, the text, the calls, one reason and one usage", () => {
    const message = claudeMessage({ model: "claude-x-1" }, [thinking, text, call, bare], "tool_use", usage)
    const { chunks, outcome } = run(claudeEvents(message))
    assert.strictEqual(outcome, "Done")
    const all = deltas(chunks)
    assert.deepStrictEqual(all[0], { role: "assistant", content: "" })
    assert.strictEqual(
      all.map(({ reasoning_content }) => reasoning_content ?? "").join(""),
      thinking.thinking,
    )
    assert.strictEqual(all.map(({ content }) => content ?? "").join(""), text.text)
    const pieces = all.flatMap(({ tool_calls = [] }) => tool_calls)
    const joined = [0, 1].map((index) =>
      pieces
        .filter((piece) => piece.index === index)
        .map((piece) => piece.function?.arguments)
        .join(""),
    )
    assert.deepStrictEqual(joined, ['{"city":"Rome"}', "{}"])
    assert.deepStrictEqual(
      pieces
        .filter(({ id }) => id !== undefined)
        .map(({ function: called, id, index }) => [index, id, called?.name]),
      [
        [0, "toolu_1", "a/b"],
        [1, "toolu_2", "now"],
      ],
    )
    const reasons = chunks.flatMap((chunk) =>
      wire(chunk).choices.flatMap(({ finish_reason }) => finish_reason ?? []),
    )
    assert.deepStrictEqual(reasons, ["tool_calls"])
    const last = chunks.at(-1)
    assert.deepInclude(last, { usageOnly: true })
    assert.deepInclude(last?.usage?.usage, {
      inputTokens: 12,
      cachedTokens: 5,
      cacheWriteTokens: 4,
      outputTokens: 20,
      details: { cache_write_1h_tokens: 3 },
    })
    assert.deepStrictEqual(wire(last as ChatChunk).usage?.prompt_tokens, 12)
    // The prompt is known from the beginning, for streams that break.
    assert.deepInclude(chunks[0]?.usage?.usage, { inputTokens: 12, outputTokens: 1 })
    assert.strictEqual(chunks[0]?.semantic, false)
  })

  it("has counts that later ones take the place of, but for an input that is later said to be nothing", () => {
    const counted = (first: object, last: object) => {
      const events = claudeEvents(
        claudeMessage({ model: "x" }, [text], "end_turn", { output_tokens: 0, ...first }),
      )
      const end = claudeEvent({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: last })
      return run([...events.slice(0, -2), end, ...events.slice(-1)]).chunks.at(-1)?.usage?.usage
    }
    assert.deepInclude(counted({ input_tokens: 15 }, { input_tokens: 0, output_tokens: 5 }), {
      inputTokens: 15,
      outputTokens: 5,
    })
    const last = { input_tokens: 0, cache_read_input_tokens: 14, output_tokens: 5 }
    assert.deepInclude(counted({ input_tokens: 15 }, last), { inputTokens: 14, cachedTokens: 14 })
    // Its own searches wrote more to the cache, for as long as it had written before; or nobody knows for how long.
    const written = (hour: number) => ({
      input_tokens: 15,
      cache_creation_input_tokens: 4,
      cache_creation: { ephemeral_5m_input_tokens: 4 - hour, ephemeral_1h_input_tokens: hour },
    })
    const later = { cache_creation_input_tokens: 9, output_tokens: 5 }
    assert.deepInclude(counted(written(0), later), { cacheWriteTokens: 9 })
    assert.isNull(counted(written(4), later))
  })

  it("hands each thought out whole, so that it comes back as it was", () => {
    const redacted: ClaudeBlock = { type: "redacted_thinking", data: "AAAA" }
    const message = claudeMessage(
      { model: "x" },
      [thinking, redacted, { ...thinking, thinking: "" }, text],
      "end_turn",
    )
    const details = deltas(run(claudeEvents(message)).chunks).flatMap(
      (delta) => delta.reasoning_details ?? [],
    )
    const { messages } = bodyOf({
      messages: [
        { role: "user", content: "Hi" },
        { role: "assistant", content: text.text, reasoning_details: details },
        { role: "user", content: "And?" },
      ],
    })
    assert.deepStrictEqual(messages[1].content, message.content)
  })

  it("tells the pieces of calls and thoughts apart by their numbers, however they are mixed", () => {
    const [start = "", , ...others] = claudeEvents(
      claudeMessage({ model: "x" }, [call, { ...call, id: "toolu_2", input: { city: "Oslo" } }], "tool_use"),
    )
    const blockEvents = others.slice(0, -2)
    const [ones, twos] = [0, 1].map((index) =>
      blockEvents.filter((event) => event.includes(`"index":${index}`)),
    )
    const mixed = (ones ?? []).flatMap((event, at) => [event, twos?.[at] ?? ""])
    const pieces = deltas(run([start, ...mixed, ...others.slice(-2)]).chunks).flatMap(
      ({ tool_calls = [] }) => tool_calls,
    )
    const argumentsOf = (nth: number) =>
      pieces.map((piece) => (piece.index === nth ? (piece.function?.arguments ?? "") : "")).join("")
    assert.deepStrictEqual([argumentsOf(0), argumentsOf(1)], ['{"city":"Rome"}', '{"city":"Oslo"}'])
  })

  it("says what some servers give with the beginning of a block, and not again", () => {
    const begun = (content_block: object, index: number) => [
      claudeEvent({ type: "content_block_start", index, content_block }),
      claudeEvent({ type: "content_block_stop", index }),
    ]
    const [start = "", ...others] = claudeEvents(claudeMessage({ model: "x" }, [], "tool_use"))
    const blocks = [{ ...thinking, signature: "" }, text, call, bare]
    const all = deltas(run([start, ...blocks.flatMap(begun), ...others]).chunks)
    assert.deepStrictEqual(
      all.flatMap(({ content, reasoning_content, tool_calls }) => [
        ...(reasoning_content ? [reasoning_content] : []),
        ...(content ? [content] : []),
        ...(tool_calls?.flatMap((each) => each.function?.arguments || []) ?? []),
      ]),
      [thinking.thinking, text.text, '{"city":"Rome"}', "{}"],
    )
  })

  it("is as generated as it is long", () => {
    const { chunks } = run(claudeEvents(claudeMessage({ model: "x" }, [thinking, text], "end_turn")))
    const generated = chunks.reduce((sum, chunk) => sum + chunk.generated, 0)
    assert.strictEqual(generated, thinking.thinking.length + text.text.length)
    assert.strictEqual(chunks.map((chunk) => chunk.text).join(""), text.text)
  })

  const whole = claudeEvents(claudeMessage({ model: "x" }, [thinking, text, call], "tool_use", usage))

  it("is cut when it ends before its end, wherever that is", () => {
    for (let length = 0; length < whole.length - 1; length++) {
      assert.strictEqual(run(whole.slice(0, length)).outcome, "reset", String(length))
    }
    const last = whole.at(-1)?.trim() ?? ""
    assert.strictEqual(run(whole.slice(0, -1), last).outcome, "Done")
  })

  it("passes over what nobody here knows", () => {
    const odd = [
      claudeEvent({
        type: "content_block_start",
        index: 9,
        content_block: { type: "server_tool_use", id: "s", name: "web_search" },
      }),
      claudeEvent({
        type: "content_block_delta",
        index: 9,
        delta: { type: "input_json_delta", partial_json: "{" },
      }),
      claudeEvent({
        type: "content_block_delta",
        index: 9,
        delta: { type: "citations_delta", citation: {} },
      }),
      claudeEvent({ type: "invented" }),
      ": a comment\n\n",
    ]
    const [start = "", ...others] = whole
    const { chunks, outcome } = run([start, ...odd, ...others])
    assert.strictEqual(outcome, "Done")
    assert.deepStrictEqual(deltas(chunks), deltas(run(whole).chunks))
  })

  it("fails with the error that comes in its midst", () => {
    const failing = (type: string) => claudeEvent({ type: "error", error: { type, message: "m" } })
    assert.strictEqual(run([...whole.slice(0, 4), failing("overloaded_error")]).outcome, "overloaded")
    assert.strictEqual(run([failing("rate_limit_error")]).outcome, "rate_limited")
    assert.strictEqual(run(["data: no JSON\n\n"]).outcome, "bad_response")
  })

  it("is none when it ends without a word", () => {
    assert.strictEqual(
      run(claudeEvents(claudeMessage({ model: "x" }, [thinking], "end_turn"))).outcome,
      "no_answer",
    )
    assert.strictEqual(
      run(claudeEvents(claudeMessage({ model: "x" }, [thinking], "max_tokens"))).outcome,
      "Done",
    )
    assert.strictEqual(run(claudeEvents(claudeMessage({ model: "x" }, [], "refusal"))).outcome, "Done")
  })

  it("says what the whole message does", () => {
    const block = fc.oneof(
      fc.record({ type: fc.constant("text" as const), text: fc.string({ unit: "grapheme", minLength: 1 }) }),
      fc.record({
        type: fc.constant("thinking" as const),
        thinking: fc.string(),
        signature: fc.constant("c2ln"),
      }),
      fc.record({
        type: fc.constant("tool_use" as const),
        id: fc.uuid(),
        name: fc.constantFrom("a", "b"),
        input: fc.dictionary(fc.string(), fc.integer()),
      }),
    )
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 5 }), (blocks) => {
        const message = claudeMessage({ model: "x" }, blocks, "max_tokens", usage)
        const split = protocol.splitAnswer(message) ?? []
        for (const events of [claudeEvents(message), split.map((data) => `data: ${data}\n\n`)]) {
          const { chunks, outcome } = run(events)
          assert.strictEqual(outcome, "Done")
          const all = deltas(chunks)
          const said = blocks.map((each) => (each.type === "text" ? each.text : "")).join("")
          assert.strictEqual(all.map(({ content }) => content ?? "").join(""), said)
          const calls = blocks.filter((each) => each.type === "tool_use")
          const pieces = all.flatMap(({ tool_calls = [] }) => tool_calls)
          for (const [nth, { input }] of calls.entries()) {
            const own = pieces.filter(({ index }) => index === nth)
            assert.deepEqual(JSON.parse(own.map((piece) => piece.function?.arguments ?? "").join("")), input)
          }
        }
      }),
    )
  })
})
