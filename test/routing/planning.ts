import { Clock, Effect, Exit } from "effect"
import type { CallMode, ChatRequest } from "../../src/domain/Chat.ts"
import type { EmbeddingRequest } from "../../src/domain/Embedding.ts"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { Breakers } from "../../src/routing/Breakers.ts"
import { blamedParam, exclusionText } from "../../src/routing/exclusion.ts"
import type { Candidate } from "../../src/routing/plan.ts"
import { Router } from "../../src/routing/Router.ts"
import type { Features } from "../../src/routing/Statistics.ts"
import { ask, chat } from "./world.ts"

/** What tests of the router ask of it, and teach it. */

interface Wish {
  readonly model?: string
  readonly request?: ChatRequest
  readonly mode?: CallMode
  /** In place of a chat. */
  readonly embed?: EmbeddingRequest
  readonly allowed?: ReadonlyArray<string>
  readonly keyId?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Share of a budget that is used up, where the request has one. */
  readonly budgetUsed?: number
}

export const plan = ({
  allowed,
  budgetUsed,
  embed,
  headers,
  keyId = "key",
  mode,
  model = "auto",
  request = ask(),
}: Wish = {}) =>
  Router.use((router) =>
    router.plan({
      requestedModel: model,
      task: embed === undefined ? chat(request, mode) : { _tag: "Embedding", request: embed },
      keyId,
      headers: headers && new Map(Object.entries(headers)),
      allowed: allowed && new Set(allowed),
      remainingMs: 60_000,
      bounded: budgetUsed === undefined ? undefined : { outputTokens: 100, used: () => budgetUsed },
    }),
  )
export const keys = (wish?: Wish) =>
  Effect.map(plan(wish), ({ candidates }) => candidates.map(({ key }) => key))
export const refusal = (wish: Wish) => Effect.flip(plan(wish))

/** Of a short request, with a candidate that has nothing else to do. */
export const features: Features = {
  application: undefined,
  conversation: undefined,
  inputTokens: 10,
  cachedTokens: 0,
  outputLimit: undefined,
  modelLimit: undefined,
  inFlight: 0,
}

export const answered = (
  key: string,
  ms: number,
  times = 20,
  {
    mode = "whole",
    outputTokens = 100,
    ...asked
  }: { mode?: CallMode; outputTokens?: number | null } & Partial<Features> = {},
) =>
  Router.use((router) =>
    Effect.repeat(
      router.observe({
        key,
        mode,
        features: { ...features, ...asked },
        outcome: { _tag: "success", ms, outputTokens },
      }),
      { times: times - 1 },
    ),
  )

/** Calls a candidate of a plan, and lets the router learn how that went. */
export const attempt = ({ call, features, key }: Candidate, expectedMs: number) =>
  Effect.gen(function* () {
    const router = yield* Router
    const breakers = yield* Breakers
    const calledMs = yield* Clock.currentTimeMillis
    const exit = yield* Effect.exit(
      breakers.run(
        key,
        { expectedMs, tookMs: () => expectedMs, lateAfterMs: 60_000, isAnswering: () => false },
        call.complete(60_000),
      ),
    )
    const ms = (yield* Clock.currentTimeMillis) - calledMs
    const error = Exit.findErrorOption(exit)
    const kind = error._tag === "Some" ? error.value.kind : "server_error"
    const usage = Exit.isSuccess(exit) ? exit.value.usage : null
    yield* router.observe({
      key,
      mode: "whole",
      features,
      outcome: Exit.isSuccess(exit)
        ? { _tag: "success", ms, outputTokens: usage?.outputTokens ?? null }
        : { _tag: "failure", kind, ms },
    })
    return { ms, outcome: Exit.isSuccess(exit) ? ("success" as const) : kind, usage }
  })

export const failed = (key: string, times: number) =>
  Router.use((router) =>
    Effect.repeat(
      router.observe({
        key,
        mode: "whole",
        features,
        outcome: { _tag: "failure", kind: "server_error", ms: 100 },
      }),
      {
        times: times - 1,
      },
    ),
  )
export const trip = (key: string, kind: ProviderErrorKind = "rate_limited") =>
  Breakers.use((breakers) =>
    Effect.ignore(
      breakers.run(
        key,
        { expectedMs: 300, tookMs: () => 300, lateAfterMs: 1_000, isAnswering: () => false },
        Effect.fail(new ProviderError({ kind, provider: key, model: key, retryAfterMs: 60_000 })),
      ),
    ),
  )

export const reasons = (wish: Wish) =>
  Effect.map(refusal(wish), (error) =>
    error._tag === "NoCandidate"
      ? error.excluded.map((exclusion) => [
          `${exclusion.provider}/${exclusion.model}`,
          exclusionText(exclusion),
          blamedParam(exclusion),
        ])
      : error._tag,
  )
