import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { badResponse } from "../fault.ts"
import { audienceOf } from "../openai-chat/audience.ts"
import { classify } from "../openai-chat/errors.ts"
import { inOpenAiWords, lostOnOpenAi, unknownToOpenAi } from "../openai-chat/from-messages.ts"
import type { BodyWriter, LoweringFault, Protocol } from "../Protocol.ts"
import { parseAnswer, parseNativeAnswer } from "./answer.ts"
import { unsupported } from "./input.ts"
import {
  hasReasoning,
  OPENAI,
  reasoningIn,
  unsaid,
  type VendorResponses,
  withoutReasoning,
  writeCompaction,
  writeNative,
} from "./native-request.ts"
import { openNativeStream } from "./native-stream.ts"
import { joinEvents, splitAnswer } from "./other-form.ts"
import { lostInItems, lowerChat } from "./request.ts"
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
  lower: (task, model) => {
    if (task._tag === "Embedding") return Result.fail(unsupported("input"))
    const { dialect, request } = task
    return dialect === "messages" ? lowerMessages(model, request) : lowerChat(model, request)
  },
  parse: parseAnswer,
  openStream,
}

const lowerMessages = (model: string, request: ChatRequest): Result.Result<BodyWriter, LoweringFault> => {
  const foreign = unknownToOpenAi(request)
  if (foreign !== undefined) return Result.fail(foreign)
  const audience = audienceOf(model, true)
  return Result.map(lowerChat(model, inOpenAiWords(request, audience)), ({ write }) => ({
    write,
    get dropped() {
      return [...lostOnOpenAi(request, audience), ...lostInItems(request)]
    },
  }))
}

/** The same for clients that speak it too, and whose bytes are at hand: requests and answers pass as they are. */
export const nativeResponsesOf = (vendor: VendorResponses): Protocol => ({
  ...common,
  lower: (task, model) => {
    if (task._tag === "Embedding" || task.source === undefined) return Result.fail(unsupported("input"))
    const { body = {}, source } = task
    const dropped = () => unsaid(model, body, vendor)
    return Result.succeed({
      write: (mode) => writeNative(model, source, body, mode, vendor),
      get dropped() {
        return dropped()
      },
      reworded: () =>
        hasReasoning(body)
          ? {
              write: (mode) => writeNative(model, source, body, mode, vendor, withoutReasoning),
              get dropped() {
                return [...dropped(), ...reasoningIn(body)]
              },
            }
          : undefined,
    })
  },
  parse: parseNativeAnswer,
  openStream: openNativeStream,
})

export const nativeResponses: Protocol = nativeResponsesOf(OPENAI)

/** The same for a conversation that is to be compacted. */
export const nativeCompaction: Protocol = {
  ...nativeResponses,
  lower: (task, model) => {
    if (task._tag === "Embedding" || task.source === undefined) return Result.fail(unsupported("input"))
    const { body = {}, source } = task
    return Result.succeed({
      write: () => writeCompaction(model, source, body),
      get dropped() {
        return unsaid(model, { input: body.input }, OPENAI)
      },
    })
  },
}
