import { Result } from "effect"
import type { CallMode } from "../../../domain/Chat.ts"
import type { Protocol } from "../Protocol.ts"
import { parseAnswer } from "./answer.ts"
import { parseEmbedding, writeEmbedding } from "./embeddings.ts"
import { classify } from "./errors.ts"
import { type ChatWriting, writeChat } from "./request.ts"
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
): Protocol => ({
  lower: (task, model) =>
    Result.succeed(
      task._tag === "Chat"
        ? (mode: CallMode) => writeChat(model, task, mode, options)
        : () => writeEmbedding(model, task),
    ),
  parse: parseAnswer,
  usageOf: ({ usage, service_tier }) => readUsage(usage, service_tier),
  openStream: () => openStream(options.endsWithDone ?? true),
  parseEmbedding,
  classify,
})

export const openAiPath = (_model: string, call: "chat" | "stream" | "embedding"): string =>
  call === "embedding" ? "/embeddings" : "/chat/completions"
