import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readRequest } from "../../../../src/dialects/messages/request.ts"
import type { ChatChunk } from "../../../../src/domain/Chat.ts"
import type { ChatTask } from "../../../../src/domain/Task.ts"
import { jsonLimits } from "../../../../src/http/body.ts"
import { scanJson } from "../../../../src/platform/json-source.ts"
import { SseParser } from "../../../../src/providers/http/sse.ts"
import { nativeAnthropic, nativeMessages } from "../../../../src/providers/protocols/anthropic/protocol.ts"
import { claudeRequestFault } from "../../../support/claude-request.ts"
import {
  CLAUDE_SIGNATURE,
  type ClaudeBlock,
  claudeEvent,
  claudeEvents,
  claudeMessage,
} from "../../../support/fake-upstream-anthropic.ts"

const taskOf = (body: string, headers?: ReadonlyArray<string>): ChatTask => {
  const bytes = Buffer.from(body)
  const { members } = scanJson(bytes, jsonLimits)
  assert.isDefined(members)
  return {
    _tag: "Chat",
    request: { messages: [] },
    body: JSON.parse(body),
    mode: "whole",
    dialect: "messages",
    source: { bytes, members },
    ...(headers !== undefined && { headers }),
  }
}

const lower = (body: string, headers?: ReadonlyArray<string>, model = "claude-x") =>
  Result.getOrThrow(nativeMessages((name) => name.startsWith("claude")).lower(taskOf(body, headers), model))

describe("a client's own request", () => {
  it("goes out byte by byte, with the model's name and whether it streams", () => {
    const writer = lower(
      '{ "model": "auto", "max_tokens": 12345678901234567890, "odd": {"a":1.0}, "stream": true }',
    )
    assert.strictEqual(
      String(writer.write("whole")),
      '{ "model": "claude-x", "max_tokens": 12345678901234567890, "odd": {"a":1.0} }',
    )
    assert.include(String(writer.write("stream")), '"stream": true')
  })

  it("says in which version it is written", () => {
    assert.deepStrictEqual(lower("{}").headers, ["anthropic-version", "2023-06-01"])
    const own = ["anthropic-version", "2026-10-21", "anthropic-beta", "a,b"]
    assert.deepStrictEqual(lower("{}", own).headers, own)
  })

  it("goes out once more without thoughts", () => {
    const thinking = { type: "thinking", thinking: "Hm.", signature: "x" }
    const body = {
      model: "auto",
      thinking: { type: "enabled", budget_tokens: 2000 },
      messages: [
        { role: "user", content: "a" },
        { role: "assistant", content: [thinking, { type: "text", text: "b" }] },
        { role: "user", content: "c" },
        { role: "assistant", content: [{ type: "redacted_thinking", data: "AA" }] },
      ],
    }
    const other = lower(JSON.stringify(body)).reworded?.("")
    assert.deepStrictEqual(JSON.parse(String(other?.write("whole"))), {
      model: "claude-x",
      messages: [
        body.messages[0],
        { role: "assistant", content: [{ type: "text", text: "b" }] },
        body.messages[2],
        { role: "assistant", content: [{ type: "text", text: "…" }] },
      ],
    })
    assert.deepStrictEqual(other?.dropped?.(), [
      ...["thinking", "messages[1].content[0]", "messages[3].content[0]"],
    ])
    assert.isUndefined(other?.reworded?.(""))
    assert.isUndefined(lower('{"messages":[{"role":"user","content":"a"}]}').reworded?.(""))
  })

  it("goes once more without betas that a cloud does not take, and with what else it has", () => {
    const thought = { type: "thinking", thinking: "Hm.", signature: CLAUDE_SIGNATURE }
    const body = JSON.stringify({ messages: [{ role: "assistant", content: [thought] }] })
    const version = ["anthropic-version", "2026-10-21"]
    const writer = lower(body, [...version, "Anthropic-Beta", "a,b"])
    const other = writer.reworded?.("anthropic-beta")
    assert.deepStrictEqual(other?.headers, version)
    assert.deepInclude(JSON.parse(String(other?.write("whole"))), JSON.parse(body))
    assert.isUndefined(other?.reworded?.("anthropic-beta"))
    // Either way around.
    for (const both of [other?.reworded?.(""), writer.reworded?.("")?.reworded?.("anthropic-beta")]) {
      assert.deepStrictEqual(both?.headers, version)
      assert.deepStrictEqual(both?.dropped?.(), ["messages[0].content[0]", "anthropic-beta"])
      assert.notInclude(String(both?.write("whole")), "Hm.")
    }
  })

  it("goes to another vendor's model with its own thoughts, and once more without any", () => {
    const own = { type: "thinking", thinking: "Hm.", signature: "91cfbb94-554b-4136-8e21-fa02280d56ed" }
    const claudes = { type: "redacted_thinking", data: `Eq${"A".repeat(80)}` }
    const call = { type: "tool_use", id: "c", name: "f", input: {} }
    const messages = [
      { role: "assistant", content: [own, call] },
      { role: "assistant", content: [claudes, call] },
    ]
    const writer = lower(JSON.stringify({ model: "auto", max_tokens: 9, messages }), [], "deepseek-flash")
    const bare = { role: "assistant", content: [call] }
    const sent = { model: "deepseek-flash", max_tokens: 9 }
    assert.deepStrictEqual(JSON.parse(String(writer.write("whole"))), {
      ...sent,
      messages: [messages[0], bare],
    })
    const other = writer.reworded?.("")
    assert.deepStrictEqual(JSON.parse(String(other?.write("whole"))), {
      ...sent,
      messages: [bare, bare],
      thinking: { type: "disabled" },
    })
    const told = { thinking: { type: "disabled" }, messages }
    assert.isUndefined(lower(JSON.stringify(told), [], "deepseek-flash").reworded?.(""))
  })
})

describe("a loop of tools that another vendor's model began", () => {
  const use = { type: "tool_use", id: "call_1", name: "f", input: {} }
  const body = (...turn: ReadonlyArray<object>) => ({
    model: "auto",
    max_tokens: 4000,
    thinking: { type: "enabled", budget_tokens: 2000 },
    context_management: {
      edits: [{ type: "clear_thinking_20251015" }, { type: "clear_tool_uses_20250919" }],
    },
    tools: [{ name: "f", input_schema: { type: "object" } }],
    messages: [
      { role: "user", content: "a" },
      { role: "assistant", content: [...turn, use] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "21" }] },
    ],
  })

  const sent = (json: ReturnType<typeof body>) => {
    const task = { ...taskOf(JSON.stringify(json)), request: Result.getOrThrow(readRequest(json)).request }
    return JSON.parse(
      String(Result.getOrThrow(nativeAnthropic.lower(task, "claude-haiku-4-5")).write("whole")),
    )
  }

  it("goes on without a budget for thoughts, which Claude would miss in it", () => {
    const { context_management: edits, thinking, ...own } = sent(body())
    assert.isUndefined(thinking)
    assert.deepStrictEqual(edits, { edits: [{ type: "clear_tool_uses_20250919" }] })
    assert.isUndefined(claudeRequestFault(own))
  })

  it("keeps it where Claude thought", () => {
    const thought = { type: "thinking", thinking: "Hm.", signature: CLAUDE_SIGNATURE }
    assert.deepInclude(sent(body(thought)), { thinking: { type: "enabled", budget_tokens: 2000 } })
  })
})

const blocks: ReadonlyArray<ClaudeBlock> = [
  { type: "thinking", thinking: "Hm.", signature: "c2ln" },
  { type: "text", text: "Rome 🌍" },
  { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Rome" } },
]
const message = claudeMessage({ model: "claude-x-1" }, blocks, "tool_use")

const run = (events: string, rest = "") => {
  const reader = nativeAnthropic.openStream("claude-x", 0)
  const chunks: Array<ChatChunk> = []
  for (const event of new SseParser(1_000_000).push(Buffer.from(events)).events) {
    const reading = reader.read(event)
    if (reading._tag === "Fault") return { chunks, outcome: reading.fault.kind }
    chunks.push(...reading.chunks)
    if (reading._tag === "Done") return { chunks, outcome: "Done" }
  }
  const end = reader.end(rest)
  return { chunks, outcome: end._tag === "Fault" ? end.fault.kind : end._tag }
}

const bytesOf = (chunks: ReadonlyArray<ChatChunk>) =>
  chunks.map(({ event }) => Buffer.from(event).toString()).join("")

describe("Claude's own answer", () => {
  it("passes as it came, and is understood", () => {
    const bytes = Buffer.from(JSON.stringify(message))
    const answer = Result.getOrThrow(nativeAnthropic.parse("claude-x", { json: message, bytes, nowMs: 0 }))
    assert.strictEqual(answer.body(), bytes)
    assert.deepInclude(answer, {
      dialect: "messages",
      text: "Rome 🌍",
      finishReason: "tool_calls",
      model: "claude-x-1",
    })
    assert.deepInclude(answer.usage, { inputTokens: 10, outputTokens: 5 })
  })

  it("passes event by event, unknown ones too, to the last", () => {
    const events = [...claudeEvents(message)]
    events.splice(3, 0, claudeEvent({ type: "invented", deep: [1] }))
    const { chunks, outcome } = run(events.join(""))
    assert.strictEqual(outcome, "Done")
    assert.strictEqual(bytesOf(chunks), events.join(""))
    assert.isTrue(chunks.every(({ dialect, usageOnly }) => dialect === "messages" && !usageOnly))
    assert.strictEqual(chunks.map(({ text }) => text).join(""), "Rome 🌍")
    assert.deepStrictEqual(
      chunks.flatMap(({ finishReason }) => finishReason ?? []),
      ["tool_calls"],
    )
    assert.deepInclude(chunks.at(-1)?.usage?.usage, { inputTokens: 10, outputTokens: 5 })
    // What may still be taken back: the start and a ping.
    assert.deepStrictEqual(
      chunks.slice(0, 5).map(({ semantic }) => semantic),
      [false, false, false, false, true],
    )
  })

  it("is cut without its last event, and fails with an error", () => {
    const events = claudeEvents(message)
    assert.strictEqual(run(events.slice(0, -1).join("")).outcome, "reset")
    const error = claudeEvent({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })
    const failed = run(`${events.slice(0, 3).join("")}${error}`)
    assert.strictEqual(failed.outcome, "overloaded")
    assert.notInclude(bytesOf(failed.chunks), "overloaded")
  })

  it("is cut in the midst of an event too, but not before its blank line", () => {
    const events = claudeEvents(message)
    const [last = "", ...before] = events.toReversed()
    const head = before.toReversed().join("")
    assert.strictEqual(run(head, last.slice(0, -4)).outcome, "reset")
    const whole = run(head, last.trimEnd())
    assert.strictEqual(whole.outcome, "Done")
  })

  it("is none without its beginning, or with two", () => {
    const [start = "", ping = "", ...others] = claudeEvents(message)
    assert.strictEqual(run(others.join("")).outcome, "bad_response")
    assert.strictEqual(run([start, start, ...others].join("")).outcome, "bad_response")
    const odd = claudeEvent({ type: "invented" })
    assert.strictEqual(run([ping, odd, start, ...others].join("")).outcome, "Done")
  })

  it("is streamed with names of its events where it came whole", () => {
    const split = nativeAnthropic.splitAnswer(message) ?? []
    const { chunks, outcome } = run(split.map((data) => `data: ${data}\n\n`).join(""))
    assert.strictEqual(outcome, "Done")
    const names = bytesOf(chunks).match(/^event: .*$/gm)
    assert.deepStrictEqual(names?.length, split.length)
    assert.strictEqual(names?.at(-1), "event: message_stop")
  })
})
