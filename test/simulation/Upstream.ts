import { Effect, Exit, Layer, Result } from "effect"
import type { ChatChunk } from "../../src/domain/Chat.ts"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import type { Usage } from "../../src/domain/Usage.ts"
import { monotonicMsUnsafe } from "../../src/platform/monotonic.ts"
import type { ChunkSink, OnLimit, Provider } from "../../src/providers/Provider.ts"
import { Providers } from "../../src/providers/Providers.ts"
import { Dice } from "../fuzz/Dice.ts"
import { timeouts } from "../support/settings.ts"
import { START_MS } from "../support/started-clock.ts"
import { models, type ProviderName, providerNames } from "./gateway.ts"
import type { Process } from "./Process.ts"
import { eventsOf, isDuring, type Trouble, type Visit, type Weather, type World } from "./World.ts"

/** One upstream call as the provider saw it. */
export interface UpstreamCall {
  /** Its number in the world. */
  readonly number: number
  /** Name of the process that makes it. */
  readonly process: string
  readonly provider: ProviderName
  /** `provider/model`. */
  readonly target: string
  readonly visit: Visit
  readonly atMs: number
  readonly timeoutMs: number
  /** Undefined while it runs, and for ever when its process dies. */
  endedAtMs: number | undefined
  outcome: "success" | "cancelled" | ProviderErrorKind | undefined
  retryAfterMs: number | undefined
  /** What the provider says it used. */
  usage: Usage | null
  /** Bytes that it has handed over, and how many of them the client had not taken at most. */
  bytes: number
  aheadBytes: number
  /** Pieces that it has handed over, since when, and the tokens that each has. */
  pieces: number
  saidAtMs: number | undefined
  pieceTokens: number
  /** It refused the call, or was not reached by it. */
  unbilled: boolean
  /** It has counted something already. */
  counted: boolean
}

/** How one call goes: an answer after a time, an error after it, or silence. */
interface Fate {
  readonly afterMs: number
  readonly fails: Failure | undefined
  readonly usage: Usage | null
  readonly pieces: number
  readonly pieceMs: number
  /** What happens instead of the end, after so many pieces. */
  readonly breaks: { readonly after: number; readonly as: ProviderErrorKind | "silence" } | undefined
  readonly mute: boolean
  /** Its head says that a limit is used up, for so long. */
  readonly limitMs: number | undefined
  /** What it read is counted at the beginning of a stream already. */
  readonly countsEarly: boolean
}

interface Failure {
  readonly kind: ProviderErrorKind
  readonly retryAfterMs?: number
  readonly param?: string
  readonly usage?: Usage
  readonly status?: number
}

/** Of failures that come instead of an answer: what their heads say. The others have none, or say 200. */
const statuses: Partial<Record<ProviderErrorKind, number>> = {
  auth: 401,
  model_not_found: 404,
  not_enabled: 403,
  quota_exhausted: 429,
  rate_limited: 429,
  overloaded: 529,
  tier_unavailable: 503,
  request_conflict: 409,
  server_error: 500,
  server_error_once: 500,
  bad_request: 400,
  unsupported: 400,
  refused: 400,
  needs_rewording: 400,
  context_length_exceeded: 400,
  content_filter: 400,
}

const CACHE_LIFETIME_MS = 5 * 60_000
const MAX_PIECES = 40

/** The text of one piece, which says whose it is. Who reads slowly gets enough to fill every buffer on the way. */
const pieceOf = ({ number, visit }: UpstreamCall, piece: number): string =>
  `<${number}.${piece}>`.padEnd(visit.reads === undefined ? 16 : 4_096, ".")

export const event = (text: string): Buffer => Buffer.from(`data: ${text}\n\n`)

/** The providers of a world, in the weather that it has. */
export class Upstream {
  readonly calls: Array<UpstreamCall> = []
  readonly #world: World
  readonly #taken: (visit: Visit) => number
  readonly #weather: ReadonlyMap<ProviderName, ReadonlyArray<Weather>>
  readonly #visits: ReadonlyMap<unknown, Visit>
  /** Calls of each visit, of which the next one's number is told. */
  readonly #callsOf = new Map<string, number>()
  /** Calls of this minute that a quota has counted. */
  readonly #counted = new Map<Weather, { minute: number; calls: number }>()
  /** Prompts that a provider has in its cache, until when. */
  readonly #caches = new Map<string, { readonly tokens: number; readonly untilMs: number }>()

  /** `taken` tells how many bytes a client has taken of its answer. */
  constructor(world: World, taken: (visit: Visit) => number) {
    this.#world = world
    this.#taken = taken
    this.#weather = Map.groupBy(eventsOf(world, "weather"), ({ provider }) => provider)
    this.#visits = new Map(eventsOf(world, "visit").map((visit): [unknown, Visit] => [visit.id, visit]))
  }

  /** The providers as one process reaches them. */
  layerFor(process: Process): Layer.Layer<Providers> {
    const provider = (name: ProviderName): readonly [string, Provider] => [
      name,
      {
        name,
        simulated: true,
        models: new Map(models[name].map((model) => [model.name, model])),
        prepare: (task, model) => {
          const visit = this.#visits.get(task.request.user)
          if (visit === undefined) throw new Error("nobody asked for this")
          const call = { process: process.name, provider: name, target: `${name}/${model}`, visit }
          return Result.succeed({
            complete: (timeoutMs, context) => this.#complete(call, timeoutMs, context?.onLimit),
            stream: (timeoutMs, sink, context) =>
              this.#stream(call, timeoutMs, sink, process, context?.onLimit),
          })
        },
      },
    ]
    return Layer.succeed(Providers, new Map(providerNames.map(provider)))
  }

  #complete(call: Whom, timeoutMs: number, onLimit: OnLimit | undefined) {
    return this.#attempt(call, timeoutMs, onLimit, ({ fate }) =>
      Effect.succeed({
        text: "hello",
        finishReason: "stop" as const,
        model: call.target,
        usage: fate.usage,
        usageEstimated: false,
        rawUsage: fate.usage,
        body: () => "{}",
      }),
    )
  }

  #stream(call: Whom, timeoutMs: number, sink: ChunkSink, process: Process, onLimit: OnLimit | undefined) {
    return this.#attempt(call, timeoutMs, onLimit, ({ fail, fate, seen }) =>
      Effect.gen({ self: this }, function* () {
        const early = fate.countsEarly && fate.usage !== null ? { ...fate.usage, outputTokens: 0 } : undefined
        seen.counted = early !== undefined
        sink.write(chunk({ event: event("role"), usage: early && { usage: early, raw: early } }))
        if (fate.mute) return
        for (let number = 0; number < fate.pieces; number++) {
          if (fate.breaks?.after === number) {
            if (fate.breaks.as !== "silence") return yield* fail({ kind: fate.breaks.as })
            yield* Effect.sleep(timeouts.bodyMs)
            return yield* fail({ kind: "timeout" })
          }
          const text = pieceOf(seen, number)
          const generated = 4 * seen.pieceTokens
          const said = chunk({ event: event(text), text, generated, semantic: true })
          seen.bytes += said.event.length
          seen.pieces += 1
          seen.saidAtMs ??= monotonicMsUnsafe(process.clock) - START_MS
          const goesOn = sink.write(said)
          seen.aheadBytes = Math.max(seen.aheadBytes, seen.bytes - this.#taken(seen.visit))
          if (!goesOn) {
            yield* Effect.callback<void>((resume) => {
              sink.onRoom = () => process.soon(() => resume(Effect.void))
            })
          }
          yield* Effect.sleep(fate.pieceMs)
        }
        sink.write(chunk({ event: event("stop"), semantic: true, finishReason: "stop" }))
        sink.write(
          chunk({ event: event("usage"), usageOnly: true, usage: { usage: fate.usage, raw: fate.usage } }),
        )
      }),
    )
  }

  /** One call, however its answer travels. */
  #attempt<A>(
    whom: Whom,
    timeoutMs: number,
    onLimit: OnLimit | undefined,
    answer: (call: { seen: UpstreamCall; fate: Fate; fail: Fail }) => Effect.Effect<A, ProviderError>,
  ): Effect.Effect<A, ProviderError> {
    return Effect.clockWith((clock) => {
      const nowMs = () => monotonicMsUnsafe(clock) - START_MS
      const seen: UpstreamCall = {
        ...whom,
        number: this.calls.length,
        atMs: nowMs(),
        timeoutMs,
        endedAtMs: undefined,
        outcome: undefined,
        retryAfterMs: undefined,
        usage: null,
        bytes: 0,
        aheadBytes: 0,
        pieces: 0,
        saidAtMs: undefined,
        pieceTokens: 0,
        unbilled: false,
        counted: false,
      }
      this.calls.push(seen)
      const fate = this.#fateOf(seen)
      seen.pieceTokens = Math.ceil(whom.visit.answerTokens / fate.pieces)
      const model = whom.target.slice(2)
      const fail: Fail = (error) => new ProviderError({ provider: whom.provider, model, ...error })
      const headMs = Math.min(timeoutMs, timeouts.headersMs)
      return Effect.sleep(Math.min(fate.afterMs, headMs)).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            if (fate.afterMs > headMs) return Effect.fail(fail({ kind: "timeout" }))
            if (fate.limitMs !== undefined) onLimit?.(fate.limitMs)
            if (fate.fails !== undefined) {
              const status = statuses[fate.fails.kind]
              seen.unbilled = fate.fails.kind === "connect" || status !== undefined
              return Effect.fail(fail({ ...fate.fails, ...(status !== undefined && { status }) }))
            }
            return answer({ seen, fate, fail })
          }),
        ),
        (running) => (whom.visit.stream ? boundedBy(timeoutMs, fail)(running) : running),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            const error = Exit.findErrorOption(exit)
            seen.endedAtMs = nowMs()
            seen.retryAfterMs = error._tag === "Some" ? error.value.retryAfterMs : undefined
            seen.usage = Exit.isSuccess(exit)
              ? fate.mute
                ? null
                : fate.usage
              : error._tag === "Some"
                ? (error.value.usage ?? null)
                : null
            seen.outcome = Exit.isSuccess(exit)
              ? "success"
              : error._tag === "Some"
                ? error.value.kind
                : "cancelled"
          }),
        ),
      )
    })
  }

  /** Says how a call goes, by what is drawn for it alone and by what its provider is like at the time. */
  #fateOf(call: UpstreamCall): Fate {
    const { atMs, provider, visit } = call
    const earlier = this.#callsOf.get(visit.id) ?? 0
    this.#callsOf.set(visit.id, earlier + 1)
    const dice = new Dice(`${this.#world.seed} ${visit.id} ${call.target}`, earlier)
    const pieces = Math.min(MAX_PIECES, Math.max(1, Math.round(visit.answerTokens / 10)))
    let fate: Fate = {
      afterMs: dice.between(100, 900) + (visit.stream ? 0 : visit.answerTokens * 2),
      fails: undefined,
      usage: dice.chance(0.05) ? null : this.#usageOf(call),
      pieces,
      pieceMs: dice.between(5, 40),
      breaks: undefined,
      mute: false,
      limitMs: undefined,
      countsEarly: dice.chance(0.3),
    }
    for (const weather of this.#weather.get(provider) ?? [])
      if (isDuring(weather, atMs)) fate = this.#inWeather(fate, weather, call, dice)
    const { mistake } = visit
    const notices =
      mistake !== undefined && !(mistake === "context_length_exceeded" && call.target === "b/big")
    return notices && fate.fails === undefined && fate.afterMs < Number.POSITIVE_INFINITY
      ? { ...fate, afterMs: dice.between(20, 200), fails: { kind: mistake } }
      : fate
  }

  #usageOf({ atMs, provider, visit }: UpstreamCall): Usage {
    const name = `${provider} ${visit.conversation}`
    const cache = visit.conversation === undefined ? undefined : this.#caches.get(name)
    const cachedTokens =
      cache === undefined || cache.untilMs < atMs ? 0 : Math.min(cache.tokens, visit.promptTokens)
    this.#caches.set(name, { tokens: visit.promptTokens, untilMs: atMs + CACHE_LIFETIME_MS })
    return {
      inputTokens: visit.promptTokens,
      outputTokens: visit.answerTokens,
      cachedTokens,
      cacheWriteTokens: 0,
      reasoningTokens: 0,
    }
  }

  #inWeather(fate: Fate, weather: Weather, call: UpstreamCall, dice: Dice): Fate {
    const { trouble } = weather
    const passed = (call.atMs - weather.atMs) / weather.forMs
    const between = (from: number, to: number) => from + (to - from) * passed
    const fails = (kind: ProviderErrorKind, afterMs: number, retryAfterMs?: number): Fate => ({
      ...fate,
      afterMs,
      fails: {
        kind,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        ...(kind === "unsupported" ? { param: "temperature" } : {}),
        // It says what it used for what is no answer.
        ...(kind === "no_answer" && fate.usage !== null ? { usage: fate.usage } : {}),
      },
    })
    switch (trouble.is) {
      case "down":
        return fails("connect", dice.between(1, 50))
      case "errors": {
        if (!dice.chance(between(trouble.share, trouble.toShare))) return fate
        return fails(dice.pick(trouble.kinds), trouble.afterMs, trouble.retryAfterMs)
      }
      case "slow":
        return { ...fate, afterMs: fate.afterMs * between(trouble.times, trouble.toTimes) }
      case "quota": {
        const left = trouble.perMinute - this.#countThisMinute(weather, call.atMs)
        if (left < 0)
          return fails("rate_limited", dice.between(5, 60), retryAfterOf(trouble.retryAfter, call.atMs))
        // Who says rightly when to come back also says beforehand that nothing is left.
        return left === 0 && trouble.retryAfter === "right"
          ? { ...fate, limitMs: 60_000 - (call.atMs % 60_000) }
          : fate
      }
      case "hangs":
        if (trouble.where === "head" || !call.visit.stream)
          return { ...fate, afterMs: Number.POSITIVE_INFINITY, fails: undefined }
        return {
          ...fate,
          breaks: { after: trouble.where === "body" ? 0 : dice.below(fate.pieces), as: "silence" },
        }
      case "cuts": {
        if (!dice.chance(trouble.share)) return fate
        const as = dice.pick<ProviderErrorKind>(["reset", "bad_response", "server_error"])
        if (!call.visit.stream) return fails(as, fate.afterMs)
        return { ...fate, breaks: { after: dice.below(fate.pieces), as } }
      }
      case "mute":
        return call.visit.stream ? { ...fate, mute: true } : fails("no_answer", fate.afterMs)
      case "locked":
        return fails(trouble.as, dice.between(20, 200))
    }
  }

  /** Counts a call, and returns how many there were in this minute. */
  #countThisMinute(weather: Weather, atMs: number): number {
    const minute = Math.floor(atMs / 60_000)
    const counted = this.#counted.get(weather)
    const calls = (counted?.minute === minute ? counted.calls : 0) + 1
    this.#counted.set(weather, { minute, calls })
    return calls
  }
}

type Whom = Pick<UpstreamCall, "process" | "provider" | "target" | "visit">
type Fail = (error: Failure) => ProviderError

const boundedBy =
  (timeoutMs: number, fail: Fail) =>
  <A>(running: Effect.Effect<A, ProviderError>): Effect.Effect<A, ProviderError> =>
    Effect.timeoutOrElse(running, {
      duration: timeoutMs,
      orElse: () => Effect.fail(fail({ kind: "timeout" })),
    })

const retryAfterOf = (
  says: Extract<Trouble, { is: "quota" }>["retryAfter"],
  atMs: number,
): number | undefined => {
  switch (says) {
    case "right":
      return 60_000 - (atMs % 60_000)
    case "none":
      return undefined
    case "far too long":
      return 24 * 3_600_000
    case "none to wait":
      return 0
  }
}

const chunk = (more: Partial<ChatChunk> & Pick<ChatChunk, "event">): ChatChunk => ({
  text: "",
  generated: 0,
  semantic: false,
  usageOnly: false,
  model: "m",
  finishReason: undefined,
  usage: undefined,
  ...more,
})
