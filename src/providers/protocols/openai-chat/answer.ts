import { Result } from "effect"
import type { Completion } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import { badResponse, upstreamFault } from "../fault.ts"
import type { Fault, JsonAnswer } from "../Protocol.ts"
import { imagesOf, textOf } from "./content.ts"
import { inBandFault } from "./errors.ts"
import { readFinishReason } from "./finish-reason.ts"
import { withCallIds } from "./tool-calls.ts"
import { readUsage } from "./usage.ts"

/** Reads a whole answer, whose bytes are passed on as they came, but for ids that its calls lack. */
export const parseAnswer = (model: string, { json, bytes }: JsonAnswer): Result.Result<Completion, Fault> => {
  if (!isObject(json)) return Result.fail(badResponse("body is not a JSON object"))
  const choices = objectsAt(json, "choices")
  const fault = inBandFault(json, choices)
  if (fault !== undefined) return Result.fail(fault)
  const choice = choices[0]
  const message = objectAt(choice, "message")
  if (message === undefined) return Result.fail(withoutMessage(choice))
  const { usage } = json
  const named = withCallIds(json, choices)
  return Result.succeed({
    text: textOf(message),
    ...imagesOf(message),
    finishReason: readFinishReason(choice?.finish_reason),
    model: stringAt(json, "model") ?? model,
    usage: readUsage(usage, json.service_tier, json.model ?? model),
    usageEstimated: false,
    rawUsage: usage ?? null,
    body: () => (named === undefined ? bytes : JSON.stringify(named)),
  })
}

/** Returns the fault of an answer without a message: Google's compatible API leaves it out where it did not let the prompt through. */
const withoutMessage = (choice: JsonObject | undefined): Fault =>
  readFinishReason(choice?.finish_reason) === "content_filter"
    ? upstreamFault("content_filter", {
        message: `The provider blocked the prompt: ${stringAt(choice, "finish_reason")}`,
        identifiers: [],
      })
    : badResponse("no choice with a message")
