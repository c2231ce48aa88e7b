import { Result } from "effect"
import type { Completion } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, stringAt } from "../../../platform/json.ts"
import { isNestedWithin, MAX_ANSWER_LEVELS } from "../depth.ts"
import { badResponse } from "../fault.ts"
import { chatCompletion } from "../openai-chat/wire.ts"
import type { Fault, JsonAnswer } from "../Protocol.ts"
import { answerHead, readContent } from "./content.ts"
import { classifyInBand } from "./errors.ts"
import { emptyFault, readFinishReason } from "./finish-reason.ts"
import { readUsage } from "./usage.ts"

/** Reads a whole message. OpenAI's JSON is built when it is asked for, which only clients of OpenAI's API do. */
export const parseAnswer = (model: string, answer: JsonAnswer): Result.Result<Completion, Fault> =>
  Result.flatMap(readMessage(answer.json), (message) => {
    const head = answerHead(model, message, answer.nowMs)
    const { calls, details, reasoning, text } = readContent(message)
    const failure = text === "" && calls.length === 0 ? emptyFault(message.stop_reason) : undefined
    if (failure !== undefined) return Result.fail(failure)
    const finishReason = readFinishReason(message.stop_reason, calls.length > 0)
    const usage = readUsage(message.usage)
    return Result.succeed({
      text,
      finishReason,
      model: head.model,
      usage,
      usageEstimated: false,
      rawUsage: message.usage ?? null,
      body: () =>
        chatCompletion(
          head,
          [
            {
              message: {
                role: "assistant",
                content: text === "" && calls.length > 0 ? null : text,
                refusal: null,
                // What models that show their thoughts call them on OpenAI's wire.
                ...(reasoning !== "" && { reasoning_content: reasoning }),
                ...(details.length > 0 && { reasoning_details: details }),
                ...(calls.length > 0 && { tool_calls: calls }),
              },
              finishReason,
            },
          ],
          usage,
        ),
    })
  })

/** Reads a whole message for a client that speaks the same: it passes as it came. */
export const parseNativeAnswer = (
  model: string,
  { bytes, json }: JsonAnswer,
): Result.Result<Completion, Fault> =>
  Result.map(readMessage(json), (message) => ({
    dialect: "messages",
    text: readContent(message).text,
    finishReason: readFinishReason(message.stop_reason, false),
    model: stringAt(message, "model") || model,
    usage: readUsage(message.usage),
    usageEstimated: false,
    rawUsage: message.usage ?? null,
    body: () => bytes,
  }))

/** Returns the message that a 200 has, or why it has none. */
const readMessage = (json: unknown): Result.Result<JsonObject, Fault> => {
  const error = classifyInBand(json)
  if (error !== undefined) return Result.fail(error)
  if (!isObject(json)) return Result.fail(badResponse("body is not a JSON object"))
  if (!isNestedWithin(json, MAX_ANSWER_LEVELS)) return Result.fail(badResponse("nested too deeply"))
  return Array.isArray(json.content) ? Result.succeed(json) : Result.fail(badResponse("no content"))
}
