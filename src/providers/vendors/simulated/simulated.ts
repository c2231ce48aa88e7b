import { Clock, Effect, Latch, Random, Result } from "effect"
import type { ModelConfig } from "../../../catalog/model.ts"
import type { SimulatedProviderConfig, Simulation } from "../../../config/GatewayConfig.ts"
import type { CallMode, ChatChunk, ChatRequest } from "../../../domain/Chat.ts"
import type { EmbeddingRequest } from "../../../domain/Embedding.ts"
import { ProviderError } from "../../../domain/ProviderError.ts"
import { beyondOf } from "../../../domain/Task.ts"
import { monotonicMs } from "../../../platform/monotonic.ts"
import type { ChunkSink, Provider } from "../../Provider.ts"
import type { WireHead } from "../../protocols/openai-chat/wire.ts"
import { answerTo, type SimulatedAnswer, textLength } from "./answer.ts"
import { refuseEmbedding, type SimulatedFailure, simulatedEmbeddings } from "./embeddings.ts"
import { completion, streamed, TOKENS_PER_PIECE } from "./wire.ts"

/**
 * A provider that asks nobody: latency, errors and outages as configured, answers marked as simulated. Randomness
 * is Effect's `Random` and time its `Clock`, so a seed and a test clock reproduce every call. Each call makes six
 * draws whatever happens to it, in this order: two for latency, server error, rate limit, content filter, length;
 * a streamed one makes a seventh, for breaking off. The same draws give the same answer, streamed or whole.
 */
export const makeSimulated = (config: SimulatedProviderConfig): Effect.Effect<Provider> =>
  Effect.sync(() => {
    const { name, simulation } = config
    const models = new Map(config.models.map((model) => [model.name, model]))

    const failure = (call: Call<unknown>, error: SimulatedFailure) =>
      new ProviderError({ provider: name, model: call.model, ...error })

    const begin = Effect.fnUntraced(function* (
      call: Call<unknown>,
      kind: ModelConfig["kind"],
      mode: CallMode,
    ) {
      const draws = draw(simulation, yield* Random.Random, mode)
      const model = models.get(call.model)
      if (model?.kind !== kind) return yield* failure(call, { kind: "model_not_found", status: 404 })
      const startedAtMs = yield* Clock.currentTimeMillis
      if (isDown(simulation, startedAtMs)) {
        return yield* failure(call, { kind: "connect", detail: "simulated outage" })
      }
      return { draws, model, startedAtMs, startedMs: yield* monotonicMs }
    })

    const timeout = (call: Call<unknown>) => failure(call, { kind: "timeout", detail: "simulated timeout" })

    /** Sleeps until `afterMs` after the start; fails when the call's time is over before. */
    const reach = Effect.fnUntraced(function* (call: Call<unknown>, startedMs: number, afterMs: number) {
      const ms = Math.round(afterMs)
      const elapsedMs = (yield* monotonicMs) - startedMs
      yield* Effect.sleep(Math.max(0, Math.min(ms, call.timeoutMs) - elapsedMs))
      if (ms > call.timeoutMs) return yield* timeout(call)
    })

    const answered = (call: Call<ChatRequest>, model: ModelConfig, draws: Draws) =>
      Effect.fromResult(
        Result.mapError(answerTo(call.request, model, draws.id, draws.textTokens), (refused) =>
          failure(call, refused),
        ),
      )

    const complete = Effect.fnUntraced(function* (call: Call<ChatRequest>) {
      const { draws, model, startedAtMs, startedMs } = yield* begin(call, "chat", "whole")
      const answer = yield* answered(call, model, draws)
      const speakingMs = draws.failure === undefined ? simulation.msPerOutputToken * longest(answer) : 0
      yield* reach(call, startedMs, draws.latencyMs + speakingMs)
      if (draws.failure !== undefined) return yield* failure(call, draws.failure)
      return completion(wireHead(draws, model, startedAtMs), answer)
    })

    const stream = Effect.fnUntraced(function* (call: Call<ChatRequest>, sink: ChunkSink) {
      const { draws, model, startedAtMs, startedMs } = yield* begin(call, "chat", "stream")
      const answer = yield* answered(call, model, draws)
      const room = Latch.makeUnsafe(true)
      sink.onRoom = () => {
        room.openUnsafe()
      }
      const write = Effect.fnUntraced(function* (chunk: ChatChunk) {
        // Before the sink is asked: it may make room while it answers.
        room.closeUnsafe()
        if (sink.write(chunk)) return
        const leftMs = startedMs + call.timeoutMs - (yield* monotonicMs)
        yield* Effect.timeoutOrElse(room.await, { duration: leftMs, orElse: () => timeout(call) })
      })

      yield* reach(call, startedMs, draws.latencyMs)
      if (draws.failure !== undefined) return yield* failure(call, draws.failure)
      const { first, steps, step, last } = streamed(wireHead(draws, model, startedAtMs), answer)
      for (const chunk of first) yield* write(chunk)
      const said = draws.breaksOff ? Math.ceil(steps / 2) : steps
      const tokens = longest(answer)
      for (let nth = 0; nth < said; nth++) {
        for (const chunk of step(nth)) yield* write(chunk)
        // A stream takes as long as the whole answer: what its steps are not even with, the last one takes.
        const spoken = nth === steps - 1 ? tokens : Math.min(tokens, (nth + 1) * TOKENS_PER_PIECE)
        yield* reach(call, startedMs, draws.latencyMs + simulation.msPerOutputToken * spoken)
      }
      if (draws.breaksOff) return yield* failure(call, { kind: "reset", detail: "simulated broken stream" })
      for (const chunk of last) yield* write(chunk)
    })

    const embed = Effect.fnUntraced(function* (call: Call<EmbeddingRequest>) {
      const { draws, model, startedMs } = yield* begin(call, "embedding", "whole")
      const refused = refuseEmbedding(call.request)
      if (refused !== undefined) return yield* failure(call, refused)
      yield* reach(call, startedMs, draws.latencyMs)
      if (draws.failure !== undefined) return yield* failure(call, draws.failure)
      return simulatedEmbeddings(call.request, model)
    })

    return {
      name,
      simulated: true,
      models,
      prepare: (task, model) => {
        if (task._tag === "Embedding") {
          return Result.succeed({
            complete: (timeoutMs) => embed({ model, request: task.request, timeoutMs }),
            stream: () => Effect.die("embeddings do not stream"),
          })
        }
        const beyond = beyondOf(task)
        if (beyond?.refused !== undefined) return Result.fail(beyond.refused)
        return Result.succeed({
          ...(beyond !== undefined && { dropped: () => beyond.dropped, isReduced: beyond.isReduced }),
          complete: (timeoutMs) => complete({ model, request: task.request, timeoutMs }),
          stream: (timeoutMs, sink) => stream({ model, request: task.request, timeoutMs }, sink),
        })
      },
    }
  })

interface Call<Request> {
  readonly model: string
  readonly request: Request
  readonly timeoutMs: number
}

/** The z-score of the 95th percentile of a normal distribution. */
const Z95 = 1.6448536269514722

interface Draws {
  /** Tells calls apart. */
  readonly id: string
  readonly latencyMs: number
  /** Comes in place of an answer. */
  readonly failure: SimulatedFailure | undefined
  /** Length of an answer that is text. */
  readonly textTokens: number
  readonly breaksOff: boolean
}

const draw = (simulation: Simulation, random: Random.Random, mode: CallMode): Draws => {
  const { medianMs, p95Ms } = simulation
  const sigma = medianMs > 0 && p95Ms > medianMs ? Math.log(p95Ms / medianMs) / Z95 : 0
  const [u, v] = [random.nextDoubleUnsafe(), random.nextDoubleUnsafe()]
  // Box-Muller; 1 - u keeps the logarithm away from 0.
  const z = Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v)
  const serverError = random.nextDoubleUnsafe() < simulation.serverErrorRate
  const rateLimit = random.nextDoubleUnsafe() < simulation.rateLimitRate
  const contentFilter = random.nextDoubleUnsafe() < simulation.contentFilterRate
  return {
    id: [u, v].map((each) => Math.floor(each * 2 ** 52).toString(36)).join(""),
    latencyMs: medianMs * Math.exp(sigma * z),
    failure: serverError
      ? { kind: "server_error", status: 500, detail: "simulated error" }
      : rateLimit
        ? { kind: "rate_limited", status: 429, retryAfterMs: simulation.retryAfterMs }
        : contentFilter
          ? {
              kind: "content_filter",
              status: 400,
              message: "The simulated provider filtered this request.",
            }
          : undefined,
    textTokens: textLength(random.nextDoubleUnsafe()),
    breaksOff: mode === "stream" && random.nextDoubleUnsafe() < simulation.midStreamErrorRate,
  }
}

/** Tells whether an outage is on. Phases are counted from the clock's zero, so that every process sees the same outages. */
const isDown = ({ outage }: Simulation, nowMs: number): boolean =>
  outage !== undefined && nowMs % outage.everyMs < outage.downMs

/** Choices are said at the same time. */
const longest = ({ choices }: SimulatedAnswer): number => Math.max(...choices.map(({ tokens }) => tokens))

const wireHead = (draws: Draws, model: ModelConfig, nowMs: number): WireHead => ({
  id: `chatcmpl-${draws.id}`,
  created: Math.floor(nowMs / 1000),
  model: model.name,
  systemFingerprint: "simulated",
})
