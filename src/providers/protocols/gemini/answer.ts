import { Result } from "effect"
import type { Completion } from "../../../domain/Chat.ts"
import type { Usage } from "../../../domain/Usage.ts"
import { isObject, type JsonObject, objectAt, objectsAt } from "../../../platform/json.ts"
import { isNestedWithin, MAX_ANSWER_LEVELS } from "../depth.ts"
import { badResponse } from "../fault.ts"
import { chatCompletion, type WireHead } from "../openai-chat/wire.ts"
import type { Fault, JsonAnswer } from "../Protocol.ts"
import { answerHead, besides, callId, imagesOf, isEmpty, readCandidate } from "./candidate.ts"
import { blockedPrompt, classifyInBand } from "./errors.ts"
import { candidateFault, readFinishReason } from "./finish-reason.ts"
import { readLogprobs } from "./logprobs.ts"
import { readUsage } from "./usage.ts"

/** Reads a whole answer. OpenAI's JSON is built when it is asked for, which only clients of OpenAI's API do. */
export const parseAnswer = (model: string, answer: JsonAnswer): Result.Result<Completion, Fault> => {
  const { json, nowMs } = answer
  const error = classifyInBand(json)
  if (error !== undefined) return Result.fail(error)
  if (!isObject(json)) return Result.fail(badResponse("body is not a JSON object"))
  if (!isNestedWithin(json, MAX_ANSWER_LEVELS)) return Result.fail(badResponse("nested too deeply"))
  const candidates = objectsAt(json, "candidates")
  const [first] = candidates
  if (first === undefined) return Result.fail(blockedPrompt(json) ?? badResponse("no candidate"))
  if (objectAt(first, "content") === undefined && first.finishReason === undefined) {
    return Result.fail(badResponse("empty candidate"))
  }
  const head = answerHead(model, json, nowMs)
  const content = readCandidate(first, () => "")
  const failure = candidateFault(first.finishReason, isEmpty(content))
  if (failure !== undefined) return Result.fail(failure)
  const usage = readUsage(json.usageMetadata)
  return Result.succeed({
    text: content.text,
    ...imagesOf(content),
    finishReason: readFinishReason(first.finishReason, content.calls.length > 0),
    model: head.model,
    usage,
    usageEstimated: false,
    rawUsage: json.usageMetadata ?? null,
    body: () => openAiBody(head, candidates, usage),
  })
}

const openAiBody = (head: WireHead, candidates: ReadonlyArray<JsonObject>, usage: Usage | null): string =>
  chatCompletion(
    head,
    candidates.map((candidate, index) => {
      const content = readCandidate(candidate, (nth) => callId(head, index, nth))
      const { text, calls } = content
      return {
        message: {
          role: "assistant",
          content: text === "" && calls.length > 0 ? null : text,
          refusal: null,
          ...besides(content),
          ...(calls.length > 0 && { tool_calls: calls }),
        },
        finishReason: readFinishReason(candidate.finishReason, calls.length > 0),
        logprobs: readLogprobs(candidate),
      }
    }),
    usage,
  )
