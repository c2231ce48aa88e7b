import { randomUUID } from "node:crypto"
import { Clock, Context, Effect, Exit, Layer, type Redacted } from "effect"
import type { SqlClient } from "effect/sql"
import type { GatewayConfig } from "../config/GatewayConfig.ts"
import { ofConfig } from "../config/of-config.ts"
import { Settings } from "../config/Settings.ts"
import * as Metrics from "../observability/Metrics.ts"
import { monotonicMsUnsafe } from "../platform/monotonic.ts"
import { driveLeases } from "./drive-leases.ts"
import { Leases } from "./Leases.ts"
import { type Limit, makeLimit, type RateLimited, type RateLimitState } from "./limit.ts"
import type { LimitStore } from "./limit-store.ts"
import { ASK } from "./local-bucket.ts"

/** Whose limits a request counts against, and what they are; undefined: none, or for a key as the gateway's default says. */
interface Subject {
  readonly scope: "key" | "team"
  readonly subject: string
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  readonly concurrency?: number
}

/** A request that has been let in. */
interface Entered {
  /** Where the limit of requests stands that has the least left. */
  readonly state: RateLimitState | undefined
  /** Says that it is no more in flight. */
  readonly leave: () => void
  /** Undefined: no limit of tokens concerns it. */
  readonly takeTokens: TakeTokens | undefined
}

/** Takes tokens from the limits of a request's subjects, which must be settled; like `enter`. */
export type TakeTokens = (tokens: number) => Effect.Effect<TokenHold, RateLimited>

/** Tokens that are in use until it is known how many were, and the place in flight that goes with them. */
export class TokenHold {
  /** Where the limit of tokens stands that has the least left. */
  readonly state: RateLimitState | undefined
  /** How many they are until then. */
  readonly tokens: number
  readonly #limits: ReadonlyArray<Limit>
  readonly #permits: ReadonlyArray<Limit>
  readonly #giveBack: GiveBack
  #isSettled = false

  constructor(
    tokens: number,
    state: RateLimitState | undefined,
    limits: ReadonlyArray<Limit>,
    permits: ReadonlyArray<Limit>,
    giveBack: GiveBack,
  ) {
    this.tokens = tokens
    this.state = state
    this.#limits = limits
    this.#permits = permits
    this.#giveBack = giveBack
  }

  /** Says how many tokens it came to; undefined: nobody knows, and they stay in use. Again it does nothing. */
  settle(used: number | undefined): void {
    if (this.#isSettled) return
    this.#isSettled = true
    if (this.#permits.length > 0) this.#giveBack(this.#permits, 1)
    if (used !== undefined && used !== this.tokens) this.#giveBack(this.#limits, this.tokens - used)
  }
}

type GiveBack = (limits: ReadonlyArray<Limit>, amount: number) => void

/**
 * Limits requests per minute, tokens per minute and requests in flight, of keys, teams and models, over all replicas.
 *
 * What may be had in a minute is a bucket that holds a minute's worth and refills evenly. Replicas share it in PostgreSQL, or in
 * Redis where there is one; each takes a slice and spends it in memory, so that a request waits for the store only where
 * its replica has nothing at hand. While the store does not answer each goes on at its share, and nobody waits. The embedded
 * database has one process, which keeps its limits in memory.
 */
export class RateLimits extends Context.Service<
  RateLimits,
  {
    /**
     * Takes one request from the limits of all subjects, and a place among those in flight, which must be left. An `Exit`
     * where nobody has to be asked: then it is done when it returns.
     */
    readonly enter: (subjects: ReadonlyArray<Subject>) => Effect.Effect<Entered, RateLimited>
    /** Tells whether a model, `provider/model`, has limits. */
    readonly limitsModel: (model: string) => boolean
    /** Takes one call, its tokens and a place in flight from a model's limits, which must be settled. To run uninterruptibly. */
    readonly takeModel: (model: string, tokens: number) => Effect.Effect<TokenHold, RateLimited>
  }
>()("gateway/limits/RateLimits") {
  static readonly layerMemory = Layer.effect(
    RateLimits,
    Effect.suspend(() => make(undefined)),
  )

  /** Its code is loaded only where it is used: Redis' client is 1.5 MB of source. */
  static readonly layerRedis = (url: Redacted.Redacted) =>
    Layer.effect(
      RateLimits,
      Effect.promise(() => import("./redis-store.ts")).pipe(
        Effect.flatMap(({ connectRedisStore }) => connectRedisStore(url)),
        Effect.flatMap((store) => make(store)),
      ),
    )

  static readonly layerPostgres = Layer.effect(
    RateLimits,
    Effect.promise(() => import("./postgres-store.ts")).pipe(
      Effect.flatMap(({ makePostgresStore }) => makePostgresStore()),
      Effect.flatMap((store) => make(store)),
    ),
  )

  static readonly layer: Layer.Layer<RateLimits, never, Settings | SqlClient.SqlClient> = Layer.unwrap(
    Effect.map(Settings, ({ databaseUrl, redisUrl, workers }) => {
      if (redisUrl !== undefined) return RateLimits.layerRedis(redisUrl)
      const isAlone = databaseUrl === undefined && workers === 1
      return isAlone ? RateLimits.layerMemory : RateLimits.layerPostgres
    }),
  )
}

/** Limits of models for all keys together, by `provider/model`. */
const modelLimits = (models: GatewayConfig["limits"]["models"]): ReadonlyMap<string, SubjectLimits> =>
  new Map(
    Object.entries(models).map(([subject, { concurrency, rpm, tpm }]) => [
      subject,
      subjectLimits(
        [
          {
            scope: "model" as const,
            subject,
            ...(rpm !== undefined && { requestsPerMinute: rpm }),
            ...(tpm !== undefined && { tokensPerMinute: tpm }),
            ...(concurrency !== undefined && { concurrency }),
          },
        ],
        {},
      ),
    ]),
  )

const make = Effect.fnUntraced(function* (store: LimitStore | undefined) {
  const settings = yield* Settings
  const leases = new Leases(store && randomUUID())
  const update = yield* Metrics.updater
  const clock = yield* Clock.Clock
  const wake = store === undefined ? nothing : yield* driveLeases(leases, store)

  const configured = ofConfig(settings, ({ limits }) => ({
    defaults: limits,
    limitsOf: new WeakMap<ReadonlyArray<Subject>, KnownLimits>(),
    models: modelLimits(limits.models),
  }))
  /** A changed limit is another list of subjects. */
  const of = (subjects: ReadonlyArray<Subject>): KnownLimits => {
    const { defaults, limitsOf } = configured()
    const known = limitsOf.get(subjects)
    if (known !== undefined) return known
    const limits = subjectLimits(subjects, defaults)
    const { tokens } = limits
    const takeTokens: TakeTokens | undefined =
      tokens.length === 0
        ? undefined
        : (wanted) => taken(tokens, wanted, (nowMs) => holding(wanted, tokens, NONE, nowMs))
    const added = { ...limits, takeTokens }
    limitsOf.set(subjects, added)
    return added
  }

  /** Done when it returns, unless the store has to be asked: a request whose replica has enough at hand makes no step for it. */
  const taken = <A>(
    limits: ReadonlyArray<Limit>,
    amount: number,
    onTaken: (nowMs: number) => A,
  ): Effect.Effect<A, RateLimited> => {
    const nowMs = monotonicMsUnsafe(clock)
    if (limits.length === 0) return Exit.succeed(onTaken(nowMs))
    const refused = leases.take(limits, amount, nowMs)
    if (refused === ASK) return waiting(limits, amount, onTaken)
    if (refused !== undefined) return refuse(refused)
    wake(nowMs)
    return Exit.succeed(onTaken(nowMs))
  }

  const waiting = <A>(limits: ReadonlyArray<Limit>, amount: number, onTaken: (nowMs: number) => A) =>
    Effect.uninterruptible(
      Effect.callback<A, RateLimited>((resume) => {
        const nowMs = monotonicMsUnsafe(clock)
        const resumed = (refused: RateLimited | undefined) =>
          resume(refused === undefined ? Exit.succeed(onTaken(monotonicMsUnsafe(clock))) : refuse(refused))
        leases.wait({ limits, amount, tries: 0, resume: resumed }, nowMs)
        wake(nowMs)
      }),
    )

  const refuse = (refused: RateLimited) => {
    update(Metrics.rateLimited(refused.limit.kind, refused.limit.scope), 1)
    return Exit.fail(refused)
  }

  const givenBack = (limits: ReadonlyArray<Limit>, amount: number): void => {
    const nowMs = monotonicMsUnsafe(clock)
    leases.giveBack(limits, amount, nowMs)
    wake(nowMs)
  }

  const tightest = (limits: ReadonlyArray<Limit>, nowMs: number): RateLimitState | undefined => {
    let least: RateLimitState | undefined
    for (const limit of limits) {
      const state = leases.stateOf(limit, nowMs)
      if (least === undefined || state.remaining < least.remaining) least = state
    }
    return least
  }

  const holding = (
    tokens: number,
    limits: ReadonlyArray<Limit>,
    permits: ReadonlyArray<Limit>,
    nowMs: number,
  ): TokenHold => new TokenHold(tokens, tightest(limits, nowMs), limits, permits, givenBack)

  const entered = ({ permits, requests, takeTokens }: KnownLimits, nowMs: number): Entered => ({
    state: tightest(requests, nowMs),
    leave: permits.length === 0 ? nothing : once(() => givenBack(permits, 1)),
    takeTokens,
  })

  const takeModel = (model: string, tokens: number): Effect.Effect<TokenHold, RateLimited> => {
    const { door, permits, tokens: limits } = configured().models.get(model) ?? unlimited
    return Effect.flatMap(taken(door, 1, nothing), () =>
      Effect.tapError(
        taken(limits, tokens, (nowMs) => holding(tokens, limits, permits, nowMs)),
        () => Effect.sync(() => givenBack(door, 1)),
      ),
    )
  }

  return RateLimits.of({
    enter: (subjects) => {
      const limits = of(subjects)
      return taken(limits.door, 1, (nowMs) => entered(limits, nowMs))
    },
    limitsModel: (model) => configured().models.has(model),
    takeModel: (model, tokens) => Effect.suspend(() => takeModel(model, tokens)),
  })
})

const nothing = () => {}
const NONE: ReadonlyArray<Limit> = []

const once = (action: () => void): (() => void) => {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    action()
  }
}

/** The limits of a request, by when they are taken. */
interface SubjectLimits {
  readonly requests: ReadonlyArray<Limit>
  readonly permits: ReadonlyArray<Limit>
  readonly tokens: ReadonlyArray<Limit>
  /** Of requests and of those in flight. */
  readonly door: ReadonlyArray<Limit>
}

/** The same, with what takes tokens from them. */
interface KnownLimits extends SubjectLimits {
  readonly takeTokens: TakeTokens | undefined
}

const unlimited: SubjectLimits = { requests: [], permits: [], tokens: [], door: [] }

type Stated = Partial<Pick<Subject, "requestsPerMinute" | "tokensPerMinute" | "concurrency">>

const subjectLimits = (
  subjects: ReadonlyArray<Omit<Subject, "scope"> & { readonly scope: Limit["scope"] }>,
  defaults: Stated,
): SubjectLimits => {
  const limits = (kind: Limit["kind"], field: keyof Stated) =>
    subjects.flatMap(({ scope, subject, ...stated }) => {
      const limit = stated[field] ?? (scope === "key" ? defaults[field] : undefined)
      return limit === undefined ? [] : makeLimit(kind, scope, subject, limit)
    })
  const requests = limits("requests", "requestsPerMinute")
  const permits = limits("concurrency", "concurrency")
  const tokens = limits("tokens", "tokensPerMinute")
  return { requests, permits, tokens, door: [...requests, ...permits] }
}
