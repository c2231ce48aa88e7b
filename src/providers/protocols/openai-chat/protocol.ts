import { Result } from "effect"
import type { CallMode, ChatRequest, Completion } from "../../../domain/Chat.ts"
import type { EmbeddingRequest } from "../../../domain/Embedding.ts"
import { makeUsage } from "../../../domain/Usage.ts"
import { badResponse } from "../fault.ts"
import { isObject, objectAt, objectsAt, stringAt } from "../json.ts"
import type { Fault, JsonAnswer, Protocol } from "../Protocol.ts"
import { classify, inBandFault } from "./errors.ts"
import { finishReason, readUsage } from "./fields.ts"
import { streamReader } from "./stream.ts"

/**
 * OpenAI chat completions and embeddings, as OpenAI and the many servers that imitate it speak them. Clients speak
 * the same, so requests and answers pass as they are but for what the gateway must set; nothing is beyond it.
 */
export const openAiChat = (options: {
  /** OpenAI's newer models want the new name only; imitators may know either, so they get what the client sent. */
  readonly renameMaxTokens: boolean
}): Protocol => ({
  lower: (task, model) =>
    Result.succeed(
      task._tag === "Chat"
        ? (mode: CallMode) => lowerChat(model, task.request, mode, options.renameMaxTokens)
        : () => lowerEmbedding(model, task.request),
    ),
  parse,
  openStream: () => streamReader,
  parseEmbedding: (model, _request, answer) => parseEmbedding(model, answer),
  classify,
})

export const openAiPath = (_model: string, call: "chat" | "stream" | "embedding"): string =>
  call === "embedding" ? "/embeddings" : "/chat/completions"

// --- request lowering

const lowerChat = (model: string, request: ChatRequest, mode: CallMode, renameMaxTokens: boolean): string => {
  const { stream: _, stream_options, ...said } = request
  const { max_tokens, ...rest } = said
  const renamed =
    renameMaxTokens &&
    refusesMaxTokens(model) &&
    isNumber(max_tokens) &&
    !isNumber(said.max_completion_tokens)
      ? { ...rest, max_completion_tokens: max_tokens }
      : said
  if (mode === "whole") return JSON.stringify({ ...renamed, model })
  const streamOptions = { ...(isObject(stream_options) && stream_options), include_usage: true }
  return JSON.stringify({ ...renamed, model, stream: true, stream_options: streamOptions })
}

/** Reasoning models and everything since: o1, o4-mini, gpt-5, fine-tuned ones too. */
const refusesMaxTokens = (model: string): boolean => /^(ft:)?(o\d|gpt-([5-9]|\d\d))/.test(model)

/** Clients send null for "not set" too. */
const isNumber = (value: unknown): boolean => typeof value === "number"

// --- response parsing

const parse = (model: string, { json, bytes }: JsonAnswer): Result.Result<Completion, Fault> => {
  if (!isObject(json)) return Result.fail(badResponse("body is not a JSON object"))
  const choices = objectsAt(json, "choices")
  const fault = inBandFault(json, choices)
  if (fault !== undefined) return Result.fail(fault)
  const choice = choices[0]
  const message = objectAt(choice, "message")
  if (message === undefined) return Result.fail(badResponse("no choice with a message"))
  const { usage } = json
  return Result.succeed({
    text: stringAt(message, "content") || stringAt(message, "refusal") || "",
    finishReason: finishReason(choice?.finish_reason),
    model: stringAt(json, "model") ?? model,
    usage: readUsage(usage),
    usageEstimated: false,
    rawUsage: usage ?? null,
    body: () => bytes,
  })
}

// --- embeddings

const lowerEmbedding = (model: string, request: EmbeddingRequest): string =>
  JSON.stringify({ ...request, model })

const parseEmbedding = (model: string, { json, bytes }: JsonAnswer): Result.Result<Completion, Fault> => {
  if (!isObject(json)) return Result.fail(badResponse("body is not a JSON object"))
  const fault = inBandFault(json, objectsAt(json, "choices"))
  if (fault !== undefined) return Result.fail(fault)
  if (!Array.isArray(json.data)) return Result.fail(badResponse("no embeddings"))
  const { usage } = json
  return Result.succeed({
    text: "",
    finishReason: null,
    model: stringAt(json, "model") ?? model,
    usage: isObject(usage) ? makeUsage({ inputTokens: usage.prompt_tokens, outputTokens: 0 }) : null,
    usageEstimated: false,
    rawUsage: usage ?? null,
    body: () => bytes,
  })
}
