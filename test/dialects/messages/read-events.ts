import { assert } from "@effect/vitest"
import { MessageStream } from "../../../src/dialects/messages/MessageStream.ts"
import type { ChatChunk } from "../../../src/domain/Chat.ts"
import { isObject, type JsonObject, objectAt, parseJson } from "../../../src/platform/json.ts"

/** A chunk of chat with what a provider's protocol would have noted of it. */
const chunkOf = (data: unknown): ChatChunk => ({
  event: Buffer.from(`data: ${JSON.stringify(data)}\n\n`),
  text: "",
  generated: 0,
  semantic: true,
  usageOnly: false,
  model: "m",
  finishReason: undefined,
  usage: undefined,
})

const summary = {
  text: "",
  finishReason: "stop",
  model: "m",
  usage: null,
  usageEstimated: false,
  rawUsage: null,
} as const

/** Translates chunks of chat, given as the data of their events. */
export const translate = (
  datas: ReadonlyArray<unknown>,
  end: Parameters<MessageStream["end"]>[0] = summary,
): string => {
  const stream = new MessageStream(() => 7)
  return datas.map((data) => stream.read(chunkOf(data))).join("") + stream.end(end)
}

/**
 * Reads the events of one message as strictly as no client does: named as their data says, one beginning, one block at a time in
 * the order of their numbers, deltas of the open block alone and of its kind, one end. Returns the message.
 */
export const readEvents = (text: string): JsonObject => {
  const events = text.split("\n\n").filter((event) => event !== "")
  let message: JsonObject | undefined
  let open: Record<string, unknown> | undefined
  let args = ""
  let isOver = false
  const content: Array<unknown> = []
  let last: JsonObject = {}
  for (const event of events) {
    const [, name, json = ""] = /^event: (\w+)\ndata: (.+)$/.exec(event) ?? assert.fail(`no event: ${event}`)
    const data = parseJson(json)
    assert(isObject(data))
    assert.strictEqual(data.type, name)
    assert.isFalse(isOver, `after the end: ${name}`)
    assert.strictEqual(message === undefined, name === "message_start", `before the beginning: ${name}`)
    switch (name) {
      case "message_start":
        message = objectAt(data, "message")
        break
      case "content_block_start":
        assert.isUndefined(open)
        assert.strictEqual(data.index, content.length)
        open = { ...objectAt(data, "content_block") }
        args = ""
        break
      case "content_block_delta": {
        assert.strictEqual(data.index, content.length)
        const delta = objectAt(data, "delta")
        assert(open !== undefined && delta !== undefined)
        if (delta.type === "text_delta") {
          assert.strictEqual(open.type, "text")
          open.text = `${open.text}${delta.text}`
        } else if (delta.type === "thinking_delta") {
          assert.strictEqual(open.type, "thinking")
          open.thinking = `${open.thinking}${delta.thinking}`
        } else if (delta.type === "signature_delta") {
          assert.strictEqual(open.type, "thinking")
          open.signature = delta.signature
        } else {
          assert.strictEqual(delta.type, "input_json_delta")
          assert.strictEqual(open.type, "tool_use")
          args += delta.partial_json
        }
        break
      }
      case "content_block_stop":
        assert.strictEqual(data.index, content.length)
        assert.isDefined(open)
        if (open?.type === "tool_use" && args !== "") {
          const input = parseJson(args)
          open.input = isObject(input) ? input : { INVALID_JSON: args }
        }
        content.push(open)
        open = undefined
        break
      case "message_delta":
        assert.isUndefined(open)
        last = { ...objectAt(data, "delta"), usage: data.usage }
        break
      default:
        assert.strictEqual(name, "message_stop")
        assert.isNotEmpty(last)
        isOver = true
    }
  }
  assert.isTrue(isOver)
  return { ...message, content, ...last }
}
