import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import type { ChatMessage, ChatRequest } from "../../../../src/domain/Chat.ts"
import { claudeRequestFault } from "../../../support/claude-request.ts"
import { lower, lowerChat } from "./lowering.ts"

const models = fc.constantFrom(
  "claude-3-5-haiku-20241022",
  "claude-haiku-4-5",
  "claude-sonnet-4-6",
  "claude-opus-4-8",
  "claude-sonnet-5",
  "claude-opus-5-5",
  "claude-sonnet-5-5",
  "claude-haiku-5-5",
  "claude-fable-5-1",
)

const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null })

/** Mostly something that Claude can do, so that whole requests pass; now and then something that it cannot. */
const mostly = <Good, Bad>(good: fc.Arbitrary<Good>, ...bad: ReadonlyArray<Bad>): fc.Arbitrary<Good | Bad> =>
  fc.oneof({ weight: 30, arbitrary: good }, { weight: 1, arbitrary: fc.constantFrom(...bad) })

const functionName = fc.constantFrom("look_up", "now", "a/b", "1st")

const part = mostly(
  fc.oneof(
    fc.record({ type: fc.constant("text"), text: fc.string() }),
    fc.constantFrom<{ readonly type: string; readonly [field: string]: unknown }>(
      { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
      { type: "image_url", image_url: { url: "https://example.com/x.png" } },
      { type: "file", file: { file_data: "data:application/pdf;base64,AAAA", filename: "x.pdf" } },
      { type: "text", text: "long", cache_control: { type: "ephemeral", ttl: "1h" } },
    ),
  ),
  { type: "image_url", image_url: { url: "data:image/tiff;base64,AAAA" } },
  { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } },
  { type: "file", file: { file_id: "file-1" } },
)

const details = fc.constantFrom<ReadonlyArray<object> | null>(
  null,
  [{ type: "reasoning.text", text: "Hm.", signature: "c2ln", format: "anthropic-claude-v1", index: 0 }],
  [{ type: "reasoning.encrypted", data: "AAAA", format: "anthropic-claude-v1", index: 0 }],
  [{ type: "reasoning.text", text: "Hm.", signature: "x", format: "google-gemini-v1", index: 0 }],
  [{ type: "reasoning.text", text: "Hm.", format: "anthropic-claude-v1", index: 0 }],
)

/** A turn of the user, of the model, or calls of which most have results: any sequence of turns is a sensible conversation. */
const turn: fc.Arbitrary<ReadonlyArray<ChatMessage>> = fc.oneof(
  fc
    .record({ role: fc.constantFrom("system" as const, "developer" as const), content: fc.string() })
    .map((m) => [m]),
  fc
    .record({ role: fc.constant("user" as const), content: fc.oneof(fc.string(), fc.array(part)) })
    .map((m) => [m]),
  fc
    .record({
      role: fc.constant("assistant" as const),
      content: optional(fc.string()),
      reasoning_details: details,
    })
    .map((m) => [m]),
  fc
    .record({
      calls: fc.uniqueArray(
        fc.record({
          // Vendors number calls, or give them names that Claude does not take.
          id: fc.oneof(fc.uuid(), fc.constantFrom("call_0", "call_1", "a:b", "")),
          name: functionName,
          args: fc.dictionary(fc.string(), fc.jsonValue()),
          result: fc.oneof(fc.string(), fc.json()),
          text: mostly(fc.constant(null), "[]", "no JSON", ""),
        }),
        { minLength: 1, maxLength: 3, selector: ({ id }) => id },
      ),
      answered: mostly(fc.constant(3), 0, 1),
      between: fc.constantFrom(null, "Be brief."),
      reasoning_details: details,
    })
    .map(({ answered, between, calls, reasoning_details }) => [
      {
        role: "assistant" as const,
        reasoning_details,
        tool_calls: calls.map(({ args, id, name, text }) => ({
          id,
          type: "function",
          function: { name, arguments: text ?? JSON.stringify(args) },
        })),
      },
      ...(between === null ? [] : [{ role: "system" as const, content: between }]),
      ...calls
        .slice(0, answered)
        .map(({ id, result }) => ({ role: "tool" as const, tool_call_id: id, content: result })),
    ]),
)

/** Everything in it makes sense; not everything has a counterpart. */
const sensible: fc.Arbitrary<ChatRequest> = fc
  .tuple(
    fc.array(turn, { minLength: 1, maxLength: 5 }),
    fc.record(
      {
        temperature: mostly(optional(fc.double({ min: 0, max: 1, noNaN: true })), 1.5),
        top_p: optional(fc.double({ min: 0, max: 1, noNaN: true })),
        n: mostly(fc.constantFrom(null, 1), 2),
        seed: optional(fc.maxSafeInteger()),
        stop: mostly(fc.constantFrom<string | ReadonlyArray<string> | null>(null, "END", ["a", "b"]), "\n"),
        max_tokens: optional(fc.integer({ min: 1, max: 9999 })),
        frequency_penalty: mostly(fc.constantFrom(null, 0), -2, 0.5),
        reasoning_effort: mostly(
          fc.constantFrom(null, "none", "minimal", "low", "medium", "high", "xhigh", "max"),
          "utmost",
        ),
        thinking: fc.constantFrom(
          null,
          { type: "enabled", budget_tokens: 2000 },
          { type: "adaptive" },
          { type: "disabled" },
        ),
        response_format: mostly(
          fc.constantFrom(
            null,
            { type: "text" },
            {
              type: "json_schema",
              json_schema: { name: "n", schema: { type: "object" } },
            },
          ),
          { type: "json_object" },
        ),
        tools: fc.array(
          functionName.map((name) => ({ type: "function", function: { name, strict: true } })),
          { minLength: 1, maxLength: 3 },
        ),
        tool_choice: mostly(fc.constantFrom(null, "auto", "none"), "required"),
        parallel_tool_calls: fc.constantFrom(null, true, false),
        user: fc.string(),
        something_new: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([turns, fields]) => ({ messages: turns.flat(), ...fields }))

describe("any request that makes sense", () => {
  it("is either refused by name beforehand or lowered to a body that Claude takes, also in other words", () => {
    const seen = { lowered: 0, unsupported: 0, reworded: 0 }
    fc.assert(
      fc.property(sensible, models, (request, model) => {
        const lowered = lower(request, model)
        if (Result.isFailure(lowered)) {
          // A choice needs tools.
          const isAimless = request.tools === undefined && request.tool_choice === "required"
          seen.unsupported += 1
          if (!isAimless) assert.strictEqual(lowered.failure.kind, "unsupported")
          assert.isNotEmpty(lowered.failure.reason)
          return
        }
        seen.lowered += 1
        const body: unknown = JSON.parse(String(lowered.success.write("stream")))
        assert.isUndefined(claudeRequestFault(body), JSON.stringify(body))
        const plain = lowered.success.reworded?.("")?.write("whole")
        if (plain === undefined) return
        seen.reworded += 1
        assert.isUndefined(claudeRequestFault(JSON.parse(String(plain))))
        assert.notInclude(String(plain), '"redacted_thinking"')
      }),
      { numRuns: 1000 },
    )
    assert.isAbove(seen.lowered, 300)
    assert.isAbove(seen.unsupported, 40)
    assert.isAbove(seen.reworded, 40)
  })
})

describe("any request at all", () => {
  const fields = [
    ...["tools", "tool_choice", "parallel_tool_calls", "response_format", "n", "seed", "stop", "logprobs"],
    ...["audio", "reasoning_effort", "thinking", "logit_bias", "modalities", "functions", "temperature"],
    ...["max_tokens", "user", "service_tier", "top_k"],
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
          reasoning_details: junk,
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
