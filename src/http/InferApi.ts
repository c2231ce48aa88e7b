import { Effect, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { GatewayApi } from "../api/GatewayApi.ts"
import { InferRequest } from "../api/InferApi.ts"
import type { ChatRequest } from "../domain/Chat.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { toUsd } from "../domain/Money.ts"
import type { Answer, Call, Settled, StreamWriter } from "../inference/Exchange.ts"
import { DONE, STREAM_HEADERS, sseEvent } from "../responses/sse.ts"
import { decoder } from "./decode.ts"
import { problemFormat } from "./error-response.ts"
import { progressHeaders, rateLimitFields } from "./outcome-headers.ts"
import { serveExchange } from "./serve-exchange.ts"
import { outcomeWriter } from "./write-outcome.ts"

export const InferHandlers = HttpApiBuilder.group(
  GatewayApi,
  "inference",
  Effect.fn(function* (handlers) {
    const serve = yield* serveExchange
    return handlers.handleRaw("infer", ({ request }) =>
      serve(request, { endpoint: "/infer", decode: decodeCall, write: writeSettled }),
    )
  }),
)

const decodeInferRequest = decoder(InferRequest)

const decodeCall = Effect.fnUntraced(function* (input: unknown) {
  const body = yield* decodeInferRequest(input)
  const dryRun = body.dry_run === true
  const streamed = body.stream === true && !dryRun
  return {
    requestedModel: body.model,
    task: {
      _tag: "Chat",
      request: yield* toChatRequest(body),
      mode: body.stream === true ? "stream" : "whole",
    },
    stream: streamed ? streamWriter : undefined,
    dryRun,
    explain: body.explain === true,
  } satisfies Omit<Call, "idempotency">
})

const toChatRequest = (body: InferRequest): Effect.Effect<ChatRequest, GatewayError> => {
  const { prompt, messages, max_tokens, temperature } = body
  const options = {
    ...(max_tokens === undefined ? {} : { max_tokens }),
    ...(temperature === undefined ? {} : { temperature }),
  }
  if (prompt !== undefined && messages === undefined) {
    return Effect.succeed({ messages: [{ role: "user", content: prompt }], ...options })
  }
  if (messages !== undefined && prompt === undefined) return Effect.succeed({ messages, ...options })
  return Effect.fail(
    new GatewayError({
      code: "invalid_request",
      param: "prompt",
      detail: "Send exactly one of prompt and messages.",
    }),
  )
}

const writeSettled = outcomeWriter(problemFormat, rateLimitFields, (settled, answer) =>
  JSON.stringify(
    answer === undefined
      ? { request_id: settled.requestId, dry_run: true, decision: decision(settled) }
      : inferResponse(settled, answer),
  ),
)

/** Deltas, then one event with the fields of a whole answer, then `[DONE]`. */
const streamWriter: StreamWriter = {
  headers: (progress) => ({ ...progressHeaders(progress, rateLimitFields), ...STREAM_HEADERS }),
  needsText: true,
  chunk: ({ text }) => (text === "" ? undefined : sseEvent({ delta: text })),
  end: (settled) => {
    const { result } = settled
    if (Result.isFailure(result)) {
      return sseEvent({ error: problemFormat.body(result.failure, settled.requestId) })
    }
    return result.success === undefined
      ? DONE
      : Buffer.concat([sseEvent(inferResponse(settled, result.success)), DONE])
  },
}

const inferResponse = (settled: Settled, { candidate, summary, cost }: Answer) => ({
  output: summary.text,
  provider: candidate.provider.name,
  latency_ms: settled.latencyMs,
  cost: cost.nanoUsd === null ? null : toUsd(cost.nanoUsd),
  model: candidate.model.name,
  usage: summary.usage && {
    input_tokens: summary.usage.inputTokens,
    output_tokens: summary.usage.outputTokens,
    cached_tokens: summary.usage.cachedTokens,
    reasoning_tokens: summary.usage.reasoningTokens,
  },
  finish_reason: summary.finishReason,
  request_id: settled.requestId,
  attempts: settled.attempts.length,
  ...(candidate.provider.simulated ? { simulated: true } : {}),
  ...(settled.call.explain ? { decision: decision(settled) } : {}),
})

/** The plan as it was made, and what then happened. */
const decision = ({ plan, attempts }: Settled) => ({
  ...plan?.decision,
  attempts: attempts.map((attempt) => ({
    provider: attempt.provider,
    model: attempt.model,
    outcome: attempt.outcome,
    latency_ms: attempt.latencyMs,
    upstream_status: attempt.upstreamStatus,
  })),
})
