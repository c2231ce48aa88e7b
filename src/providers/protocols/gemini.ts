import { Result } from "effect"
import { badRequest } from "./fault.ts"
import { parseAnswer } from "./gemini/answer.ts"
import { lowerEmbedding, parseEmbedding } from "./gemini/embeddings.ts"
import { classify } from "./gemini/errors.ts"
import { lowerChat } from "./gemini/request.ts"
import { openGeminiStream } from "./gemini/stream.ts"
import type { Refusal } from "./gemini/wire.ts"
import type { Fault, Protocol } from "./Protocol.ts"

/**
 * Gemini's own API, in both directions. The model and the kind of call travel in the path, not in the body.
 *
 * What `unable` finds is what lowering would refuse for want of a counterpart: it lowers, so the two cannot disagree.
 */
export const gemini: Protocol = {
  unable: (task) => {
    // No refusal depends on the model.
    const lowered: Result.Result<object, Refusal> =
      task._tag === "Chat" ? lowerChat("", task.request) : lowerEmbedding("", task.request)
    return Result.isFailure(lowered) && lowered.failure.unable
      ? { param: lowered.failure.param, reason: lowered.failure.reason }
      : undefined
  },
  lower: (model, request) => encode(lowerChat(model, request)),
  parse: parseAnswer,
  openStream: openGeminiStream,
  lowerEmbedding: (model, request) => encode(lowerEmbedding(model, request)),
  parseEmbedding,
  classify,
}

const encode = (lowered: Result.Result<object, Refusal>): Result.Result<string, Fault> =>
  Result.isSuccess(lowered)
    ? Result.succeed(JSON.stringify(lowered.success))
    : Result.fail(badRequest(lowered.failure.reason, lowered.failure.param))
