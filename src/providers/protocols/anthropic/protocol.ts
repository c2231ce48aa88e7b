import { Result } from "effect"
import { badResponse } from "../fault.ts"
import { unsupported } from "../lowering.ts"
import type { Protocol } from "../Protocol.ts"
import { parseAnswer } from "./answer.ts"
import { classify } from "./errors.ts"
import { splitAnswer } from "./other-form.ts"
import { lowerChat } from "./request.ts"
import { openStream } from "./stream.ts"
import { readUsage } from "./usage.ts"

/** Anthropic's Messages API for clients that speak chat completions. `limitOf`: the most tokens that a model puts out. */
export const anthropic = (limitOf: (model: string) => number | undefined): Protocol => ({
  lower: (task, model) =>
    task._tag === "Chat" ? lowerChat(model, task.request, limitOf(model)) : Result.fail(noEmbeddings),
  parse: parseAnswer,
  usageOf: ({ usage }) => readUsage(usage),
  openStream,
  splitAnswer,
  parseEmbedding: () => Result.fail(badResponse("there are no embeddings")),
  classify,
})

export const noEmbeddings = unsupported("model", "Embeddings are")
