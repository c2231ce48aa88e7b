import { Clock, Effect, Latch, Random, Result } from "effect"
import type { ModelConfig } from "../../catalog/model.ts"
import type { SimulatedProviderConfig, Simulation } from "../../config/GatewayConfig.ts"
import {
  type CallMode,
  type ChatChunk,
  type ChatRequest,
  type Completion,
  estimateInputTokens,
  type FinishReason,
  maxOutputTokens,
} from "../../domain/Chat.ts"
import type { EmbeddingRequest } from "../../domain/Embedding.ts"
import { ProviderError } from "../../domain/ProviderError.ts"
import type { Usage } from "../../domain/Usage.ts"
import { monotonicMs } from "../../platform/monotonic.ts"
import type { ChunkSink, Provider } from "../Provider.ts"
import {
  chatChunk,
  chatCompletion,
  usageChunk,
  type WireHead,
  wireUsage,
} from "../protocols/openai-chat/wire.ts"
import { refuseEmbedding, type SimulatedFailure, simulatedEmbeddings } from "./simulated-embeddings.ts"

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

    const complete = Effect.fnUntraced(function* (call: Call<ChatRequest>) {
      const { draws, model, startedAtMs, startedMs } = yield* begin(call, "chat", "whole")
      const answer = answerTo(call.request, model, draws)
      const speakingMs = draws.failure === undefined ? simulation.msPerOutputToken * answer.words.length : 0
      yield* reach(call, startedMs, draws.latencyMs + speakingMs)
      if (draws.failure !== undefined) return yield* failure(call, draws.failure)
      return completion(wireHead(draws, model, startedAtMs), answer)
    })

    const stream = Effect.fnUntraced(function* (call: Call<ChatRequest>, sink: ChunkSink) {
      const { draws, model, startedAtMs, startedMs } = yield* begin(call, "chat", "stream")
      const answer = answerTo(call.request, model, draws)
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
      const { first, pieces, last } = chunksOf(wireHead(draws, model, startedAtMs), answer)
      yield* write(first)
      let spoken = 0
      for (const piece of draws.breaksOff ? pieces.slice(0, Math.ceil(pieces.length / 2)) : pieces) {
        yield* write(piece.chunk)
        spoken += piece.words
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
      prepare: (task, model) =>
        Result.succeed(
          task._tag === "Chat"
            ? {
                complete: (timeoutMs) => complete({ model, request: task.request, timeoutMs }),
                stream: (timeoutMs, sink) => stream({ model, request: task.request, timeoutMs }, sink),
              }
            : {
                complete: (timeoutMs) => embed({ model, request: task.request, timeoutMs }),
                stream: () => Effect.die("embeddings do not stream"),
              },
        ),
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
  readonly outputTokens: number
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
    outputTokens: 60 + Math.floor(random.nextDoubleUnsafe() * 91),
    breaksOff: mode === "stream" && random.nextDoubleUnsafe() < simulation.midStreamErrorRate,
  }
}

/** Tells whether an outage is on. Phases are counted from the clock's zero, so that every process sees the same outages. */
const isDown = ({ outage }: Simulation, nowMs: number): boolean =>
  outage !== undefined && nowMs % outage.everyMs < outage.downMs

interface Answer {
  /** About one word a token. */
  readonly words: ReadonlyArray<string>
  readonly finishReason: FinishReason
  readonly usage: Usage
}

const answerTo = (request: ChatRequest, model: ModelConfig, draws: Draws): Answer => {
  const wanted = draws.outputTokens
  const limit = Math.min(maxOutputTokens(request) ?? wanted, model.maxOutputTokens ?? wanted)
  const outputTokens = Math.max(1, Math.min(wanted, limit))
  const inputTokens = estimateInputTokens(request)
  return {
    words: answerWords(inputTokens, outputTokens),
    finishReason: limit < wanted ? "length" : "stop",
    usage: { inputTokens, outputTokens, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  }
}

const wireHead = (draws: Draws, model: ModelConfig, nowMs: number): WireHead => ({
  id: `chatcmpl-${draws.id}`,
  created: Math.floor(nowMs / 1000),
  model: model.name,
  systemFingerprint: "simulated",
})

const completion = (head: WireHead, { words, finishReason, usage }: Answer): Completion => {
  const content = words.join(" ")
  return {
    text: content,
    finishReason,
    model: head.model,
    usage,
    usageEstimated: false,
    rawUsage: wireUsage(usage),
    body: () => chatCompletion(head, [{ message: { role: "assistant", content }, finishReason }], usage),
  }
}

const WORDS_PER_PIECE = 5

const chunksOf = (head: WireHead, { words, finishReason, usage }: Answer) => {
  const chunk = (event: Uint8Array, said: Partial<ChatChunk>): ChatChunk => ({
    event,
    text: "",
    generated: 0,
    semantic: false,
    usageOnly: false,
    model: head.model,
    finishReason: undefined,
    usage: undefined,
    ...said,
  })
  const pieces = []
  for (let i = 0; i < words.length; i += WORDS_PER_PIECE) {
    const part = words.slice(i, i + WORDS_PER_PIECE)
    const text = (i === 0 ? "" : " ") + part.join(" ")
    pieces.push({
      words: part.length,
      chunk: chunk(chatChunk(head, 0, { content: text }, null), {
        text,
        generated: text.length,
        semantic: true,
      }),
    })
  }
  return {
    first: chunk(chatChunk(head, 0, { role: "assistant", content: "" }, null), {}),
    pieces,
    last: [
      chunk(chatChunk(head, 0, {}, finishReason), { semantic: true, finishReason }),
      chunk(usageChunk(head, usage), { usageOnly: true, usage: { usage, raw: wireUsage(usage) } }),
    ],
  }
}

const FILLER = "The words that follow only fill the length of a usual answer.".split(" ")

/** Words of an answer: the mark first, so that it survives any limit, and nothing of the prompt. */
const answerWords = (inputTokens: number, outputTokens: number): ReadonlyArray<string> => {
  const words =
    `[simulated] No model was asked: this answer comes from the gateway's simulated provider. Your prompt had about ${inputTokens} tokens.`.split(
      " ",
    )
  while (words.length < outputTokens) words.push(...FILLER)
  return words.slice(0, outputTokens)
}
