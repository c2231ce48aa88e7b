import { Result } from "effect"
import type { Completion } from "../../../domain/Chat.ts"
import { stringAt } from "../../../platform/json.ts"
import { badResponse } from "../fault.ts"
import type { Fault, JsonAnswer, Protocol } from "../Protocol.ts"
import { readMessage } from "./answer.ts"
import { readContent } from "./content.ts"
import { classify } from "./errors.ts"
import { editMessages } from "./native-request.ts"
import { openNativeStream } from "./native-stream.ts"
import { splitAnswer } from "./other-form.ts"
import { noEmbeddings } from "./protocol.ts"
import { readFinishReason } from "./stop-reason.ts"
import { readUsage } from "./usage.ts"

/** Anthropic's Messages API for clients that speak it themselves: requests and answers pass as they are. */
export const nativeMessages = (isClaude: (model: string) => boolean): Protocol => ({
  lower: (task, model) =>
    task._tag === "Chat" && task.source !== undefined
      ? editMessages(model, isClaude(model), task, task.source)
      : Result.fail(noEmbeddings),
  parse: (model, answer) => parse(model, answer),
  usageOf: ({ usage }) => readUsage(usage),
  openStream: openNativeStream,
  splitAnswer,
  parseEmbedding: () => Result.fail(badResponse("there are no embeddings")),
  classify,
})

/** The same of Anthropic, whatever its models are called. */
export const nativeAnthropic: Protocol = nativeMessages(() => true)

const parse = (model: string, { bytes, json }: JsonAnswer): Result.Result<Completion, Fault> =>
  Result.map(readMessage(json), (message) => ({
    dialect: "messages",
    text: readContent(message).text,
    finishReason: readFinishReason(message.stop_reason, false),
    model: stringAt(message, "model") || model,
    usage: readUsage(message.usage),
    usageEstimated: false,
    rawUsage: message.usage ?? null,
    body: () => bytes,
  }))
