import { assert } from "@effect/vitest"
import { Clock, Effect, Exit, Layer, Option, Random, Result } from "effect"
import { TestClock } from "effect/testing"
import { AuthError } from "../../src/auth/AuthError.ts"
import { Authenticator } from "../../src/auth/Authenticator.ts"
import type { Principal } from "../../src/auth/Principal.ts"
import { GatewayError } from "../../src/domain/GatewayError.ts"
import { KeyId, RequestId } from "../../src/domain/Ids.ts"
import { dispositions, isAboutRequest, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import type { InferenceExchange } from "../../src/http/InferenceEndpoints.ts"
import { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import { ClaimStoreUnavailable } from "../../src/idempotency/claim.ts"
import type { IdempotentReply } from "../../src/idempotency/claimed-run.ts"
import type { Outcome as InferenceOutcome } from "../../src/inference/Outcome.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { monotonicMs } from "../../src/platform/monotonic.ts"
import { ReplayableBody } from "../../src/responses/ReplayableBody.ts"
import { ask } from "../routing/world.ts"
import { START_MS, startedClock } from "../support/started-clock.ts"
import { CLOCK_STEPS, steppedClock } from "../support/stepped-clock.ts"
import {
  connection,
  type Fate,
  makeLedger,
  makeUpstream,
  models,
  replica,
  settings,
  timeouts,
  type UpstreamCall,
} from "./world.ts"

/** One seeded story for the simulation: who asks, what goes wrong, and what everybody saw of it. */

const REQUESTS = 600
const ARRIVE_WITHIN_MS = 12 * 60_000
/** Later than anything may still be going on. */
const END_MS = ARRIVE_WITHIN_MS + 15 * 60_000

// ---- Clients ----

/** One request of one client. */
export interface Visit {
  readonly id: RequestId
  readonly principal: Principal
  readonly authentication: "valid" | "invalid" | "unavailable"
  readonly replica: 0 | 1
  /** After the start of the story. */
  readonly atMs: number
  /** The body takes this long to arrive, and may be nonsense in the end. */
  readonly uploadMs: number
  readonly readable: boolean
  readonly model: "auto" | "only-a" | "nobody"
  readonly dryRun: boolean
  /** The client's own mistake, which every provider that works sees. */
  readonly mistake: "bad_request" | "content_filter" | "context_length_exceeded" | undefined
  readonly claim: { readonly key: string; readonly body: number } | undefined
  readonly leavesAfterMs: number | undefined
}

const usual: Principal = { keyId: KeyId.make("AAAAAAAAAAAA"), name: "usual" }
const limited: Principal = { keyId: KeyId.make("BBBBBBBBBBBB"), name: "limited", requestsPerMinute: 5 }
const narrow: Principal = { keyId: KeyId.make("CCCCCCCCCCCC"), name: "narrow", models: new Set(["auto"]) }

interface Dice {
  readonly chance: (probability: number) => boolean
  readonly between: (min: number, max: number) => number
  readonly pick: <A>(first: A, ...rest: ReadonlyArray<A>) => A
}

const dice = Effect.map(Random.Random, (random): Dice => {
  const between = (min: number, max: number) => Math.floor(min + random.nextDoubleUnsafe() * (max - min))
  return {
    chance: (probability) => random.nextDoubleUnsafe() < probability,
    between,
    pick: (first, ...rest) => {
      const index = between(0, rest.length + 1)
      return index === 0 ? first : (rest[index - 1] ?? first)
    },
  }
})

const drawVisits = ({ between, chance, pick }: Dice): ReadonlyArray<Visit> => {
  const visits: Array<Visit> = []
  const add = (visit: Omit<Visit, "id">) =>
    visits.push({ ...visit, id: RequestId.make(`request-${visits.length}`) })
  const leaves = () => (chance(0.15) ? between(0, chance(0.7) ? 1_000 : 20_000) : undefined)

  for (let i = 0; i < REQUESTS; i++) {
    const first: Omit<Visit, "id"> = {
      principal: pick(usual, usual, usual, limited, narrow),
      authentication: chance(0.02) ? pick("invalid", "unavailable") : "valid",
      replica: pick(0, 1),
      atMs: between(0, ARRIVE_WITHIN_MS),
      uploadMs: chance(0.02) ? between(0, 1.5 * timeouts.deadlineMs) : between(0, 50),
      readable: !chance(0.02),
      model: chance(0.9) ? "auto" : pick("only-a", "nobody"),
      dryRun: chance(0.06),
      mistake: chance(0.05) ? pick("bad_request", "content_filter", "context_length_exceeded") : undefined,
      claim: chance(0.25) ? { key: `key-${i}`, body: 0 } : undefined,
      leavesAfterMs: leaves(),
    }
    add(first)
    if (first.claim === undefined) continue
    for (let n = between(0, 5); n > 0; n--) {
      add({
        ...first,
        replica: pick(0, 1),
        atMs: first.atMs + pick(0, between(0, 1_000), between(0, 20_000), between(0, 5 * 60_000)),
        uploadMs: between(0, 50),
        claim: { ...first.claim, body: chance(0.15) ? 1 : 0 },
        leavesAfterMs: leaves(),
      })
    }
  }
  return visits
}

// ---- Providers ----

const troubles = Object.keys(dispositions).filter(
  (kind): kind is ProviderErrorKind => kind in dispositions && !isAboutRequest(kind as ProviderErrorKind),
)

type Weather = "fair" | "flaky" | "down" | "silent" | "limited" | "slow" | "locked"

/** For each provider the weather of every half minute, in stretches; perhaps one provider has none. */
const drawWeather = ({ between, chance, pick }: Dice) => {
  const steady = chance(0.7) ? pick("a", "b", "c") : undefined
  const byProvider = new Map<string, ReadonlyArray<Weather>>()
  for (const name of Object.keys(models)) {
    const slots: Array<Weather> = []
    while (slots.length * 30_000 < END_MS) {
      const weather = chance(0.5)
        ? "fair"
        : pick<Weather>("flaky", "flaky", "down", "silent", "limited", "slow", "locked")
      slots.push(...Array<Weather>(between(1, 5)).fill(weather))
    }
    byProvider.set(name, name === steady ? [] : slots)
  }
  return {
    steady,
    at: (provider: string, ms: number) => byProvider.get(provider)?.[Math.floor(ms / 30_000)] ?? "fair",
  }
}

const drawFate = ({ between, chance, pick }: Dice, weather: Weather): Fate => {
  const answers = (afterMs: number): Fate => ({
    afterMs,
    usage: chance(0.05)
      ? null
      : {
          inputTokens: 1_000,
          outputTokens: between(1, 500),
          cachedTokens: between(0, 1_000),
          cacheWriteTokens: 0,
          reasoningTokens: 0,
        },
  })
  const fails = (kind: ProviderErrorKind, retryAfterMs?: number): Fate => ({
    afterMs: between(1, 300),
    fails: { kind, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  })
  const retryAfter = () => (chance(0.5) ? between(0, chance(0.9) ? 20_000 : 300_000) : undefined)
  switch (weather) {
    case "fair":
      return answers(between(100, 900))
    case "slow":
      return answers(between(4_000, 18_000))
    case "flaky":
      return chance(0.4) ? fails(pick("reset", ...troubles), retryAfter()) : answers(between(100, 900))
    case "down":
      return fails("connect")
    case "silent":
      return { afterMs: Number.POSITIVE_INFINITY }
    case "limited":
      return fails(pick("rate_limited", "overloaded"), retryAfter())
    case "locked":
      return fails(pick("auth", "quota_exhausted", "model_not_found"))
  }
}

// ---- Claims ----

/** Claims on a database that is away for the end of every other minute, which is shorter than a lease. */
const unreliableClaims = Layer.effect(
  ClaimStore,
  Effect.map(ClaimStore, (store) => {
    const unlessDown = <A>(statement: Effect.Effect<A, ClaimStoreUnavailable>) =>
      Effect.flatMap(monotonicMs, (ms) =>
        ms % 120_000 < 105_000 ? statement : Effect.fail(new ClaimStoreUnavailable({ message: "down" })),
      )
    return ClaimStore.of({
      claim: (id, fingerprint, owner) => unlessDown(store.claim(id, fingerprint, owner)),
      renew: (id, owner) => unlessDown(store.renew(id, owner)),
      complete: (id, owner, response) => unlessDown(store.complete(id, owner, response)),
      release: (id, owner) => unlessDown(store.release(id, owner)),
      cleanup: (limit) => unlessDown(store.cleanup(limit)),
    })
  }),
).pipe(Layer.provide(ClaimStore.layerMemory))

// ---- One run ----

export interface Outcome {
  readonly visit: Visit
  /** When the gateway knew who asks, and what. */
  authenticated: boolean
  understoodAt: number | undefined
  settledAt: number
  reply: IdempotentReply | undefined
  error: GatewayError | undefined
  readonly left: boolean
}

interface Written {
  readonly keep: boolean
  readonly atMs: number
  readonly text: string
}

export const text = (body: string | Uint8Array | ReplayableBody) =>
  Buffer.from((body instanceof ReplayableBody ? body.bytes() : body) ?? "").toString()

/** Steps the wall clock every ten seconds or so, as the seed says, without taking part in the story's randomness. */
const stepAtRandom = (step: (ms: number) => void) =>
  Effect.gen(function* () {
    const { between } = yield* dice
    while (true) {
      yield* Effect.sleep(between(0, 20_000))
      step(CLOCK_STEPS[between(0, CLOCK_STEPS.length)] ?? 0)
    }
  })

export const simulate = (seed: string, { clockSteps = false } = {}) =>
  Effect.gen(function* () {
    const luck = yield* dice
    const visits = drawVisits(luck)
    const weather = drawWeather(luck)
    const reliableClaims = luck.chance(0.5)
    const byId = new Map(visits.map((visit): [unknown, Visit] => [visit.id, visit]))
    const authenticated = new Set<RequestId>()
    const understoodAt = new Map<RequestId, number>()
    const writes = new Map<string, Written>()
    const refused = new Map<RequestId, GatewayError>()
    const outcomes: Array<Outcome> = []

    const upstream = makeUpstream(({ startedAt, target, user }) =>
      Effect.sync((): Fate => {
        const fate = drawFate(luck, weather.at(target.slice(0, 1), startedAt - START_MS))
        const mistake = byId.get(user)?.mistake
        const noticed =
          mistake !== undefined && !(mistake === "context_length_exceeded" && target === "b/big")
        return noticed && fate.fails === undefined
          ? { afterMs: fate.afterMs, fails: { kind: mistake } }
          : fate
      }),
    )
    const ledger = makeLedger()
    const authenticator = Layer.succeed(Authenticator, {
      authenticate: Effect.fnUntraced(function* (token: string) {
        yield* Effect.sleep(luck.between(0, 5))
        const visit = byId.get(token)
        if (visit === undefined || visit.authentication === "invalid")
          return yield* new AuthError({ reason: "invalid" })
        if (visit.authentication === "unavailable") return yield* new AuthError({ reason: "unavailable" })
        authenticated.add(visit.id)
        return visit.principal
      }),
    })

    const write = ({ attempts, latencyMs, requestId, result, timings }: InferenceOutcome) => {
      assert.isFalse(writes.has(requestId), `${requestId} is written twice`)
      const { authMs, routeMs, upstreamMs } = timings
      const attemptsMs = attempts.reduce((sum, attempt) => sum + attempt.latencyMs, 0)
      assert.strictEqual(upstreamMs, attemptsMs, `${requestId}: time upstream`)
      assert.isAtLeast(latencyMs, authMs + routeMs + upstreamMs, `${requestId}: time of its phases`)
      assert.isAtLeast(Math.min(authMs, routeMs), 0, `${requestId}: a phase that ends before it begins`)
      const status = Result.isSuccess(result) ? 200 : result.failure.status
      const body = JSON.stringify({ requestId, status, latencyMs, attempts: attempts.length })
      writes.set(requestId, {
        keep: Result.isSuccess(result) || (result.failure.final && status < 500),
        atMs: START_MS + (byId.get(requestId)?.atMs ?? 0) + latencyMs,
        text: body,
      })
      return { status, headers: {}, body: Buffer.from(body) }
    }

    const exchange = (visit: Visit): InferenceExchange => ({
      requestId: visit.id,
      endpoint: "/infer",
      credential: Result.succeed(visit.id),
      ...connection,
      refuse: (outcome) => {
        if (Result.isFailure(outcome.result)) refused.set(visit.id, outcome.result.failure)
        return connection.refuse(outcome)
      },
      read: () =>
        Effect.gen(function* () {
          yield* Effect.sleep(visit.uploadMs)
          if (!visit.readable) return yield* new GatewayError({ code: "invalid_json", detail: "" })
          understoodAt.set(visit.id, yield* monotonicMs)
          const { claim, dryRun, model } = visit
          const call = {
            requestedModel: model,
            task: {
              _tag: "Chat" as const,
              request: ask("Hello", { user: visit.id }),
              mode: "whole" as const,
            },
            stream: undefined,
            dryRun,
            write,
          }
          return { call, claim: claim && { key: claim.key, fingerprint: Uint8Array.of(claim.body) } }
        }),
    })

    const wall = yield* steppedClock
    yield* Effect.gen(function* () {
      const replicas = [yield* replica, yield* replica] as const
      const clients = Effect.forEach(
        visits,
        Effect.fnUntraced(function* (visit) {
          yield* Effect.sleep(visit.atMs)
          const infer = replicas[visit.replica].serve(exchange(visit))
          const exit = yield* Effect.exit(
            visit.leavesAfterMs === undefined
              ? Effect.asSome(infer)
              : Effect.timeoutOption(infer, visit.leavesAfterMs),
          )
          const failed = Exit.findErrorOption(exit)
          assert.isTrue(Exit.isSuccess(exit) || Option.isSome(failed), `${visit.id} ended in a defect`)
          const error = refused.get(visit.id) ?? Option.getOrUndefined(failed)
          outcomes.push({
            visit,
            authenticated: authenticated.has(visit.id),
            understoodAt: understoodAt.get(visit.id),
            settledAt: yield* monotonicMs,
            reply:
              Exit.isSuccess(exit) && error === undefined ? Option.getOrUndefined(exit.value) : undefined,
            error,
            left: Exit.isSuccess(exit) && Option.isNone(exit.value),
          })
        }),
        { concurrency: "unbounded" },
      )
      yield* Effect.forkChild(clients)
      if (clockSteps) yield* Effect.forkScoped(Random.withSeed(stepAtRandom(wall.step), seed))
      yield* TestClock.adjust(END_MS)
      assert.strictEqual(outcomes.length, visits.length, "a request never ended")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.mergeAll(
          upstream.layer,
          ledger.layer,
          authenticator,
          reliableClaims ? ClaimStore.layerMemory : unreliableClaims,
          settings,
        ),
      ),
      Effect.provideService(Clock.Clock, wall.clock),
    )

    const calls = Map.groupBy(upstream.calls, (call) => call.user)
    const records = Map.groupBy(ledger.records, (record): string => record.id)
    return {
      steady: weather.steady,
      reliableClaims,
      outcomes,
      writes,
      calls: upstream.calls,
      records: ledger.records,
      callsOf: ({ id }: Visit): ReadonlyArray<UpstreamCall> => calls.get(id) ?? [],
      recordsOf: ({ id }: Visit): ReadonlyArray<LedgerRecord> => records.get(id) ?? [],
    }
  }).pipe(Random.withSeed(seed), Effect.provide(Layer.provideMerge(startedClock, TestClock.layer())))

export type Run = Effect.Success<ReturnType<typeof simulate>>
