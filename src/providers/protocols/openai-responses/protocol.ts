import { Result } from "effect"
import { badResponse } from "../fault.ts"
import { unseenImage } from "../lowering.ts"
import { classify } from "../openai-chat/errors.ts"
import type { Protocol } from "../Protocol.ts"
import { parseAnswer, parseNativeAnswer } from "./answer.ts"
import { unsupported } from "./input.ts"
import { compactionWriter, nativeWriter, OPENAI, type VendorResponses } from "./native-request.ts"
import { openNativeStream } from "./native-stream.ts"
import { joinEvents, splitAnswer } from "./other-form.ts"
import { lowerChat, lowerMessages } from "./request.ts"
import { openStream } from "./stream.ts"
import { readUsage } from "./usage.ts"

const common = {
  usageOf: readUsage,
  joinEvents,
  splitAnswer,
  // Embeddings have a wire of their own.
  parseEmbedding: () => Result.fail(badResponse("no embeddings")),
  classify,
} satisfies Partial<Protocol>

const noEmbeddings = unsupported("input")

/** OpenAI's Responses for clients of chat completions, translated in both directions. */
export const openAiResponses: Protocol = {
  ...common,
  lower: (task, model) => {
    if (task._tag === "Embedding") return Result.fail(noEmbeddings)
    const { dialect, request } = task
    const image = unseenImage(task)
    if (image !== undefined) return Result.fail(image)
    return dialect === "messages" ? lowerMessages(model, request) : lowerChat(model, request)
  },
  parse: parseAnswer,
  openStream,
}

/** The same for clients that speak it too, and whose bytes are at hand: requests and answers pass as they are. */
export const nativeResponsesOf = (vendor: VendorResponses): Protocol => ({
  ...common,
  lower: (task, model) =>
    task._tag === "Chat" && task.source !== undefined
      ? Result.succeed(nativeWriter(model, vendor, task, task.source))
      : Result.fail(noEmbeddings),
  parse: parseNativeAnswer,
  openStream: openNativeStream,
})

export const nativeResponses: Protocol = nativeResponsesOf(OPENAI)

/** The same for a conversation that is to be compacted. */
export const nativeCompaction: Protocol = {
  ...nativeResponses,
  lower: (task, model) =>
    task._tag === "Chat" && task.source !== undefined
      ? Result.succeed(compactionWriter(model, task, task.source))
      : Result.fail(noEmbeddings),
}
