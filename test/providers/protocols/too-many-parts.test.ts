import { assert, describe, it } from "@effect/vitest"
import { openStream as openMessages } from "../../../src/providers/protocols/anthropic/stream.ts"
import { openStream as openChat } from "../../../src/providers/protocols/openai-chat/stream.ts"
import { openStream as openResponses } from "../../../src/providers/protocols/openai-responses/stream.ts"
import type { StreamReader } from "../../../src/providers/protocols/Protocol.ts"

/** A server that goes on to name what nobody has heard of, each of which is remembered until its answer ends. */

const chat = (choice: object) => ({ id: "c", object: "chat.completion.chunk", model: "m", choices: [choice] })

const streams: ReadonlyArray<
  readonly [what: string, open: () => StreamReader, event: (nth: number) => object]
> = [
  [
    "calls of a chat",
    () => openChat(true),
    (nth) => chat({ index: 0, delta: { tool_calls: [{ index: nth, id: `call_${nth}`, type: "function" }] } }),
  ],
  [
    "calls of as many choices",
    () => openChat(true),
    (nth) => chat({ index: nth, delta: { tool_calls: [{ index: 0, id: `call_${nth}` }] } }),
  ],
  ["choices", () => openChat(false), (nth) => chat({ index: nth, delta: {} })],
  [
    "blocks of Messages",
    () => openMessages("m", 0),
    (nth) =>
      nth === 0
        ? { type: "message_start", message: {} }
        : { type: "content_block_start", index: nth, content_block: { type: "tool_use", id: `${nth}` } },
  ],
  [
    "calls of a response",
    () => openResponses("m", 0),
    (nth) => ({
      type: "response.output_item.added",
      output_index: nth,
      item: { type: "function_call", call_id: `${nth}` },
    }),
  ],
  [
    "items of a response",
    () => openResponses("m", 0),
    (nth) => ({ type: "response.output_text.delta", output_index: nth, delta: "a" }),
  ],
]

/** Reads events until one is refused, and returns how many were read and why the last one was refused. */
const readAll = (reader: StreamReader, event: (nth: number) => object) => {
  for (let nth = 0; nth < 20_000; nth++) {
    const data = JSON.stringify(event(nth))
    const reading = reader.read({ type: "message", data, bytes: Buffer.from(`data: ${data}\n\n`) })
    if (reading._tag === "Fault") return { read: nth, fault: reading.fault }
  }
  return undefined
}

describe("a stream of parts without end", () => {
  it.each(streams)("is ended: %s", (_what, open, event) => {
    const refused = readAll(open(), event)
    assert.deepStrictEqual(
      [refused?.fault.kind, refused?.fault.detail],
      ["bad_response", "has too many parts"],
    )
    // More than any model says.
    assert.isAtLeast(refused?.read ?? 0, 9_999)
  })
})
