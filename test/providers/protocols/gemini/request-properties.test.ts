import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import type { ChatMessage, ChatRequest } from "../../../../src/domain/Chat.ts"
import { geminiRequestFault } from "../../../support/fake-upstream-gemini.ts"
import { lowerChat } from "./lowering.ts"

const models = fc.constantFrom(
  "gemini-2.0-flash",
  "gemini-2.5-pro",
  "gemini-2.5-flash",
  "gemini-3-pro",
  "gemini-3.8-flash",
)

const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null })

/** Mostly something that Gemini can do, so that whole requests pass; now and then something that it cannot. */
const mostly = <Good, Bad>(good: fc.Arbitrary<Good>, ...bad: ReadonlyArray<Bad>): fc.Arbitrary<Good | Bad> =>
  fc.oneof({ weight: 30, arbitrary: good }, { weight: 1, arbitrary: fc.constantFrom(...bad) })

const functionName = fc.constantFrom("look_up", "now", "weather")

const part = mostly(
  fc.oneof(
    fc.record({ type: fc.constant("text"), text: fc.string() }),
    fc.constantFrom<{ readonly type: string; readonly [field: string]: unknown }>(
      { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
      { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } },
      { type: "file", file: { file_data: "data:application/pdf;base64,AAAA" } },
    ),
  ),
  { type: "image_url", image_url: { url: "https://example.com/x.png" } },
  { type: "image_url", image_url: { url: "gs://bucket/x.png" } },
  { type: "input_audio", input_audio: { data: "AAAA", format: "flac" } },
  { type: "file", file: { file_id: "file-1" } },
  { type: "something_new" },
)

/** A turn of the user, of the model, or calls with their results: any sequence of turns is a sensible conversation. */
const turn: fc.Arbitrary<ReadonlyArray<ChatMessage>> = fc.oneof(
  fc
    .record({ role: fc.constantFrom("system" as const, "developer" as const), content: fc.string() })
    .map((m) => [m]),
  fc
    .record({ role: fc.constant("user" as const), content: fc.oneof(fc.string(), fc.array(part)) })
    .map((m) => [m]),
  fc.record({ role: fc.constant("assistant" as const), content: optional(fc.string()) }).map((m) => [m]),
  fc
    .record({
      calls: fc.array(
        fc.record({
          id: fc.uuid(),
          name: functionName,
          args: fc.dictionary(fc.string(), fc.jsonValue()),
          result: fc.oneof(fc.string(), fc.json()),
          signature: optional(fc.constant("c2lnbmF0dXJl")),
          type: mostly(fc.constant("function"), "custom"),
          text: mostly(fc.constant(null), "[]", "no JSON"),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      content: optional(fc.string()),
    })
    .map(({ calls, content }) => [
      {
        role: "assistant" as const,
        content,
        tool_calls: calls.map(({ id, name, args, text, signature, type }) => ({
          id,
          type,
          function: { name, arguments: text ?? JSON.stringify(args) },
          ...(signature !== null && { extra_content: { google: { thought_signature: signature } } }),
        })),
      },
      ...calls.map(({ id, result }) => ({ role: "tool" as const, tool_call_id: id, content: result })),
    ]),
)

const tools = fc.array(
  mostly(
    functionName.map((name) => ({ type: "function", function: { name } })),
    { type: "custom", custom: { name: "c" } },
  ),
  { minLength: 1, maxLength: 3 },
)

/** Everything in it makes sense; not everything has a counterpart. */
const sensible: fc.Arbitrary<ChatRequest> = fc
  .tuple(
    fc.array(turn, { minLength: 1, maxLength: 5 }),
    fc.record(
      {
        temperature: optional(fc.double({ min: 0, max: 2, noNaN: true })),
        top_p: optional(fc.double({ min: 0, max: 1, noNaN: true })),
        n: mostly(fc.constantFrom(null, 1), 2, 8, 9),
        seed: optional(fc.maxSafeInteger()),
        stop: optional(fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 6 }))),
        max_tokens: optional(fc.integer({ min: 1, max: 9999 })),
        max_completion_tokens: optional(fc.integer({ min: 1, max: 9999 })),
        frequency_penalty: mostly(fc.constantFrom(null, 0), -2, 0.5),
        logprobs: optional(fc.boolean()),
        top_logprobs: optional(fc.integer({ min: 0, max: 20 })),
        reasoning_effort: mostly(
          fc.constantFrom(null, "none", "minimal", "low", "medium", "high", "xhigh"),
          "utmost",
        ),
        response_format: mostly(
          fc.constantFrom(
            null,
            { type: "text" },
            { type: "json_object" },
            { type: "json_schema", json_schema: { name: "n", schema: { type: "object" } } },
          ),
          { type: "grammar" },
        ),
        tools,
        tool_choice: mostly(fc.constantFrom(null, "auto", "none"), { type: "custom", custom: { name: "c" } }),
        parallel_tool_calls: fc.constantFrom(null, true, false),
        logit_bias: mostly(fc.constantFrom(null, {}), { "1": 2 }),
        modalities: mostly(fc.constantFrom(null, ["text"]), ["text", "audio"]),
        web_search_options: mostly(fc.constant(null), {}),
        user: fc.string(),
        store: fc.boolean(),
        something_new: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([turns, fields]) => ({ messages: turns.flat(), ...fields }))

describe("any request that makes sense", () => {
  it("is either refused by name beforehand or lowered to a body that Google takes", () => {
    const seen = { lowered: 0, unsupported: 0 }
    fc.assert(
      fc.property(sensible, models, (request, model) => {
        const body = lowerChat(request, model)
        if (Result.isFailure(body)) {
          seen.unsupported += 1
          assert.strictEqual(body.failure.kind, "unsupported")
          assert.isNotEmpty(body.failure.param)
          assert.isNotEmpty(body.failure.reason)
          return
        }
        seen.lowered += 1
        assert.isUndefined(geminiRequestFault(body.success, model))
      }),
      { numRuns: 500 },
    )
    assert.isAbove(seen.lowered, 100)
    assert.isAbove(seen.unsupported, 20)
  })
})

describe("any request at all", () => {
  const fields = [
    ...[
      "tools",
      "tool_choice",
      "parallel_tool_calls",
      "response_format",
      "n",
      "seed",
      "stop",
      "logprobs",
      "audio",
    ],
    ...[
      "top_logprobs",
      "reasoning_effort",
      "logit_bias",
      "modalities",
      "functions",
      "temperature",
      "max_tokens",
    ],
  ]
  const junk = fc.oneof(
    fc.jsonValue(),
    fc.array(fc.record({ type: fc.constantFrom("function", "text"), function: fc.jsonValue() })),
  )

  it("is lowered or refused by the name of a field, never thrown at", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...fields), junk),
        fc.record({
          role: fc.constantFrom("user", "assistant", "tool", "system"),
          content: junk,
          tool_calls: junk,
        }),
        models,
        (some, message, model) => {
          // What a client sends is JSON, whatever the types say.
          const request: ChatRequest = JSON.parse(JSON.stringify({ messages: [message], ...some }))
          const body = lowerChat(request, model)
          if (Result.isFailure(body)) {
            assert.include(["unsupported", "malformed"], body.failure.kind)
            assert.isNotEmpty(body.failure.param)
            assert.isNotEmpty(body.failure.reason)
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})
