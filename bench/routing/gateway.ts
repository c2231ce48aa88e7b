import { Context, Effect, Exit, Layer, Logger, Random, Result } from "effect"
import type { GatewayConfig, RouteConfig } from "../../src/config/GatewayConfig.ts"
import type { ChatChunk, ChatRequest } from "../../src/domain/Chat.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import { ProviderError } from "../../src/domain/ProviderError.ts"
import type { Task } from "../../src/domain/Task.ts"
import { makeUsage } from "../../src/domain/Usage.ts"
import type { AnswerSink } from "../../src/inference/AnswerSink.ts"
import { Attempts } from "../../src/inference/Attempts.ts"
import { RequestRecorder } from "../../src/inference/RequestRecorder.ts"
import { StreamedAnswer } from "../../src/inference/StreamedAnswer.ts"
import { callStreamed, callWhole, deadlineOf } from "../../src/inference/upstream-call.ts"
import { Admission } from "../../src/limits/Admission.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
import type { ChunkSink, PreparedCall, Provider } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import type { Plan } from "../../src/routing/plan.ts"
import { RetryBudget } from "../../src/routing/RetryBudget.ts"
import { Router } from "../../src/routing/Router.ts"
import { settingsOf } from "../../test/support/settings.ts"
import { VirtualTime } from "../../test/support/virtual-time.ts"
import { DEADLINE_MS, type Served } from "./play.ts"
import type { CandidateTruth, Fate, Run } from "./world.ts"

/** The gateway's own router, statistics, breakers and attempts in a world, under virtual time. */

const timeouts: GatewayConfig["timeouts"] = {
  connectMs: 3_000,
  headersMs: 300_000,
  bodyMs: 60_000,
  deadlineMs: DEADLINE_MS,
  streamMs: DEADLINE_MS,
  firstTokenMs: 120_000,
  keepAliveMs: 15_000,
  clientStallMs: 30_000,
  drainMs: 20_000,
}

const nano = (usdPer1M: number): number => Math.round(usdPer1M * 1e9)

const nameOf = (position: number): string => `p${position}`

const modelOf = ({ price }: CandidateTruth) => ({
  name: "m",
  kind: "chat" as const,
  price: {
    inputNanoPer1M: nano(price.input),
    cachedInputNanoPer1M: nano(price.cached ?? price.input),
    outputNanoPer1M: nano(price.output),
    source: "bench",
    asOf: "2026-11-29",
  },
})

export const configOf = (
  candidates: ReadonlyArray<CandidateTruth>,
  hedge?: RouteConfig["hedge"],
): GatewayConfig => ({
  providers: candidates.map((truth, position) => ({
    kind: "openai-compatible" as const,
    name: nameOf(position),
    baseUrl: "http://127.0.0.1:1",
    models: [modelOf(truth)],
  })),
  priceLayers: new Map(),
  off: new Map(),
  routes: new Map([
    [
      "auto",
      {
        name: "auto",
        candidates: candidates.map((_, position) => ({ provider: nameOf(position), model: "m" })),
        largerContext: [],
        strategy: "score",
        when: [],
        parameters: new Map(),
        weights: { latency: 0.6, cost: 0.4 },
        exploration: 0.003,
        hysteresis: 0,
        ...(hedge && { hedge }),
      },
    ],
  ]),
  timeouts,
  limits: {
    maxAttempts: 4,
    retryRatio: 0.2,
    requestsPerMinute: 600,
    cachedTokensCount: true,
    models: {},
    defaultMaxOutputTokens: 8_192,
    maxInFlight: 1_000,
    maxStreams: 10_000,
    maxKeyShare: 1,
    maxEventLoopDelayMs: 500,
    maxUpstreamBytes: 1_000_000,
    timeZone: "UTC",
  },
  attribution: { headers: {} },
  ledger: { journal: "memory", journalMaxBytes: 0 },
})

const kinds = {
  server_error: "server_error",
  connect: "connect",
  rate_limited: "rate_limited",
  hangs: "timeout",
  answers: "timeout",
} as const

/** Text of as many tokens as are asked for, by the gateway's own rule of thumb. */
const TEXT = "word".repeat(400_000)

const requestOf = (run: Run, request: number): ChatRequest => {
  const ask = run.asks[request] as Run["asks"][number]
  const { app, conversation, inputTokens, maxTokens } = ask
  const system =
    app === undefined ? [] : [{ role: "system" as const, content: `You are application ${app}.` }]
  return {
    messages:
      conversation === undefined
        ? [...system, { role: "user", content: TEXT.slice(0, 4 * inputTokens) }]
        : [
            ...system,
            { role: "user", content: `conversation ${conversation}` },
            { role: "assistant", content: TEXT.slice(0, 4 * inputTokens) },
            { role: "user", content: "And then?" },
          ],
    user: String(request),
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
  }
}

const event = Buffer.from("data: {}\n\n")
const chunk = (more: Partial<ChatChunk>): ChatChunk => ({
  event,
  text: "",
  generated: 0,
  semantic: true,
  usageOnly: false,
  model: "m",
  finishReason: undefined,
  usage: undefined,
  ...more,
})

const sink = (): AnswerSink => ({
  begin: () => {},
  chunk: () => true,
  settle: () => {},
  end: () => {},
  opened: false,
  full: false,
  needsText: false,
  onRoom: () => {},
})

const admission = Layer.succeed(Admission, {
  saturation: () => undefined,
  isBusy: () => false,
  enter: () =>
    Result.succeed({
      takeBytes: () => Result.succeed(undefined),
      goesOn: () => true,
      readEnds: () => {},
      streaming: () => {},
      leave: () => {},
    }),
})

/** Plays a world with the gateway. */
export const playGateway = (
  run: Run,
  planned: (request: number, plan: Plan, nowMs: number) => void = () => {},
  hedge?: RouteConfig["hedge"],
): ReadonlyArray<Served> => {
  const time = new VirtualTime(1_000_000)
  const startMs = time.nowMs
  const now = () => time.nowMs - startMs
  /** Dollars spent by request, and calls made for it. */
  const spent: Array<number> = []
  const calls: Array<number> = []

  const usageOf = (request: number, { cachedTokens, outputTokens }: Fate) =>
    makeUsage({ inputTokens: run.asks[request]?.inputTokens, outputTokens, cachedTokens })

  const upstream = <A>(
    request: number,
    position: number,
    timeoutMs: number,
    answer: (fate: Fate) => Effect.Effect<A, ProviderError>,
  ): Effect.Effect<A, ProviderError> =>
    Effect.suspend(() => {
      const attempt = calls[request] ?? 0
      calls[request] = attempt + 1
      const fate = run.begin(request, position, attempt, now())
      // Who leaves an answer pays for it all the same.
      spent[request] = (spent[request] ?? 0) + fate.usd
      const fail = () =>
        new ProviderError({
          kind: kinds[fate.kind],
          provider: nameOf(position),
          model: "m",
          ...(fate.retryAfterMs !== undefined && { retryAfterMs: fate.retryAfterMs }),
        })
      const failed = Effect.andThen(
        Effect.sleep(Math.min(fate.totalMs, timeoutMs)),
        Effect.suspend(() => Effect.fail(fail())),
      )
      return Effect.onExit(fate.kind === "answers" ? answer(fate) : failed, (exit) =>
        Effect.sync(() =>
          run.end(request, position, Exit.isSuccess(exit) ? fate : { ...fate, kind: "hangs" }, now()),
        ),
      )
    })

  const timedOut = (position: number) =>
    new ProviderError({ kind: "timeout", provider: nameOf(position), model: "m" })

  const prepare = (task: Task, position: number): PreparedCall => {
    const request = Number((task.request as ChatRequest).user)
    return {
      complete: (timeoutMs) =>
        upstream(request, position, timeoutMs, (fate) =>
          Effect.andThen(
            Effect.sleep(Math.min(fate.totalMs, timeoutMs)),
            Effect.suspend(() =>
              fate.totalMs > timeoutMs
                ? Effect.fail(timedOut(position))
                : Effect.succeed({
                    text: "",
                    finishReason: "stop" as const,
                    model: "m",
                    usage: usageOf(request, fate),
                    usageEstimated: false,
                    rawUsage: null,
                    body: () => "{}",
                  }),
            ),
          ),
        ),
      stream: (timeoutMs, to: ChunkSink) =>
        upstream(request, position, timeoutMs, (fate) =>
          Effect.gen(function* () {
            yield* Effect.sleep(Math.min(fate.firstMs, timeoutMs))
            if (fate.firstMs > timeoutMs) return yield* timedOut(position)
            to.write(chunk({ text: "a", generated: 1 }))
            yield* Effect.sleep(Math.min(fate.totalMs, timeoutMs) - fate.firstMs)
            const usage = usageOf(request, fate)
            to.write(
              chunk({ finishReason: "stop", semantic: false, usageOnly: true, usage: { usage, raw: null } }),
            )
          }),
        ),
    }
  }

  const config = configOf(run.world.candidates, hedge)
  const providers = run.world.candidates.map((truth, position): readonly [string, Provider] => [
    nameOf(position),
    {
      name: nameOf(position),
      simulated: true,
      models: new Map([["m", modelOf(truth)]]),
      prepare: (task) => Result.succeed(prepare(task, position)),
    },
  ])
  const settings = settingsOf(config)
  const gateway = Attempts.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(Router.layer, RetryBudget.layer)),
    Layer.provide(Breakers.layer),
    Layer.provide(RateLimits.layerMemory),
    Layer.provide([Layer.succeed(Providers, new Map(providers)), settings, admission]),
  )

  const served: Array<Served> = []
  const serve = (request: number, router: Router["Service"], attempts: Attempts["Service"]) =>
    Effect.gen(function* () {
      const ask = run.asks[request] as Run["asks"][number]
      const recorder = new RequestRecorder(RequestId.make(String(request)), "/infer", time.clock)
      const task: Task = { _tag: "Chat", request: requestOf(run, request), mode: run.mode }
      const exit = yield* Effect.exit(
        Effect.gen(function* () {
          const plan = yield* router.plan({
            requestedModel: "auto",
            task,
            keyId: "key",
            session: undefined,
            allowed: undefined,
            remainingMs: timeouts.deadlineMs,
          })
          planned(request, plan, now())
          if (run.mode === "stream") {
            const stream = new StreamedAnswer(
              sink(),
              () => recorder.now(),
              () => ask.inputTokens,
            )
            const { candidate } = yield* attempts.run(
              plan,
              callStreamed(stream, timeouts, deadlineOf(timeouts.streamMs, undefined)),
              recorder,
              () => Effect.void,
            )
            return { candidate, ms: (stream.firstTokenAt ?? recorder.now()) - recorder.startedAt }
          }
          const { candidate } = yield* attempts.run(
            plan,
            callWhole(deadlineOf(timeouts.deadlineMs, undefined)),
            recorder,
            () => Effect.void,
          )
          return { candidate, ms: now() - ask.atMs }
        }),
      )
      served[request] = {
        ms: Exit.isSuccess(exit) ? exit.value.ms : now() - ask.atMs,
        usd: spent[request] ?? 0,
        attempts: calls[request] ?? 0,
        answeredBy: Exit.isSuccess(exit) ? Number(exit.value.candidate.provider.name.slice(1)) : undefined,
      }
    })

  const exit = time.run(
    Effect.scoped(
      Effect.gen(function* () {
        const context = yield* Layer.build(gateway)
        const router = Context.get(context, Router)
        const attempts = Context.get(context, Attempts)
        for (const [request, ask] of run.asks.entries()) {
          yield* Effect.sleep(ask.atMs - now())
          yield* Effect.forkChild(serve(request, router, attempts))
        }
        while (served.length < run.asks.length || Object.keys(served).length < run.asks.length) {
          yield* Effect.sleep(60_000)
        }
      }),
    ).pipe(Random.withSeed(run.world.name), Effect.provide(Logger.layer([]))),
  )
  if (Exit.isFailure(exit)) throw new Error(String(exit.cause))
  return served
}
