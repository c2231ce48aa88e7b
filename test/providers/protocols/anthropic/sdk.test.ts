import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import type { ChatChunk, ChatRequest } from "../../../../src/domain/Chat.ts"
import type { ChatTask } from "../../../../src/domain/Task.ts"
import { jsonLimits } from "../../../../src/http/body.ts"
import { scanJson } from "../../../../src/platform/json-source.ts"
import { makeTransport } from "../../../../src/providers/http/transport.ts"
import { makeAnthropic } from "../../../../src/providers/vendors/anthropic.ts"
import { FakeUpstream } from "../../../support/FakeUpstream.ts"
import { failure, ok } from "../../../support/fake-upstream-behaviours.ts"
import * as calls from "../../calls.ts"
import { noTurns } from "../../http/transport-options.ts"

/**
 * Anthropic's own client keeps the fake honest: it reads what the fake answers, the fake takes what it sends, and what the
 * gateway sends for the same wish is what it sends.
 */
const apiKey = "a-key-for-the-fake-upstream"
const model = "claude-opus-5-5"

const sdk = (upstream: FakeUpstream) => new Anthropic({ apiKey, baseURL: upstream.url, maxRetries: 0 })

const gateway = Effect.fnUntraced(function* (upstream: FakeUpstream) {
  const transport = yield* makeTransport({
    connectMs: 500,
    headersMs: 5000,
    bodyMs: 5000,
    maxUpstreamBytes: 100_000,
    maxCalls: 4,
    largeBodies: noTurns,
  })
  return makeAnthropic(
    { kind: "anthropic", name: "c", baseUrl: upstream.url, apiKey: Redacted.make(apiKey), models: [] },
    transport,
  )
})

const parameters = {
  type: "object" as const,
  properties: { city: { type: "string" } },
  additionalProperties: false,
}
const text = (said: string) => ({ type: "text" as const, text: said })
const user = (said: string) => ({ role: "user" as const, content: said })

const wishes: ReadonlyArray<
  readonly [name: string, theirs: Anthropic.MessageCreateParamsNonStreaming, ours: ChatRequest]
> = [
  [
    "settings",
    {
      model,
      max_tokens: 99,
      system: [text("Be brief.")],
      messages: [{ role: "user", content: [text("Hi")] }],
      stop_sequences: ["END"],
      metadata: { user_id: "u-1" },
      service_tier: "standard_only",
      thinking: { type: "adaptive", display: "summarized" },
      output_config: { effort: "high", format: { type: "json_schema", schema: parameters } },
    },
    {
      messages: [{ role: "system", content: "Be brief." }, user("Hi")],
      max_tokens: 99,
      stop: ["END"],
      user: "u-1",
      service_tier: "default",
      reasoning_effort: "high",
      response_format: { type: "json_schema", json_schema: { name: "n", schema: parameters } },
    },
  ],
  [
    "tools, their results, an image and a document",
    {
      model,
      max_tokens: 4096,
      messages: [
        {
          role: "user",
          content: [
            { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
            { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
            {
              type: "document",
              source: { type: "base64", media_type: "application/pdf", data: "AAAA" },
              title: "a.pdf",
              cache_control: { type: "ephemeral" },
            },
          ],
        },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Hm.", signature: "c2ln" },
            { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Rome" } },
          ],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "sunny" }] },
      ],
      tools: [{ name: "weather", description: "Of a city", input_schema: parameters }],
      tool_choice: { type: "auto", disable_parallel_tool_use: true },
    },
    {
      messages: [
        {
          role: "user",
          content: [
            { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
            { type: "image_url", image_url: { url: "https://example.com/a.png" } },
            {
              type: "file",
              file: { file_data: "data:application/pdf;base64,AAAA", filename: "a.pdf" },
              cache_control: { type: "ephemeral" },
            },
          ],
        },
        {
          role: "assistant",
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
            { id: "toolu_1", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } },
          ],
        },
        { role: "tool", tool_call_id: "toolu_1", content: "sunny" },
      ],
      tools: [{ type: "function", function: { name: "weather", description: "Of a city", parameters } }],
      parallel_tool_calls: false,
    },
  ],
]

/** A client's own request as the gateway reads it. */
const taskOf = (body: object, mode: ChatTask["mode"]): ChatTask => {
  const bytes = Buffer.from(JSON.stringify(body))
  const { members } = scanJson(bytes, jsonLimits)
  assert.isDefined(members)
  const headers = ["anthropic-version", "2026-10-21", "anthropic-beta", "a-beta"]
  return {
    _tag: "Chat",
    request: { messages: [] },
    mode,
    dialect: "messages",
    source: { bytes, members },
    headers,
  }
}

describe("Anthropic's client", () => {
  it.live("reads the fake's answers, streams and errors", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const client = sdk(upstream)
      const hello = { model, max_tokens: 9, messages: [user("Hi")] }
      upstream.respond(ok({ text: "Rome", usage: { input: 9, output: 3, cached: 4 } }))
      const whole = yield* Effect.promise(() => client.messages.create(hello))
      assert.deepInclude(whole.content[0], text("Rome"))
      assert.deepInclude(whole.usage, { input_tokens: 5, cache_read_input_tokens: 4, output_tokens: 3 })
      const streamed = yield* Effect.promise(() => client.messages.stream(hello).finalMessage())
      assert.deepInclude(streamed.content[0], text("Rome"))
      assert.strictEqual(streamed.stop_reason, "end_turn")
      upstream.respond(failure("overloaded"))
      const error = yield* Effect.promise(() =>
        client.messages.create(hello).catch((cause: unknown) => cause),
      )
      assert.instanceOf(error, Anthropic.APIError)
      assert.strictEqual(error.status, 529)
    }),
  )

  it.live.each(wishes)("sends for %s what the gateway sends", ([, theirs, ours]) =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      yield* Effect.promise(() => sdk(upstream).messages.create(theirs))
      const provider = yield* gateway(upstream)
      yield* calls.complete(provider, { model, request: ours, timeoutMs: 5000 })
      const [first, second] = upstream.calls
      assert.deepStrictEqual(second?.json, first?.json)
      assert.strictEqual(second?.path, first?.path)
    }).pipe(Effect.scoped),
  )

  it.live("gets through the gateway what it would get without it", () =>
    Effect.gen(function* () {
      const upstream = yield* FakeUpstream.make
      const provider = yield* gateway(upstream)
      upstream.respond(ok({ text: "Rome" }))
      const hello = { model: "auto", max_tokens: 9, messages: [user("Hi")] }
      const task = taskOf(hello, "whole")
      const completion = yield* Result.getOrThrow(provider.prepare(task, model)).complete(5000)
      assert.strictEqual(completion.dialect, "messages")
      assert.deepInclude(JSON.parse(String(completion.body())), { type: "message", content: [text("Rome")] })
      const [asked] = upstream.calls
      assert.deepInclude(asked?.headers, {
        "anthropic-version": "2026-10-21",
        "anthropic-beta": "a-beta",
        "x-api-key": apiKey,
      })
      assert.deepStrictEqual(asked?.json, { model, max_tokens: 9, messages: [user("Hi")] })

      const chunks: Array<ChatChunk> = []
      const sink = {
        write: (chunk: ChatChunk) => {
          chunks.push(chunk)
          return true
        },
        onRoom: () => {},
      }
      const streaming = taskOf(hello, "stream")
      yield* Result.getOrThrow(provider.prepare(streaming, model)).stream(5000, sink)
      const bytes = chunks.map(({ event }) => Buffer.from(event).toString()).join("")
      assert.strictEqual(bytes, upstream.calls[1]?.streamed.join(""))
    }).pipe(Effect.scoped),
  )
})
