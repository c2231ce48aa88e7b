import { Result } from "effect"
import type { Completion } from "../../../domain/Chat.ts"
import type { EmbeddingTask } from "../../../domain/Task.ts"
import { isObject, objectsAt, stringAt } from "../../../platform/json.ts"
import { changeMembers } from "../../../platform/json-source.ts"
import { badResponse } from "../fault.ts"
import type { Fault, JsonAnswer } from "../Protocol.ts"
import { inBandFault } from "./errors.ts"
import { readEmbeddingUsage } from "./usage.ts"

/** Writes the body of an embeddings request: the client's, for the routed model. */
export const writeEmbedding = (model: string, { request, source }: EmbeddingTask): string | Uint8Array =>
  source === undefined
    ? JSON.stringify({ ...request, model })
    : changeMembers(source, [["model", { value: JSON.stringify(model) }]])

/** Reads an embeddings answer, whose bytes are passed on as they came. */
export const parseEmbedding = (
  model: string,
  _request: unknown,
  { json, bytes }: JsonAnswer,
): Result.Result<Completion, Fault> => {
  if (!isObject(json)) return Result.fail(badResponse("body is not a JSON object"))
  const fault = inBandFault(json, objectsAt(json, "choices"))
  if (fault !== undefined) return Result.fail(fault)
  if (!Array.isArray(json.data)) return Result.fail(badResponse("no embeddings"))
  const { usage } = json
  return Result.succeed({
    text: "",
    finishReason: null,
    model: stringAt(json, "model") ?? model,
    usage: readEmbeddingUsage(usage),
    usageEstimated: false,
    rawUsage: usage ?? null,
    body: () => bytes,
  })
}
