import { Result } from "effect"
import type { Task } from "../../../domain/Task.ts"
import { badRequest } from "../fault.ts"
import type { Fault, Protocol } from "../Protocol.ts"
import { parseAnswer } from "./answer.ts"
import { lowerEmbedding, parseEmbedding } from "./embeddings.ts"
import { classify } from "./errors.ts"
import { refusedByModel } from "./model-refusals.ts"
import { lowerChat } from "./request.ts"
import { openGeminiStream } from "./stream.ts"
import type { Refusal } from "./wire.ts"

/**
 * Gemini's own API, in both directions. The model and the kind of call travel in the path, not in the body.
 *
 * What `unable` finds is what `lower` would refuse for want of a counterpart: both lower and then ask about the model,
 * so they cannot disagree.
 */
export const gemini: Protocol = {
  unable: (task, model) => {
    const refusal =
      refusedByAll(task) ?? (task._tag === "Chat" ? refusedByModel(model, task.request) : undefined)
    return refusal?.unable ? { param: refusal.param, reason: refusal.reason } : undefined
  },
  lower: (model, request) => {
    const lowered = lowerChat(model, request)
    const refusal = Result.isSuccess(lowered) ? refusedByModel(model, request) : undefined
    return encode(refusal === undefined ? lowered : Result.fail(refusal))
  },
  parse: parseAnswer,
  openStream: openGeminiStream,
  lowerEmbedding: (model, request) => encode(lowerEmbedding(model, request)),
  parseEmbedding,
  classify,
}

/**
 * By request, as planning asks about the same one for every model that may serve it, and lowering a long one takes
 * milliseconds. The lowered request itself is not kept: it is as large, and mostly not needed.
 */
const refusals = new WeakMap<Task["request"], Refusal | "none">()

const refusedByAll = (task: Task): Refusal | undefined => {
  const { request } = task
  let refusal = refusals.get(request)
  if (refusal === undefined) {
    const lowered: Result.Result<object, Refusal> =
      task._tag === "Chat" ? lowerChat("", task.request) : lowerEmbedding("", task.request)
    refusal = Result.isFailure(lowered) ? lowered.failure : "none"
    refusals.set(request, refusal)
  }
  return refusal === "none" ? undefined : refusal
}

const encode = (lowered: Result.Result<object, Refusal>): Result.Result<string, Fault> =>
  Result.isSuccess(lowered)
    ? Result.succeed(JSON.stringify(lowered.success))
    : Result.fail(badRequest(lowered.failure.reason, lowered.failure.param))
