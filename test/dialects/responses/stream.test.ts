import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { chunkData } from "../../../src/dialects/chat-answer.ts"
import { responseOf } from "../../../src/dialects/responses/answer.ts"
import { ResponseStream } from "../../../src/dialects/responses/ResponseStream.ts"
import type { JsonObject } from "../../../src/platform/json.ts"

/** Whole and streamed answers of one chat say the same, event by event in an order that clients can follow. */

const head = { seed: "0".repeat(32), createdAt: 1, model: "m", asked: {} }

interface Event {
  readonly type: string
  readonly sequence_number: number
  readonly output_index?: number
  readonly item?: { readonly id: string }
  readonly item_id?: string
  readonly delta?: string
  readonly response?: { readonly output: ReadonlyArray<unknown>; readonly status: string }
}

const eventsOf = (text: string): ReadonlyArray<Event> =>
  (text.match(/[\s\S]+?\n\n/g) ?? []).map((event) => {
    const [, name = "", data = ""] = /^event: (\S+)\ndata: (.+)\n\n$/.exec(event) ?? []
    const json: Event = JSON.parse(data)
    assert.strictEqual(json.type, name)
    return json
  })

const delta = (fields: JsonObject) => ({ choices: [{ index: 0, delta: fields }] })

const streamed = (deltas: ReadonlyArray<JsonObject>, finish: "stop" | "length" = "stop") => {
  const stream = new ResponseStream(head)
  const text = deltas.map((each) => stream.read(delta(each))).join("")
  return eventsOf(text + stream.end({ finishReason: finish, usage: null }, 2))
}

/** Checks what every client relies on: numbers, items that begin before they grow and end once, and deltas that add up. */
const assertWellFormed = (events: ReadonlyArray<Event>): void => {
  assert.deepStrictEqual(
    events.map(({ sequence_number }) => sequence_number),
    events.map((_, index) => index),
  )
  const open = new Map<number, string>()
  const begun: Array<string> = []
  for (const { item, item_id, output_index, type } of events) {
    if (output_index === undefined) continue
    if (type === "response.output_item.added") {
      assert.strictEqual(output_index, begun.length)
      begun.push(item?.id ?? "")
      open.set(output_index, item?.id ?? "")
    } else if (type === "response.output_item.done") {
      assert.strictEqual(open.get(output_index), item?.id)
      open.delete(output_index)
    } else assert.strictEqual(open.get(output_index), item_id, type)
  }
  assert.strictEqual(open.size, 0)
  const ended = events.flatMap(({ item, output_index, type }) =>
    type === "response.output_item.done" ? [[output_index, item] as const] : [],
  )
  assert.deepStrictEqual(
    events.at(-1)?.response?.output,
    ended.toSorted(([a = 0], [b = 0]) => a - b).map(([, item]) => item),
  )
}

const call = (index: number, fields: JsonObject) => ({ tool_calls: [{ index, ...fields }] })

describe("a stream", () => {
  it("has an item for reasoning, words, and each call", () => {
    const events = streamed([
      { role: "assistant", content: "" },
      { reasoning_content: "Let me see." },
      { content: "I " },
      { content: "look." },
      call(0, { id: "c0", type: "function", function: { name: "f", arguments: "" } }),
      call(1, { id: "c1", type: "custom", custom: { name: "g", input: "x" } }),
      call(0, { function: { arguments: "{}" } }),
    ])
    assertWellFormed(events)
    const seed = head.seed
    assert.deepStrictEqual(events.at(-1)?.response?.output, [
      { id: `rs_${seed}_0`, type: "reasoning", summary: [{ type: "summary_text", text: "Let me see." }] },
      {
        id: `msg_${seed}_1`,
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text: "I look.", annotations: [], logprobs: [] }],
      },
      {
        id: `fc_${seed}_2`,
        type: "function_call",
        status: "completed",
        call_id: "c0",
        name: "f",
        arguments: "{}",
      },
      {
        id: `ctc_${seed}_3`,
        type: "custom_tool_call",
        status: "completed",
        call_id: "c1",
        name: "g",
        input: "x",
      },
    ])
  })

  it("has an item for each image, and so has a whole answer", () => {
    const extra_content = { google: { thought_signature: "c2ln" } }
    const images = [
      { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
      { type: "image_url", image_url: { url: "data:image/jpeg;base64,BBBB" }, extra_content },
    ]
    const events = streamed([{ role: "assistant", content: "" }, { images }])
    assertWellFormed(events)
    const item = { type: "image_generation_call", status: "completed" }
    const expected = [
      { ...item, id: `ig_${head.seed}_0`, result: "AAAA", output_format: "png" },
      { ...item, id: `ig_${head.seed}_1`, result: "BBBB", output_format: "jpeg", extra_content },
    ]
    const whole = responseOf(
      { choices: [{ message: { content: "", images } }] },
      { finishReason: "stop", usage: null, model: "m" },
      { ...head, completedAt: 2 },
    )
    assert.deepStrictEqual(events.at(-1)?.response?.output, expected)
    assert.deepStrictEqual(whole.output, expected)
  })

  it("says where an image is that does not come as data, and so does a whole answer", () => {
    const message = { content: "Look:", images: [{ image_url: { url: "https://example.test/a.png" } }] }
    const whole = responseOf(
      { choices: [{ message }] },
      { finishReason: "stop", usage: null, model: "m" },
      { ...head, completedAt: 2 },
    )
    const words = "Look:\nhttps://example.test/a.png"
    for (const output of [streamed([message]).at(-1)?.response?.output, whole.output]) {
      assert.include(JSON.stringify(output), JSON.stringify(words))
    }
  })

  it("of nothing is a message of nothing", () => {
    const events = streamed([{ role: "assistant" }])
    assertWellFormed(events)
    assert.lengthOf(events.at(-1)?.response?.output ?? [], 1)
  })

  it("says of its last items that they are incomplete when it was cut", () => {
    const events = streamed([{ content: "I " }], "length")
    assert.strictEqual(events.at(-1)?.type, "response.incomplete")
    assert.deepInclude(events.at(-1)?.response?.output[0], { status: "incomplete" })
  })

  it("that fails keeps what was said, as far as it came", () => {
    const stream = new ResponseStream(head)
    stream.read(delta({ content: "I " }))
    const last = eventsOf(stream.fail({ code: "upstream_error", message: "It failed." })).at(-1)
    assert.strictEqual(last?.type, "response.failed")
    assert.strictEqual(last?.response?.status, "failed")
    assert.deepInclude(last?.response?.output[0], { status: "in_progress" })
  })

  it("has an item for thoughts that stand in the content, as Mistral's do, and so has a whole answer", () => {
    const thought = { type: "thinking", thinking: [{ type: "text", text: "Let me see." }] }
    const content = [thought, { type: "text", text: "Rome" }]
    const summary = { finishReason: "stop", usage: null } as const
    const whole = responseOf(
      { choices: [{ message: { content } }] },
      { ...summary, model: "m" },
      { ...head, completedAt: 2 },
    )
    for (const output of [streamed([{ content }]).at(-1)?.response?.output, whole.output]) {
      const [reasoning, message] = output as ReadonlyArray<JsonObject>
      assert.deepInclude(reasoning, { summary: [{ type: "summary_text", text: "Let me see." }] })
      assert.deepInclude(message, { type: "message", role: "assistant" })
    }
  })

  it("says logprobs again at its end, unless they are too many to be kept", () => {
    const logprobs = (count: number) => ({
      content: Array.from({ length: count }, () => ({ token: "a", logprob: -1, top_logprobs: [{}, {}, {}] })),
    })
    const keptOf = (...counts: ReadonlyArray<number>): number => {
      const stream = new ResponseStream(head)
      for (const count of counts) {
        stream.read({ choices: [{ index: 0, delta: { content: "a" }, logprobs: logprobs(count) }] })
      }
      const [message] =
        eventsOf(stream.end({ finishReason: "stop", usage: null }, 2)).at(-1)?.response?.output ?? []
      return (message as { content: [{ logprobs: ReadonlyArray<unknown> }] }).content[0].logprobs.length
    }
    assert.strictEqual(keptOf(2, 1), 3)
    assert.strictEqual(keptOf(20_000, 5000), 25_000)
    assert.strictEqual(keptOf(20_000, 5001, 1), 0)
  })

  const text = fc.string({ maxLength: 4 })
  const pieces = fc.array(
    fc.oneof(
      fc.record({ content: text }),
      fc.record({ reasoning_content: text }),
      fc.record({ refusal: text }),
      fc
        .record({ index: fc.nat(2), id: text, function: fc.record({ name: text, arguments: text }) })
        .map((each) => ({ tool_calls: [each] })),
    ),
    { maxLength: 20 },
  )

  it("is well-formed whatever comes in whatever order", () => {
    fc.assert(fc.property(pieces, (deltas) => assertWellFormed(streamed(deltas))))
  })

  it("adds up to the words of the deltas", () => {
    fc.assert(
      fc.property(pieces, (deltas) => {
        const words = streamed(deltas)
          .filter(({ type }) => type === "response.output_text.delta")
          .map(({ delta = "" }) => delta)
        const given = deltas.map((each) => ("content" in each ? each.content : ""))
        assert.strictEqual(words.join(""), given.join(""))
      }),
    )
  })

  it("takes any JSON", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 3 })), (values) => {
        const stream = new ResponseStream(head)
        const events = values
          .flatMap((value) => [
            value,
            { delta: value },
            { delta: { content: value, tool_calls: [value], refusal: value } },
          ])
          .map((choice) => stream.read({ choices: [choice] }))
        assertWellFormed(eventsOf(events.join("") + stream.end({ finishReason: "stop", usage: null }, 2)))
      }),
    )
  })
})

it("a call of a tool in a namespace names both, whole and streamed", () => {
  const asked = {
    tools: [{ type: "namespace", name: "agents", tools: [{ type: "function", name: "close" }] }],
  }
  const called = { id: "c", type: "function", function: { name: "agents__close", arguments: "{}" } }
  const stream = new ResponseStream({ ...head, asked })
  stream.read(delta({ tool_calls: [{ index: 0, ...called }] }))
  const ended = stream.end({ finishReason: "tool_calls", usage: null }, 2)
  const output = eventsOf(ended).at(-1)?.response?.output
  assert.deepInclude(output?.[0], { type: "function_call", name: "close", namespace: "agents" })
  const whole = responseOf(
    { choices: [{ message: { tool_calls: [called] } }] },
    { finishReason: "tool_calls", model: "m", usage: null },
    { ...head, asked, completedAt: 2 },
  )
  assert.deepStrictEqual(whole.output as unknown, output)
})

describe("a whole answer", () => {
  const of = (message: JsonObject) =>
    responseOf(
      { choices: [{ index: 0, message }] },
      { finishReason: "stop", model: "m", usage: null },
      { ...head, completedAt: 2 },
    )

  it("says what its stream says", () => {
    const message = {
      reasoning_content: "Let me see.",
      content: "I look.",
      tool_calls: [{ id: "c0", type: "function", function: { name: "f", arguments: "{}" } }],
    }
    const { tool_calls: [first] = [], ...words } = message
    const last = streamed([words, call(0, { ...first })]).at(-1)
    assert.deepStrictEqual(of(message) as unknown, last?.response)
  })

  it("is made of any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) =>
        assert.isArray(of({ content: value, tool_calls: value }).output),
      ),
    )
    assert.isArray(
      responseOf(null, { finishReason: null, model: "m", usage: null }, { ...head, completedAt: 2 }).output,
    )
  })
})

describe("the data of a chunk", () => {
  it("is read from any event, and from no comment", () => {
    const read = (text: string) => chunkData(Buffer.from(text))
    assert.deepStrictEqual(read('data: {"a":1}\n\n'), { a: 1 })
    assert.deepStrictEqual(read('event: x\r\ndata:{"a":\r\ndata:1}\r\n\r\n'), { a: 1 })
    assert.isUndefined(read(": usage\n\n"))
    assert.isUndefined(read("data: [DONE]\n\n"))
  })
})
