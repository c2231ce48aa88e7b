import { Result } from "effect"
import type { CallMode } from "../../../domain/Chat.ts"
import type { ChatTask } from "../../../domain/Task.ts"
import type { BodyWriter, Protocol, Rewording } from "../Protocol.ts"
import { parseAnswer } from "./answer.ts"
import { parseEmbedding, writeEmbedding } from "./embeddings.ts"
import { classify } from "./errors.ts"
import { sayingToGoogle } from "./foreign-fields.ts"
import { joinEvents, splitAnswer } from "./other-form.ts"
import { type ChatWriting, hasOwnStreamOptions, writeChat } from "./request.ts"
import { openStream } from "./stream.ts"
import { readUsage } from "./usage.ts"

/**
 * OpenAI chat completions and embeddings, as OpenAI and the many servers that imitate it speak them. Clients speak
 * the same, so requests and answers pass as they are but for what the gateway must set; nothing is unsupported.
 */
export const openAiChat = (
  options: ChatWriting & {
    /** A stream is whole only with `[DONE]`, and not already when its choices have ended. */
    readonly endsWithDone?: boolean
  },
): Protocol => {
  /** Learned from a vendor that refused it, and took the same request without. */
  let takesStreamOptions = true
  const lowerChat = (model: string, task: ChatTask): BodyWriter => {
    const write = (mode: CallMode) => writeChat(model, task, mode, options, takesStreamOptions)
    const foreign = sayingToGoogle(task.request)
    const isReworded = task.mode === "stream" && takesStreamOptions && !hasOwnStreamOptions(task.request)
    if (foreign === undefined && !isReworded) return write
    const reworded: Rewording = {
      write: (mode) => writeChat(model, task, mode, options, false),
      taken: () => {
        takesStreamOptions = false
      },
    }
    return Object.assign(write, {
      ...(foreign !== undefined && { dropped: [foreign] }),
      ...(isReworded && { reworded }),
    })
  }
  return {
    lower: (task, model) =>
      Result.succeed(task._tag === "Chat" ? lowerChat(model, task) : () => writeEmbedding(model, task)),
    parse: parseAnswer,
    usageOf: ({ usage, service_tier }) => readUsage(usage, service_tier),
    openStream: () => openStream(options.endsWithDone ?? true),
    joinEvents,
    splitAnswer,
    parseEmbedding,
    classify,
  }
}

export const openAiPath = (_model: string, call: "chat" | "stream" | "embedding"): string =>
  call === "embedding" ? "/embeddings" : "/chat/completions"
