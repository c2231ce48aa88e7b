import { Clock, Effect, Random } from "effect"
import type { ModelConfig, SimulatedProviderConfig, Simulation } from "../../config/GatewayConfig.ts"
import { type ChatRequest, type Completion, estimateInputTokens, maxOutputTokens } from "../../domain/Chat.ts"
import { ProviderError } from "../../domain/ProviderError.ts"
import { makeUsage } from "../../domain/Usage.ts"
import type { Provider, ProviderCall } from "../Provider.ts"

/**
 * A provider that asks nobody: latency, errors and outages as configured, answers marked as simulated. Randomness
 * is Effect's `Random` and time its `Clock`, so a seed and a test clock reproduce every call. Each call makes six
 * draws whatever happens to it, in this order: two for latency, server error, rate limit, content filter, length.
 */
export const makeSimulated = (config: SimulatedProviderConfig): Effect.Effect<Provider> =>
  Effect.sync(() => {
    const models = new Map(config.models.map((model) => [model.name, model]))
    return {
      name: config.name,
      simulated: true,
      models,
      complete: Effect.fnUntraced(function* (call: ProviderCall) {
        const fail = (error: Omit<ConstructorParameters<typeof ProviderError>[0], "provider" | "model">) =>
          new ProviderError({ provider: config.name, model: call.model, ...error })
        const { simulation } = config
        const draws = draw(simulation, yield* Random.Random)
        const model = models.get(call.model)
        if (model === undefined) return yield* fail({ kind: "model_not_found", status: 404 })
        if (isDown(simulation, yield* Clock.currentTimeMillis)) {
          return yield* fail({ kind: "connect", detail: "simulated outage" })
        }
        const failed = draws.serverError || draws.rateLimit || draws.contentFilter
        const length = answerLength(call.request, model, draws.outputTokens)
        const ms = Math.round(
          draws.latencyMs + (failed ? 0 : simulation.msPerOutputToken * length.outputTokens),
        )
        yield* Effect.sleep(Math.min(ms, call.timeoutMs))
        if (ms > call.timeoutMs) return yield* fail({ kind: "timeout", detail: "simulated timeout" })
        if (draws.serverError)
          return yield* fail({ kind: "server_error", status: 500, detail: "simulated error" })
        if (draws.rateLimit) {
          return yield* fail({ kind: "rate_limited", status: 429, retryAfterMs: simulation.retryAfterMs })
        }
        if (draws.contentFilter) {
          return yield* fail({
            kind: "content_filter",
            status: 400,
            message: "The simulated provider filtered this request.",
          })
        }
        return completion(call.request, model, length)
      }),
    }
  })

/** z of the 95th percentile of a normal distribution. */
const Z95 = 1.6448536269514722

const draw = (simulation: Simulation, random: Random.Random) => {
  const { medianMs, p95Ms } = simulation
  const sigma = medianMs > 0 && p95Ms > medianMs ? Math.log(p95Ms / medianMs) / Z95 : 0
  // Box-Muller; 1 - u keeps the logarithm away from 0.
  const radius = Math.sqrt(-2 * Math.log(1 - random.nextDoubleUnsafe()))
  const z = radius * Math.cos(2 * Math.PI * random.nextDoubleUnsafe())
  return {
    latencyMs: medianMs * Math.exp(sigma * z),
    serverError: random.nextDoubleUnsafe() < simulation.serverErrorRate,
    rateLimit: random.nextDoubleUnsafe() < simulation.rateLimitRate,
    contentFilter: random.nextDoubleUnsafe() < simulation.contentFilterRate,
    outputTokens: 60 + Math.floor(random.nextDoubleUnsafe() * 91),
  }
}

/** Phases are counted from the clock's zero, so that every process sees the same outages. */
const isDown = ({ outage }: Simulation, nowMs: number): boolean =>
  outage !== undefined && nowMs % outage.everyMs < outage.downMs

interface AnswerLength {
  readonly outputTokens: number
  readonly cut: boolean
}

const answerLength = (request: ChatRequest, model: ModelConfig, wanted: number): AnswerLength => {
  const limit = Math.min(maxOutputTokens(request) ?? wanted, model.maxOutputTokens ?? wanted)
  return { outputTokens: Math.max(1, Math.min(wanted, limit)), cut: limit < wanted }
}

const completion = (
  request: ChatRequest,
  model: ModelConfig,
  { outputTokens, cut }: AnswerLength,
): Completion => {
  const inputTokens = estimateInputTokens(request)
  return {
    text: answerText(inputTokens, outputTokens),
    finishReason: cut ? "length" : "stop",
    model: model.name,
    usage: makeUsage({ inputTokens, outputTokens }),
    rawUsage: {
      prompt_tokens: inputTokens,
      completion_tokens: outputTokens,
      total_tokens: inputTokens + outputTokens,
    },
  }
}

const FILLER = "The words that follow only fill the length of a usual answer.".split(" ")

/** About one word a token; the mark comes first, so that it survives any limit. Nothing of the prompt is repeated. */
const answerText = (inputTokens: number, outputTokens: number): string => {
  const words =
    `[simulated] No model was asked: this answer comes from the gateway's simulated provider. Your prompt had about ${inputTokens} tokens.`.split(
      " ",
    )
  while (words.length < outputTokens) words.push(...FILLER)
  return words.slice(0, outputTokens).join(" ")
}
