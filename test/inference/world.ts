import { Clock, Context, Effect, Exit, Layer, Result } from "effect"
import { Budgets } from "../../src/budgets/Budgets.ts"
import type { ModelConfig } from "../../src/catalog/model.ts"
import type { GatewayConfig } from "../../src/config/GatewayConfig.ts"
import type { ChatChunk, ChatRequest } from "../../src/domain/Chat.ts"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import type { Usage } from "../../src/domain/Usage.ts"
import { InferenceEndpoints, type InferenceExchange } from "../../src/http/InferenceEndpoints.ts"
import { Idempotency } from "../../src/idempotency/Idempotency.ts"
import { Attempts } from "../../src/inference/Attempts.ts"
import { Inference } from "../../src/inference/Inference.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { Admission } from "../../src/limits/Admission.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
import { monotonicMsUnsafe } from "../../src/platform/monotonic.ts"
import type { ChunkSink, Provider } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import { RetryBudget } from "../../src/routing/RetryBudget.ts"
import { Router } from "../../src/routing/Router.ts"
import { price, refs, route, simulated } from "../routing/world.ts"
import { settingsOf, timeouts } from "../support/settings.ts"
import { START_MS } from "../support/started-clock.ts"

/**
 * The whole story of a request between doubles at its edges. Three providers serve the route `auto`: `a` is the
 * cheapest and goes first while nothing is known, then `b`; `c` has no price. `b/big` takes longer prompts.
 */

export const limits = {
  maxAttempts: 4,
  retryRatio: 0.2,
  requestsPerMinute: 120,
  cachedTokensCount: true,
  models: {},
  defaultMaxOutputTokens: 8_192,
  maxInFlight: 1_000_000,
  maxStreams: 1_000_000,
  maxKeyShare: 1,
  maxEventLoopDelayMs: 100,
  maxUpstreamBytes: 1_000_000,
  timeZone: "UTC",
}

const models: Readonly<Record<string, ReadonlyArray<ModelConfig>>> = {
  a: [
    { name: "m", kind: "chat", price: price(1) },
    // Dearer from a second after the start on.
    {
      name: "dearer",
      kind: "chat",
      price: { ...price(3), validFrom: START_MS + 1_000, earlier: [price(1)] },
    },
  ],
  b: [
    { name: "m", kind: "chat", price: price(2) },
    { name: "big", kind: "chat", price: price(8) },
  ],
  c: [
    { name: "m", kind: "chat" },
    { name: "big", kind: "chat" },
  ],
}

const gateway: GatewayConfig = {
  providers: Object.entries(models).map(([name, ofProvider]) => simulated(name, ofProvider)),
  priceLayers: new Map(),
  off: new Map(),
  routes: new Map([
    [
      "auto",
      route(refs("a/m", "b/m", "c/m"), {
        largerContext: refs("b/big"),
        // Much, so that the ones in trouble keep being asked.
        exploration: 0.25,
        hysteresis: 0.1,
      }),
    ],
    ["only-a", route(refs("a/m"), { name: "only-a" })],
    ["a-then-b", route(refs("a/m", "b/m"), { name: "a-then-b", largerContext: refs("b/big") })],
    ["priority", route(refs("a/m", "b/m"), { name: "priority", strategy: "priority" })],
    [
      "hedged",
      route(refs("a/m", "b/m", "c/m"), {
        name: "hedged",
        strategy: "priority",
        hedge: { traffic: 0.5, spend: 0.5 },
      }),
    ],
    ["cheapest", route(refs("a/m", "b/m"), { name: "cheapest", strategy: "cheapest" })],
    [
      "weighted",
      route(
        refs("a/m", "b/m").map((ref) => ({ ...ref, weight: ref.provider === "a" ? 3 : 1 })),
        { name: "weighted", strategy: "weighted" },
      ),
    ],
    ["two-larger", route(refs("a/m"), { name: "two-larger", largerContext: refs("b/big", "c/big") })],
  ]),
  timeouts,
  limits,
  attribution: { headers: {} },
  ledger: { journal: "memory", journalMaxBytes: 0 },
}

export const settings = settingsOf(gateway)

/** How one upstream call goes: an answer after a time, or an error, or (`Infinity`) silence. */
export interface Fate {
  readonly afterMs: number
  readonly fails?: {
    readonly kind: ProviderErrorKind
    readonly retryAfterMs?: number
    readonly usage?: Usage
  }
  /** Of an answer; null = the provider did not say. */
  readonly usage?: Usage | null
  /** Of a streamed answer: its pieces, after each of which this time passes. */
  readonly pieces?: ReadonlyArray<string>
  readonly pieceMs?: number
  /** A streamed answer goes this way after its pieces instead of ending well. */
  readonly breaks?: ProviderErrorKind | "silence"
  /** A streamed answer ends well, and has said nothing. */
  readonly mute?: boolean
}

export const event = (text: string): Buffer => Buffer.from(`data: ${text}\n\n`)

/** One piece of text, as a protocol would have read it. */
export const piece = (text: string, more: Partial<ChatChunk> = {}): ChatChunk => ({
  event: event(text),
  text,
  generated: text.length,
  semantic: true,
  usageOnly: false,
  model: "m",
  finishReason: undefined,
  usage: undefined,
  ...more,
})

/** One upstream call as the provider saw it. */
export interface UpstreamCall {
  /** `provider/model`. */
  readonly target: string
  /** `ChatRequest.user`: tells the provider which request it serves. */
  readonly user: unknown
  /** `monotonicMs`, which begins at `START_MS` in tests. */
  readonly startedAt: number
  readonly timeoutMs: number
  /** Undefined while it runs. */
  endedAt: number | undefined
  outcome: "success" | "cancelled" | ProviderErrorKind | undefined
  retryAfterMs: number | undefined
  usage: Usage | null
}

interface UpstreamRequest {
  readonly model: string
  readonly request: ChatRequest
  readonly timeoutMs: number
}

/** The three providers, doing what `fateOf` says and writing down what was asked of them. */
export const makeUpstream = (fateOf: (call: UpstreamCall) => Effect.Effect<Fate>) => {
  const calls: Array<UpstreamCall> = []

  /** One call, however its answer travels. */
  const attempt = <A>(
    provider: string,
    call: UpstreamRequest,
    answer: (fate: Fate, fail: (kind: ProviderErrorKind) => ProviderError) => Effect.Effect<A, ProviderError>,
  ) =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const seen: UpstreamCall = {
        target: `${provider}/${call.model}`,
        user: call.request.user,
        startedAt: monotonicMsUnsafe(clock),
        timeoutMs: call.timeoutMs,
        endedAt: undefined,
        outcome: undefined,
        retryAfterMs: undefined,
        usage: null,
      }
      calls.push(seen)
      const fail = (error: { readonly kind: ProviderErrorKind; readonly retryAfterMs?: number }) =>
        new ProviderError({ provider, model: call.model, ...error })

      return yield* Effect.gen(function* () {
        const fate = yield* fateOf(seen)
        const timeoutMs = Math.min(call.timeoutMs, timeouts.headersMs)
        yield* Effect.sleep(Math.min(fate.afterMs, timeoutMs))
        if (fate.afterMs > timeoutMs) return yield* fail({ kind: "timeout" })
        if (fate.fails) return yield* fail(fate.fails)
        seen.usage = fate.usage ?? null
        return yield* answer(fate, (kind) => fail({ kind }))
      }).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            const error = Exit.findErrorOption(exit)
            seen.endedAt = monotonicMsUnsafe(clock)
            seen.retryAfterMs = error._tag === "Some" ? error.value.retryAfterMs : undefined
            if (Exit.isFailure(exit)) seen.usage = null
            seen.outcome = Exit.isSuccess(exit)
              ? "success"
              : error._tag === "Some"
                ? error.value.kind
                : "cancelled"
          }),
        ),
      )
    })

  const complete = (provider: string) => (call: UpstreamRequest) =>
    attempt(provider, call, ({ usage = null }) =>
      Effect.succeed({
        text: "hello",
        finishReason: "stop" as const,
        model: call.model,
        usage,
        usageEstimated: false,
        rawUsage: usage,
        body: () => "{}",
      }),
    )

  const stream = (provider: string) => (call: UpstreamRequest, sink: ChunkSink) =>
    attempt(
      provider,
      call,
      Effect.fnUntraced(function* (
        { breaks, mute, pieceMs = 0, pieces = ["hel", "lo"], usage = null },
        fail,
      ) {
        sink.write(piece("", { event: event("role"), semantic: false }))
        if (mute) return
        for (const text of pieces) {
          sink.write(piece(text))
          yield* Effect.sleep(pieceMs)
        }
        if (breaks === "silence") return yield* Effect.never
        if (breaks !== undefined) return yield* fail(breaks)
        sink.write(piece("", { event: event("stop"), finishReason: "stop" }))
        sink.write(
          piece("", {
            event: event("usage"),
            semantic: false,
            usageOnly: true,
            usage: { usage, raw: usage },
          }),
        )
      }),
    )

  const providers = Object.entries(models).map(([name, ofProvider]): readonly [string, Provider] => [
    name,
    {
      name,
      simulated: true,
      models: new Map(ofProvider.map((model) => [model.name, model])),
      prepare: (task, model) => {
        if (task._tag === "Embedding") throw new Error("not asked in these tests")
        const { request } = task
        return Result.succeed({
          complete: (timeoutMs) => complete(name)({ model, request, timeoutMs }),
          stream: (timeoutMs, sink) => stream(name)({ model, request, timeoutMs }, sink),
        })
      },
    },
  ])
  return { calls, layer: Layer.succeed(Providers, new Map(providers)) }
}

/** A connection that is not looked at. */
export const connection: Pick<InferenceExchange, "whenOver" | "turnedAway" | "refuse"> = {
  whenOver: () => {},
  turnedAway: () => {},
  refuse: ({ result }) => ({
    status: Result.isSuccess(result) ? 200 : result.failure.status,
    headers: {},
    body: "",
  }),
}

/** A ledger that keeps what it is given. */
export const makeLedger = () => {
  const records: Array<LedgerRecord> = []
  const layer = Layer.succeed(Ledger, {
    record: (record) => Effect.sync(() => void records.push(record)),
    recordIntent: () => Effect.void,
    holder: "one",
    flush: () => Effect.succeed(true),
    databaseFault: () => undefined,
    journalFault: () => undefined,
  })
  return { records, layer }
}

/** Bytes of answers that requests hold until their clients have them. */
export const held = { bytes: 0 }

/** Takes everybody on. */
const admission = Layer.succeed(Admission, {
  saturation: () => undefined,
  isBusy: () => false,
  enter: () =>
    Result.succeed({
      takeBytes: () => Result.succeed(undefined),
      goesOn: (bytes) => {
        held.bytes += bytes
        return true
      },
      readEnds: () => {},
      streaming: () => {},
      leave: () => {},
    }),
})

/** Everything between planning and the providers. */
export const attempts = Attempts.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Router.layer, RetryBudget.layer)),
  Layer.provideMerge(Breakers.layer),
  Layer.provide([admission, RateLimits.layerMemory]),
)

/** One process: shares the claims, the ledger and the providers with others, and nothing else. */
export const replica = Effect.map(
  Layer.build(
    Layer.fresh(
      InferenceEndpoints.layer.pipe(
        Layer.provideMerge(Inference.layer),
        Layer.provide([
          attempts,
          Idempotency.layerNoDeps,
          RateLimits.layerMemory,
          Budgets.layerNone,
          admission,
        ]),
      ),
    ),
  ),
  Context.get(InferenceEndpoints),
)
