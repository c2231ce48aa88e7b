import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { toMessage } from "../../../src/dialects/messages/answer.ts"
import { readRequest } from "../../../src/dialects/messages/request.ts"
import { refusedBy } from "../../../src/dialects/messages/version.ts"
import { isObject, type JsonObject, objectAt, objectsAt } from "../../../src/platform/json.ts"
import { readEvents, translate } from "./read-events.ts"

const words = [
  ...[
    "type",
    "text",
    "content",
    "role",
    "id",
    "name",
    "input",
    "source",
    "data",
    "media_type",
    "url",
    "signature",
  ],
  ...[
    "thinking",
    "tool_use_id",
    "is_error",
    "citations",
    "cache_control",
    "title",
    "input_schema",
    "extra_content",
  ],
]
const types = [
  ...[
    "text",
    "image",
    "document",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "base64",
    "url",
    "content",
  ],
  ...["user", "assistant", "system", "custom", "web_search_20250305"],
]

/** Any JSON, of which much looks like what Messages has. */
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 5 },
    fc.oneof(fc.constantFrom(...types), fc.string(), fc.constant(null), fc.boolean(), fc.double()),
    fc.array(tie("json"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...words), tie("json"), { maxKeys: 5 }),
  ),
}))

const fields = [
  ...[
    "model",
    "max_tokens",
    "system",
    "messages",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "metadata",
  ],
  ...["stop_sequences", "service_tier", "temperature", "container"],
]
const anyBody = fc.dictionary(fc.constantFrom(...fields), json) as fc.Arbitrary<JsonObject>

/** Conversations as they are, with names and ids of any kind. */
const name = fc.string({ minLength: 1 })
const turns = fc.array(
  fc.oneof(
    fc.record({ role: fc.constant("user"), content: fc.string() }),
    fc
      .array(fc.record({ id: name, name, input: fc.dictionary(name, fc.jsonValue()) }), { minLength: 1 })
      .map((calls) => ({
        role: "assistant",
        content: calls.map((call) => ({ type: "tool_use", ...call })),
      })),
    fc.array(fc.record({ tool_use_id: name, content: fc.string() }), { minLength: 1 }).map((results) => ({
      role: "user",
      content: results.map((result) => ({ type: "tool_result", ...result })),
    })),
  ),
)

const blocksOf = (turn: JsonObject, type: string) =>
  objectsAt(turn, "content").filter((block) => block.type === type)

describe("a request", () => {
  it("of any JSON is translated or refused, and nothing is thrown", () => {
    fc.assert(
      fc.property(anyBody, (body) => {
        const chat = readRequest(body)
        refusedBy("2026-10-21", body)
        if (Result.isSuccess(chat)) JSON.stringify(chat.success)
        else assert.isNotEmpty(chat.failure.rule)
      }),
      { numRuns: 500 },
    )
  })

  it("keeps the names, ids and arguments of its calls, in their order", () => {
    fc.assert(
      fc.property(turns, (messages) => {
        const chat = Result.getOrThrow(readRequest({ messages })).request.messages
        const calls = chat.flatMap((message) => objectsAt(message, "tool_calls"))
        assert.deepStrictEqual(
          calls.map((call) => [
            call.id,
            objectAt(call, "function")?.name,
            objectAt(call, "function")?.arguments,
          ]),
          messages
            .flatMap((turn) => blocksOf(turn, "tool_use"))
            .map((call) => [call.id, call.name, JSON.stringify(call.input)]),
        )
        assert.deepStrictEqual(
          chat
            .filter(({ role }) => role === "tool")
            .map(({ tool_call_id, content }) => [tool_call_id, content]),
          messages
            .flatMap((turn) => blocksOf(turn, "tool_result"))
            .map(({ tool_use_id, content }) => [tool_use_id, content]),
        )
      }),
    )
  })
})

const callDelta = fc.record(
  {
    index: fc.nat(3),
    id: fc.string(),
    type: fc.constant("function"),
    function: fc.record(
      { name: fc.string(), arguments: fc.oneof(fc.constant("{}"), fc.string()) },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ["index"] },
)

const deltas = fc.array(
  fc.record(
    {
      role: fc.constant("assistant"),
      content: fc.option(fc.string()),
      reasoning_content: fc.string(),
      refusal: fc.option(fc.string()),
      tool_calls: fc.array(callDelta, { maxLength: 3 }),
      images: fc.array(fc.record({ image_url: fc.record({ url: fc.webUrl() }) }), { maxLength: 2 }),
      reasoning_details: fc.array(
        fc.record(
          {
            type: fc.constantFrom("reasoning.text", "reasoning.encrypted"),
            format: fc.constantFrom("anthropic-claude-v1", "other"),
            text: fc.string(),
            data: fc.string(),
            signature: fc.string(),
          },
          { requiredKeys: ["type", "format"] },
        ),
        { maxLength: 2 },
      ),
    },
    { requiredKeys: [] },
  ),
)

describe("a stream", () => {
  it("is well formed whatever comes, and says all of the text and of every call's arguments", () => {
    fc.assert(
      fc.property(deltas, (said) => {
        const message = readEvents(
          translate(said.map((delta) => ({ id: "c", choices: [{ index: 0, delta }] }))),
        )
        const blocks = objectsAt(message, "content")
        const text = blocks.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("")
        assert.strictEqual(text, said.map(({ content, refusal }) => content || refusal || "").join(""))
        const indices = new Set(said.flatMap(({ tool_calls = [] }) => tool_calls.map(({ index }) => index)))
        assert.lengthOf(
          blocks.filter(({ type }) => type === "tool_use"),
          indices.size,
        )
        assert.strictEqual(
          message.stop_reason === "tool_use",
          indices.size > 0 && !said.some(({ refusal }) => refusal),
        )
      }),
      { numRuns: 500 },
    )
  })

  it("says the arguments of each call, however chat mixes their pieces", () => {
    const call = fc.record({
      input: fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }), { minKeys: 1 }),
      size: fc.integer({ min: 1, max: 20 }),
    })
    const mixed = fc.tuple(fc.array(call, { minLength: 1, maxLength: 4 }), fc.infiniteStream(fc.nat()))
    fc.assert(
      fc.property(mixed, ([calls, draws]) => {
        const left = calls.map(({ input, size }, index) => ({
          index,
          pieces: JSON.stringify(input).match(new RegExp(`[^]{1,${size}}`, "g")) ?? [],
        }))
        const said = calls.map((_, index) => ({
          tool_calls: [{ index, id: `c${index}`, function: { name: "f", arguments: "" } }],
        }))
        for (const draw of draws) {
          const open = left.filter(({ pieces }) => pieces.length > 0)
          const next = open[draw % open.length]
          if (next === undefined) break
          said.push({
            tool_calls: [
              { index: next.index, id: "", function: { name: "", arguments: next.pieces.shift() ?? "" } },
            ],
          })
        }
        const message = readEvents(translate(said.map((delta) => ({ choices: [{ index: 0, delta }] }))))
        assert.deepStrictEqual(
          objectsAt(message, "content").map(({ id, input }) => [id, JSON.stringify(input)]),
          calls.map(({ input }, index) => [`c${index}`, JSON.stringify(input)]),
        )
      }),
    )
  })

  it("of anything is well formed", () => {
    fc.assert(
      fc.property(fc.array(json), (said) => {
        readEvents(translate(said))
        for (const each of said) readEvents(translate([{ choices: [{ delta: each }] }]))
      }),
    )
  })
})

describe("an answer", () => {
  it("of any JSON becomes a message, and nothing is thrown", () => {
    const summary = {
      text: "",
      finishReason: null,
      model: "m",
      usage: null,
      usageEstimated: false,
      rawUsage: null,
    }
    fc.assert(
      fc.property(json, (message) => {
        const made = toMessage({ choices: [{ message }] }, summary)
        assert.isTrue(isObject(made) && Array.isArray(made.content))
      }),
    )
  })
})
