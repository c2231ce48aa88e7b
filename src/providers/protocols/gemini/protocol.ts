import type { Protocol } from "../Protocol.ts"
import { parseAnswer } from "./answer.ts"
import { lowerEmbedding, parseEmbedding } from "./embeddings.ts"
import { classify } from "./errors.ts"
import { splitAnswer } from "./other-form.ts"
import { lowerChat } from "./request.ts"
import { openStream } from "./stream.ts"
import { readUsage } from "./usage.ts"

/** Gemini's own API, in both directions. The model and the kind of call travel in the path, not in the body. */
export const gemini: Protocol = {
  lower: (task, model) =>
    task._tag === "Chat" ? lowerChat(model, task.request) : lowerEmbedding(model, task.request),
  parse: parseAnswer,
  usageOf: ({ usageMetadata }) => readUsage(usageMetadata),
  openStream,
  splitAnswer,
  parseEmbedding,
  classify,
}
