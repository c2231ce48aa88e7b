import { readdirSync, readFileSync } from "node:fs"
import { assert, describe, expect, it } from "@effect/vitest"
import { Result } from "effect"
import { toMessage } from "../../../src/dialects/messages/answer.ts"
import { readRequest } from "../../../src/dialects/messages/request.ts"
import type { FinishReason } from "../../../src/domain/Chat.ts"
import type { Task } from "../../../src/domain/Task.ts"
import { isObject, type JsonObject, parseJson } from "../../../src/platform/json.ts"
import { gemini } from "../../../src/providers/protocols/gemini/protocol.ts"
import { openAiChat } from "../../../src/providers/protocols/openai-chat/protocol.ts"
import type { Protocol } from "../../../src/providers/protocols/Protocol.ts"
import { readEvents, translate } from "./read-events.ts"

/**
 * Complete translations. `requests/<case>/request.json` is a client's request to `/v1/messages`, beside it the chat that it
 * becomes and what each model is sent; `answers/<case>/chat.json` is an answer, beside it the message. After a change that is
 * meant: `vitest run dialects -u`, and read the difference.
 */
const folder = new URL("../../fixtures/dialects/messages/", import.meta.url)
const requests = new URL("requests/", folder)
const answers = new URL("answers/", folder)

const read = (name: string, base: URL): JsonObject => {
  const json = parseJson(readFileSync(new URL(name, base), "utf8"))
  assert(isObject(json))
  return json
}

const isAsBefore = (name: string, base: URL, value: unknown) =>
  expect(`${JSON.stringify(value, null, 2)}\n`).toMatchFileSnapshot(new URL(name, base).pathname)

const models: ReadonlyArray<readonly [model: string, protocol: Protocol]> = [
  ["gpt-5", openAiChat({ isOpenAi: true })],
  ["gpt-4o", openAiChat({ isOpenAi: true })],
  ["llama-4", openAiChat({ isOpenAi: false })],
  ["claude-opus-5", openAiChat({ isOpenAi: false })],
  ["gemini-3-flash-preview", gemini],
]

describe.each(readdirSync(requests))("the request %s", (name) => {
  const lowered = readRequest(read(`${name}/request.json`, requests))

  it("in chat", async () => {
    await isAsBefore(
      `${name}/chat.json`,
      requests,
      Result.match(lowered, { onSuccess: ({ request }) => request, onFailure: (mistake) => mistake }),
    )
  })

  if (Result.isFailure(lowered)) return
  const { request } = lowered.success

  it.each(models)("for %s", async (model, protocol) => {
    const task: Task = { _tag: "Chat", request, mode: "whole", dialect: "messages" }
    const sent = Result.match(protocol.lower(task, model), {
      onSuccess: (writer) => {
        const dropped = writer.dropped?.() ?? []
        return {
          sent: parseJson(String(writer.write("whole"))),
          ...(dropped.length > 0 && { dropped }),
        }
      },
      onFailure: (refused) => ({ refused }),
    })
    await isAsBefore(`${name}/${model}.json`, requests, sent)
  })
})

const finishReason = (chat: JsonObject): FinishReason => {
  const reason = JSON.stringify(chat).match(/"finish_reason":"(\w+)"/)?.[1]
  return reason === "length" || reason === "stop" ? reason : "other"
}

describe.each(readdirSync(answers))("the answer %s", (name) => {
  const chat = read(`${name}/chat.json`, answers)
  const summary = {
    text: "",
    finishReason: finishReason(chat),
    model: "m",
    usage: { inputTokens: 30, outputTokens: 20, cachedTokens: 10, cacheWriteTokens: 5, reasoningTokens: 0 },
    usageEstimated: false,
    rawUsage: null,
  }
  const message = toMessage(chat, summary)

  it("as a message", async () => {
    await isAsBefore(`${name}/message.json`, answers, message)
  })

  it("says the same as a stream", () => {
    const chunks = openAiChat({ isOpenAi: false }).splitAnswer(chat) ?? []
    const datas = chunks.filter((chunk) => chunk !== "[DONE]").map(parseJson)
    assert.deepStrictEqual(JSON.stringify(readEvents(translate(datas, summary))), JSON.stringify(message))
  })
})
