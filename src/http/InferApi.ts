import { Effect, Result } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { GatewayApi } from "../api/GatewayApi.ts"
import { InferRequest } from "../api/InferApi.ts"
import { Settings } from "../config/Settings.ts"
import type { ChatRequest } from "../domain/Chat.ts"
import { GatewayError } from "../domain/GatewayError.ts"
import { toUsd } from "../domain/Money.ts"
import { fingerprint } from "../idempotency/fingerprint.ts"
import { parseIdempotencyKey } from "../idempotency/header.ts"
import type { StoredResponse } from "../idempotency/Idempotency.ts"
import type { Answer, Call, Settled } from "../inference/Exchange.ts"
import { fromOverload } from "../inference/failures.ts"
import { Inference } from "../inference/Inference.ts"
import { LoadShedder } from "../limits/LoadShedder.ts"
import { parseJson, readBody } from "./body.ts"
import { apiKey, rawHeader } from "./credentials.ts"
import { decoder } from "./decode.ts"
import { outcomeHeaders } from "./outcome-headers.ts"
import { answeringProblems, problemBody, problemHeaders, toServerResponse } from "./problem.ts"
import { requestIdOf } from "./request-id.ts"

const ENDPOINT = "/infer"

export const InferHandlers = HttpApiBuilder.group(
  GatewayApi,
  "inference",
  Effect.fn(function* (handlers) {
    const { maxBodyBytes } = yield* Settings
    const inference = yield* Inference
    const shedder = yield* LoadShedder

    const readCall = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      const key = yield* idempotencyKey(request)
      const bytes = yield* readBody(request, maxBodyBytes)
      const body = yield* Effect.flatMap(parseJson(bytes), decodeInferRequest)
      const call: Call = {
        requestedModel: body.model,
        request: yield* toChatRequest(body),
        mode: "whole",
        dryRun: body.dry_run === true,
        explain: body.explain === true,
        idempotency:
          key === undefined ? undefined : { key, fingerprint: fingerprint("POST", ENDPOINT, bytes) },
      }
      return call
    })

    const infer = (request: HttpServerRequest.HttpServerRequest) =>
      inference.infer({
        requestId: requestIdOf(request),
        endpoint: ENDPOINT,
        credential: apiKey(request),
        call: readCall(request),
        write: writeSettled,
      })

    return handlers.handleRaw("infer", ({ request }) =>
      shedder.withSlot(infer(request)).pipe(
        Effect.catchTag("Overloaded", (error) => Effect.fail(fromOverload(error))),
        Effect.map(({ response, replayed }) =>
          replayed
            ? HttpServerResponse.setHeader(toServerResponse(response), "idempotent-replayed", "true")
            : toServerResponse(response),
        ),
        answeringProblems,
      ),
    )
  }),
)

const idempotencyKey = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.mapError(
    Effect.fromResult(parseIdempotencyKey(rawHeader(request, "idempotency-key"))),
    ({ message }) => new GatewayError({ code: "invalid_idempotency_key", detail: message }),
  )

const decodeInferRequest = decoder(InferRequest)

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

const writeSettled = (settled: Settled): StoredResponse => {
  const headers = outcomeHeaders(settled)
  if (Result.isFailure(settled.result)) {
    const error = settled.result.failure
    return {
      status: error.status,
      headers: { ...headers, ...problemHeaders(error, settled.requestId) },
      body: problemBody(error, settled.requestId),
    }
  }
  const answer = settled.result.success
  const body =
    answer === undefined
      ? { request_id: settled.requestId, dry_run: true, decision: decision(settled) }
      : inferResponse(settled, answer)
  return {
    status: 200,
    headers: { ...headers, "content-type": "application/json" },
    body: Buffer.from(JSON.stringify(body)),
  }
}

const inferResponse = (settled: Settled, { candidate, completion, cost }: Answer) => ({
  output: completion.text,
  provider: candidate.provider.name,
  latency_ms: settled.latencyMs,
  cost: cost.nanoUsd === null ? null : toUsd(cost.nanoUsd),
  model: candidate.model.name,
  usage: completion.usage && {
    input_tokens: completion.usage.inputTokens,
    output_tokens: completion.usage.outputTokens,
    cached_tokens: completion.usage.cachedTokens,
    reasoning_tokens: completion.usage.reasoningTokens,
  },
  finish_reason: completion.finishReason,
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
