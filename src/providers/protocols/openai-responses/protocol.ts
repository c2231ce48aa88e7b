import { Result } from "effect"
import { badResponse } from "../fault.ts"
import { classify } from "../openai-chat/errors.ts"
import type { Protocol } from "../Protocol.ts"
import { parseAnswer } from "./answer.ts"
import { unsupported } from "./input.ts"
import { passAnswer, passStream } from "./native.ts"
import { writeNative } from "./native-request.ts"
import { lowerChat } from "./request.ts"
import { joinEvents, splitAnswer } from "./response.ts"
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

/** OpenAI's Responses for clients of chat completions, translated in both directions. */
export const openAiResponses: Protocol = {
  ...common,
  lower: (task, model) =>
    task._tag === "Chat" ? lowerChat(model, task.request) : Result.fail(unsupported("input")),
  parse: parseAnswer,
  openStream,
}

/** The same for clients that speak it too, and whose bytes are at hand: requests and answers pass as they are. */
export const nativeResponses: Protocol = {
  ...common,
  lower: (task, model) => {
    if (task._tag === "Embedding" || task.source === undefined) return Result.fail(unsupported("input"))
    const { body = {}, source } = task
    return Result.succeed({ write: (mode) => writeNative(model, source, body, mode) })
  },
  parse: passAnswer,
  openStream: passStream,
}
