import { Effect, Result } from "effect"
import { HttpRouter } from "effect/http"
import { InferRequest } from "../api/InferApi.ts"
import type { ChatRequest } from "../domain/Chat.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { toUsd } from "../domain/Money.ts"
import type { Answer, Outcome } from "../inference/Outcome.ts"
import { DONE, STREAM_HEADERS, sseEvent } from "../responses/sse.ts"
import { decision } from "./decision.ts"
import { decoder } from "./decode.ts"
import { problemFormat } from "./error-response.ts"
import { type DecodeCall, makeInferenceRoute } from "./inference-route.ts"
import { progressHeaders, rateLimitFields } from "./outcome-headers.ts"
import type { StreamWriter } from "./StreamedResponse.ts"
import { outcomeWriter } from "./write-outcome.ts"

/** `POST /infer`. */
export const inferRoute = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const infer = yield* makeInferenceRoute
    yield* router.add(
      "POST",
      "/infer",
      infer({ endpoint: "/infer", decode: decodeInfer, refuse: writeOutcome }),
    )
  }),
)

const decodeInferRequest = decoder(InferRequest)

export const decodeInfer: DecodeCall = ({ json }) =>
  Result.flatMap(decodeInferRequest(json), (body) =>
    Result.map(toChatRequest(body), (request) => {
      const dryRun = body.dry_run === true
      const streamed = body.stream === true
      const explain = body.explain === true
      return {
        requestedModel: body.model,
        task: { _tag: "Chat", request, mode: streamed ? "stream" : "whole" } as const,
        dryRun,
        write: explain ? writeExplained : writeOutcome,
        stream: streamed && !dryRun ? streamWriter(explain) : undefined,
      }
    }),
  )

/** Returns the chat that a body asks for. */
export const toChatRequest = (
  body: Pick<InferRequest, "prompt" | "messages" | "max_tokens" | "temperature">,
): Result.Result<ChatRequest, GatewayError> => {
  const { prompt, messages, max_tokens, temperature } = body
  const options = {
    ...(max_tokens === undefined ? {} : { max_tokens }),
    ...(temperature === undefined ? {} : { temperature }),
  }
  if (prompt !== undefined && messages === undefined) {
    return Result.succeed({ messages: [{ role: "user", content: prompt }], ...options })
  }
  if (messages !== undefined && prompt === undefined) return Result.succeed({ messages, ...options })
  return Result.fail(
    new GatewayError({
      code: "invalid_request",
      param: "prompt",
      detail: "Send exactly one of prompt and messages.",
    }),
  )
}

const makeWriter = (explain: boolean) =>
  outcomeWriter(problemFormat, rateLimitFields, (outcome, answer) =>
    JSON.stringify(
      answer === undefined
        ? { request_id: outcome.requestId, dry_run: true, decision: decision(outcome) }
        : inferResponse(outcome, answer, explain, answer.completion?.images),
    ),
  )
const writeOutcome = makeWriter(false)
const writeExplained = makeWriter(true)

/** Writes deltas and images, then one event with the fields of a whole answer, then `[DONE]`. */
const streamWriter = (explain: boolean): StreamWriter => {
  const all: Array<string> = []
  return {
    headers: (progress) => ({ ...progressHeaders(progress, rateLimitFields), ...STREAM_HEADERS }),
    needsText: true,
    chunk: ({ images, text }) => {
      const delta = text === "" ? undefined : sseEvent({ delta: text })
      if (images === undefined) return delta
      all.push(...images)
      return Buffer.concat([delta ?? Buffer.alloc(0), sseEvent({ images })])
    },
    end: (outcome) => {
      const { result } = outcome
      if (Result.isFailure(result)) {
        return sseEvent({ error: problemFormat.body(result.failure, outcome.requestId) })
      }
      return result.success === undefined
        ? DONE
        : Buffer.concat([sseEvent(inferResponse(outcome, result.success, explain, all)), DONE])
    },
  }
}

const inferResponse = (
  outcome: Outcome,
  { candidate, summary, cost }: Answer,
  explain: boolean,
  images: ReadonlyArray<string> = [],
) => ({
  output: summary.text,
  ...(images.length > 0 ? { images } : {}),
  provider: candidate.provider.name,
  latency_ms: outcome.latencyMs,
  cost: cost.nanoUsd === null ? null : toUsd(cost.nanoUsd),
  model: candidate.model.name,
  usage: summary.usage && {
    input_tokens: summary.usage.inputTokens,
    output_tokens: summary.usage.outputTokens,
    cached_tokens: summary.usage.cachedTokens,
    reasoning_tokens: summary.usage.reasoningTokens,
  },
  finish_reason: summary.finishReason,
  request_id: outcome.requestId,
  attempts: outcome.attempts.length,
  ...(candidate.provider.simulated ? { simulated: true } : {}),
  ...(explain ? { decision: decision(outcome) } : {}),
})
