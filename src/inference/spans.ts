/** Spans of a request's story, named after OpenTelemetry's conventions for generative AI: docs/telemetry.md lists what they say. */
import { Effect, Exit } from "effect"
import type { ModelConfig } from "../catalog/model.ts"
import type { AnswerSummary, CallMode } from "../domain/Chat.ts"
import { toUsd } from "../domain/Money.ts"
import { modeOf, outputLimitOf, type Task } from "../domain/Task.ts"
import type { Usage } from "../domain/Usage.ts"
import type { AttemptRecord, LedgerRecord } from "../ledger/LedgerRecord.ts"
import type { Operation } from "../observability/gen-ai-metrics.ts"
import type { Peer } from "../observability/peers.ts"
import type { Candidate } from "../routing/plan.ts"
import type { InferenceRequest } from "./InferenceRequest.ts"
import type { Answer } from "./Outcome.ts"
import type { RequestRecorder } from "./RequestRecorder.ts"

export const operationOf = (kind: ModelConfig["kind"]): Operation =>
  kind === "embedding" ? "embeddings" : "chat"

/** Nobody looks for the place in the code. */
const HOW = { captureStackTrace: false }

/** Wraps a request's answer in a span that ends with its record: of a stream, when all of it is there. */
export const tracedAnswer = <E, R>(
  answer: Effect.Effect<Answer | undefined, E, R>,
  recorder: RequestRecorder,
  { principal, requestedModel, task, dryRun }: InferenceRequest,
  peers: (provider: string) => Peer,
): Effect.Effect<Answer | undefined, E, R> => {
  const operation: Operation = task._tag === "Chat" ? "chat" : "embeddings"
  return answer.pipe(
    Effect.onExit((exit) =>
      annotate(() => ({
        ...decisionOf(recorder),
        ...(recorder.written === undefined
          ? { "gateway.outcome": Exit.isSuccess(exit) ? "success" : "defect" }
          : endOf(recorder.written, peers)),
        ...(Exit.isSuccess(exit) && exit.value !== undefined && answerOf(exit.value.summary)),
      })),
    ),
    Effect.withSpan(
      `${operation} ${requestedModel}`,
      {
        attributes: stated({
          "gen_ai.operation.name": operation,
          "gen_ai.request.model": requestedModel,
          ...parametersOf(task),
          "gateway.request_id": recorder.requestId,
          "gateway.endpoint": recorder.endpoint,
          "gateway.key_id": principal.keyId,
          "gateway.team": principal.team,
          "gateway.tags": principal.tags.length === 0 ? undefined : principal.tags,
          "gateway.dry_run": dryRun ? true : undefined,
        }),
      },
      HOW,
    ),
  )
}

/** What a span tells of one upstream attempt. */
interface Attempt {
  readonly candidate: Candidate
  readonly peer: Peer
  readonly mode: CallMode
  /** From 1. */
  readonly number: number
  readonly isHedge: boolean
  /** Undefined until it is over. */
  readonly record: () => AttemptRecord | undefined
  /** Epoch milliseconds. */
  readonly firstTokenAt: () => number | undefined
}

/** Wraps one upstream attempt in a client span that tells who was asked, for the how-manieth time, and how it ended. */
export const tracedAttempt = <A extends { readonly answer: AnswerSummary }, E, R>(
  attempt: Effect.Effect<A, E, R>,
  { candidate, firstTokenAt, isHedge, mode, number, peer, record }: Attempt,
): Effect.Effect<A, E, R> => {
  const { expectedMs, expectedNanoUsd, model, provider } = candidate
  const operation = operationOf(model.kind)
  return attempt.pipe(
    Effect.onExit((exit) =>
      annotate(() => {
        const ended = record()
        return {
          ...(ended !== undefined && attemptEndOf(ended, firstTokenAt())),
          ...(Exit.isSuccess(exit) && answerOf(exit.value.answer)),
        }
      }),
    ),
    Effect.withSpan(
      `${operation} ${model.name}`,
      {
        kind: "client",
        attributes: stated({
          "gen_ai.operation.name": operation,
          "gen_ai.provider.name": peer.system,
          "gen_ai.request.model": model.name,
          "gen_ai.request.stream": mode === "stream" ? true : undefined,
          "server.address": peer.address,
          "server.port": peer.port,
          "gateway.provider": provider.name,
          "gateway.attempt": number,
          "gateway.hedge": isHedge ? true : undefined,
          "gateway.predicted_ms": Math.round(expectedMs),
          "gateway.predicted_cost_usd": usd(expectedNanoUsd),
        }),
      },
      HOW,
    ),
  )
}

type Attributes = Readonly<Record<string, unknown>>

/** Leaves out what is not known: an attribute would say `undefined`. */
const stated = (attributes: Attributes): Record<string, unknown> =>
  Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null))

/** Adds to the span of the fiber what is known at its end, if anybody will see it. */
const annotate = (attributes: () => Attributes): Effect.Effect<void> =>
  Effect.match(Effect.currentSpan, {
    onSuccess: (span) => {
      if (!span.sampled) return
      for (const [name, value] of Object.entries(stated(attributes()))) span.attribute(name, value)
    },
    onFailure: () => {},
  })

const usd = (nano: number | null | undefined): number | undefined =>
  nano == null ? undefined : toUsd(Math.round(nano))

const seconds = (ms: number): number => ms / 1000

const numberIn = (request: Attributes, name: string): number | undefined => {
  const value = request[name]
  return typeof value === "number" ? value : undefined
}

const EFFORTS: ReadonlySet<unknown> = new Set(["none", "minimal", "low", "medium", "high", "xhigh", "max"])

/** Returns the numbers of a request and words of closed sets. Stop sequences are words of the client's. */
const parametersOf = (task: Task): Attributes => {
  const { request } = task
  if (task._tag === "Embedding") {
    return { "gen_ai.embeddings.dimension.count": numberIn(request, "dimensions") }
  }
  const choices = numberIn(request, "n")
  const effort = request.reasoning_effort
  return {
    "gen_ai.request.stream": modeOf(task) === "stream" ? true : undefined,
    "gen_ai.request.max_tokens": outputLimitOf(task),
    "gen_ai.request.temperature": numberIn(request, "temperature"),
    "gen_ai.request.top_p": numberIn(request, "top_p"),
    "gen_ai.request.top_k": numberIn(request, "top_k"),
    "gen_ai.request.frequency_penalty": numberIn(request, "frequency_penalty"),
    "gen_ai.request.presence_penalty": numberIn(request, "presence_penalty"),
    "gen_ai.request.seed": numberIn(request, "seed"),
    "gen_ai.request.choice.count": choices === 1 ? undefined : choices,
    "gen_ai.request.reasoning.level": EFFORTS.has(effort) ? effort : undefined,
  }
}

/** Returns what the router decided, and why. */
const decisionOf = ({ attempts, plan }: RequestRecorder): Attributes => {
  const costs = attempts.flatMap(({ costNanoUsd }) => costNanoUsd ?? [])
  return {
    "gateway.route": plan?.route,
    "gateway.strategy": plan?.decision.strategy,
    "gateway.chosen_by": plan?.decision.chosen_by,
    "gateway.candidates": plan?.decision.candidates.length,
    "gateway.predicted_ms": plan?.decision.candidates[0]?.predicted_ms,
    "gateway.predicted_cost_usd": plan?.decision.candidates[0]?.predicted_cost_usd,
    "gateway.attempts": attempts.length,
    "gateway.cost_usd": costs.length === 0 ? undefined : usd(costs.reduce((sum, cost) => sum + cost, 0)),
  }
}

const endOf = (
  { errorCode, firstTokenMs, provider, usage, usageEstimated }: LedgerRecord,
  peers: (provider: string) => Peer,
): Attributes => ({
  "gateway.outcome": errorCode ?? "success",
  "error.type": errorCode,
  "gateway.provider": provider,
  "gen_ai.provider.name": provider === null ? undefined : peers(provider).system,
  "gen_ai.response.time_to_first_chunk": firstTokenMs === null ? undefined : seconds(firstTokenMs),
  ...usageOf(usage, usageEstimated),
})

const attemptEndOf = (
  { costNanoUsd, outcome, startedAt, upstreamStatus, usage, usageEstimated }: AttemptRecord,
  firstTokenAt: number | undefined,
): Attributes => ({
  "gateway.outcome": outcome,
  "error.type": outcome === "success" ? undefined : outcome,
  "http.response.status_code": upstreamStatus,
  "gen_ai.response.time_to_first_chunk":
    firstTokenAt === undefined ? undefined : seconds(firstTokenAt - startedAt),
  "gateway.cost_usd": usd(costNanoUsd),
  ...usageOf(usage, usageEstimated),
})

const answerOf = ({ finishReason, model }: AnswerSummary): Attributes => ({
  "gen_ai.response.model": model === "" ? undefined : model,
  "gen_ai.response.finish_reasons": finishReason === null ? undefined : [finishReason],
})

const usageOf = (usage: Usage | null, isEstimated: boolean): Attributes =>
  usage === null
    ? {}
    : {
        "gen_ai.usage.input_tokens": usage.inputTokens,
        "gen_ai.usage.output_tokens": usage.outputTokens,
        "gen_ai.usage.cache_read.input_tokens": some(usage.cachedTokens),
        "gen_ai.usage.cache_creation.input_tokens": some(usage.cacheWriteTokens),
        "gen_ai.usage.reasoning.output_tokens": some(usage.reasoningTokens),
        "gateway.usage_estimated": isEstimated ? true : undefined,
      }

const some = (tokens: number): number | undefined => (tokens > 0 ? tokens : undefined)
