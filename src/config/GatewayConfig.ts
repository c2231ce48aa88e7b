import { type Redacted, Schema, SchemaTransformation } from "effect"
import { ModelConfig, PriceOverride, ProviderName, type Reported, StatedModel } from "../catalog/model.ts"
import type { Endpoints, Preset } from "../catalog/preset.ts"
import type { PriceLayers } from "../catalog/price-history.ts"
import { type PresetName, presetNames } from "../catalog/vendors.ts"
import { MAX_CONCURRENCY, MAX_REQUESTS_PER_MINUTE, MAX_TOKENS_PER_MINUTE } from "../domain/bounds.ts"
import {
  filledList,
  list,
  MAPPING_RULE,
  optional,
  required,
  snakeCased,
  withDefault,
} from "../domain/fields.ts"
import { matching, numberBetween, oneOf, wholeNumber } from "../domain/rules.ts"
import { TimeZoneName } from "../domain/time-zone.ts"
import { BaseUrl } from "./base-url.ts"
import { RouteCondition } from "./route-condition.ts"

/**
 * Settings of the YAML file, each said once: name, rule, default and meaning of each setting. Files write snake_case
 * and dollars; decoded it is what the gateway runs on, but for what has to be looked up elsewhere (keys, built-in
 * models, which provider serves which route), and `merge-gateway-config.ts` does that. The faults that a rule answers
 * read `path rule`; the meanings are the hover texts of editors and the tables of docs/configuration.md.
 */

/** Longest time that may be set; timers of the platform break above 2^31 - 1 ms. */
const HOUR_MS = 3_600_000
const milliseconds = wholeNumber(1, HOUR_MS)
const share = numberBetween(0, 1)

export const Timeouts = snakeCased({
  connectMs: withDefault(milliseconds, 3_000, "to open a connection to a provider"),
  headersMs: withDefault(milliseconds, 300_000, "from the request sent to the response's headers"),
  bodyMs: withDefault(milliseconds, 60_000, "longest silence within a response's body, streamed or not"),
  deadlineMs: withDefault(
    milliseconds,
    600_000,
    "one client request: all its attempts, waits and fallbacks together",
  ),
  streamMs: withDefault(milliseconds, 600_000, "the same for a streamed answer, to its last event"),
  firstTokenMs: withDefault(
    milliseconds,
    120_000,
    "of one attempt at a streamed answer, until it says something; then another may be asked",
  ),
  keepAliveMs: withDefault(
    milliseconds,
    15_000,
    "silence on a client's stream after which it gets a comment",
  ),
  clientStallMs: withDefault(
    milliseconds,
    30_000,
    "a client that takes nothing of its answer for so long is cut off",
  ),
  drainMs: withDefault(
    milliseconds,
    20_000,
    "what requests in flight get after a stop signal; longer streams end with an error",
  ),
})
export type Timeouts = typeof Timeouts.Type

/** Bounds of a model for all keys of the gateway together; it is left for the next candidate above them. */
const ModelLimits = snakeCased({
  rpm: optional(
    wholeNumber(1, MAX_REQUESTS_PER_MINUTE),
    "calls a minute, those of retries and fallbacks included",
  ),
  tpm: optional(wholeNumber(1, MAX_TOKENS_PER_MINUTE), "tokens a minute, input and output together"),
  concurrency: optional(wholeNumber(1, MAX_CONCURRENCY), "calls in flight"),
})

const Limits = snakeCased({
  maxAttempts: withDefault(
    wholeNumber(1, 20),
    4,
    "upstream attempts of one request, retries and fallbacks together",
  ),
  retryRatio: withDefault(share, 0.2, "retries at a provider as a share of the requests sent to it"),
  requestsPerMinute: withDefault(
    wholeNumber(1, MAX_REQUESTS_PER_MINUTE),
    600,
    "for keys without a limit of their own",
  ),
  tokensPerMinute: optional(
    wholeNumber(1, MAX_TOKENS_PER_MINUTE),
    "input and output together, for keys without a limit of their own; none when unset",
  ),
  concurrency: optional(
    wholeNumber(1, MAX_CONCURRENCY),
    "requests in flight, for keys without a limit of their own; none when unset",
  ),
  cachedTokensCount: withDefault(
    Schema.Boolean.annotate({ message: "must be true or false" }),
    true,
    "whether tokens read from a provider's cache count as tokens per minute",
  ),
  models: withDefault(
    Schema.Record(Schema.String, ModelLimits).annotate({ message: MAPPING_RULE }),
    {},
    "`provider/model` to what all keys together may ask of it",
  ),
  defaultMaxOutputTokens: withDefault(
    wholeNumber(1, 1_000_000),
    8_192,
    "counted for an answer before it is there, where the request sets no limit and the model can give more",
  ),
  maxInFlight: withDefault(
    wholeNumber(1, 100_000),
    1_000,
    "inference requests at once, without streams that have begun; above it 503",
  ),
  maxStreams: withDefault(wholeNumber(1, 1_000_000), 10_000, "streams at once that have begun"),
  maxKeyShare: withDefault(
    numberBetween(0.01, 1),
    0.75,
    "what one key gets at most of `max_in_flight`, `max_streams` and the bytes of bodies and answers; beside others less",
  ),
  maxBodyBytesInFlight: optional(
    wholeNumber(1, 1_099_511_627_776),
    "bytes of all bodies of requests in flight, and of all whole answers; from the heap's limit when unset",
  ),
  maxEventLoopDelayMs: withDefault(milliseconds, 500, "above it, in two samples of 250 ms in a row, 503"),
  maxUpstreamBytes: withDefault(
    wholeNumber(1_024, 1_073_741_824),
    67_108_864,
    "largest provider response that is read",
  ),
  timeZone: withDefault(
    TimeZoneName,
    "UTC",
    "whose calendar says when the hours, days, weeks and months of new budgets begin",
  ),
})

export const LedgerConfig = snakeCased({
  journal: withDefault(
    oneOf("must be file or memory", ["file", "memory"]),
    "file",
    "see above; in memory there is room for 64 Mi characters",
  ),
  journalMaxBytes: withDefault(
    wholeNumber(16_777_216, 1_099_511_627_776),
    1_073_741_824,
    "of `file`: about 800 requests per MiB, while the database is away",
  ),
})
export type LedgerConfig = typeof LedgerConfig.Type

const Attribution = snakeCased({
  headers: withDefault(
    Schema.Record(Schema.String, oneOf("must be user or tag", ["user", "tag"])).annotate({
      message: MAPPING_RULE,
    }),
    {},
    "header fields of clients beside those that are known, each with what it names: `user` or `tag`",
  ),
})

/** Behaviour of a simulated provider; all randomness comes from Effect's `Random`, all time from its `Clock`. */
export const Simulation = snakeCased({
  medianMs: withDefault(milliseconds, 300, "latency is log-normal around the median"),
  p95Ms: withDefault(milliseconds, 900, "its 95th percentile, not below the median"),
  msPerOutputToken: withDefault(numberBetween(0, 10_000), 2, "added per output token"),
  // The rates are drawn in this order.
  serverErrorRate: withDefault(share, 0, "share of calls, 0 to 1"),
  rateLimitRate: withDefault(share, 0, "share of calls"),
  contentFilterRate: withDefault(share, 0, "share of calls"),
  midStreamErrorRate: withDefault(share, 0, "share of streamed answers that break off half way"),
  retryAfterMs: withDefault(wholeNumber(0, HOUR_MS), 1_000, "sent with a simulated rate limit"),
  outage: optional(
    snakeCased({ everyMs: milliseconds, downMs: milliseconds }),
    "`{ every_ms, down_ms }`: down for the first `down_ms` of every `every_ms` of the clock",
  ),
})
export type Simulation = typeof Simulation.Type

const DIALECTS = "what is spoken natively beside chat completions: `messages`, `responses`"
const dialects = optional(list(oneOf("must be messages or responses", ["messages", "responses"])), DIALECTS)
const KIND = "`openai`, `gemini`, `anthropic`, `openai-compatible` or `simulated`"
const PRESET = "a vendor that the gateway knows, in place of `kind`"
const NAME = "1 to 64 of `a-z`, `0-9`, `-`; unique"
const name = required(ProviderName, NAME)
const variable = matching(
  "must be the name of an environment variable (A-Z, 0-9, _)",
  /^[A-Z_][A-Z0-9_]{0,127}$/u,
)

/** One key of a pool. */
const pooledKey = snakeCased({
  env: required(variable, "variable that holds the key; must be set"),
  weight: withDefault(
    numberBetween(0.001, 1_000_000),
    1,
    "share of the requests beside the others' weights, while all are well",
  ),
  name: optional(
    matching("must be 1 to 128 of A-Z, a-z, 0-9, ., _ and -", /^[A-Za-z0-9._-]{1,128}$/u),
    "what metrics, logs and operators are shown; unique in the pool",
  ),
})
export type StatedKey = typeof pooledKey.Type

const keyFields = {
  apiKeyEnv: optional(variable, "variable that holds the key; must be set"),
  apiKeys: optional(filledList(pooledKey), "several keys of the vendor, in place of `api_key_env`"),
}
const BASE_URL = "required for `openai-compatible`"
const MODELS = "exactly these models"

const vendor = <const Kind extends "openai" | "gemini" | "anthropic">(kind: Kind) =>
  snakeCased({
    kind: required(Schema.Literal(kind), KIND),
    name,
    baseUrl: optional(BaseUrl, BASE_URL),
    ...keyFields,
    models: optional(filledList(StatedModel), MODELS),
  })

const simulated = snakeCased({
  kind: required(Schema.Literal("simulated"), KIND),
  name,
  simulation: withDefault(Simulation, {}, "how it behaves"),
  models: required(filledList(ModelConfig), MODELS),
})

/** The same by its name, as other vendors are stated. */
const kindByPreset = <const Kind extends "openai" | "gemini" | "anthropic">(kind: Kind) => {
  const fields = {
    baseUrl: optional(BaseUrl, BASE_URL),
    ...keyFields,
    models: optional(filledList(StatedModel), MODELS),
  }
  return snakeCased({
    ...fields,
    preset: required(Schema.Literal(kind), PRESET),
    name: optional(ProviderName, NAME),
  }).pipe(
    Schema.decodeTo(
      Schema.toType(Schema.Struct({ ...fields, kind: Schema.Literal(kind), name: ProviderName })),
      SchemaTransformation.transform({
        decode: ({ preset, ...stated }) => ({ ...stated, kind: preset, name: stated.name ?? preset }),
        encode: ({ kind: preset, ...stated }) => ({ ...stated, preset }),
      }),
    ),
  )
}

/** A vendor by its row alone, whose name it has unless it says another. Apart for each, since a union is told apart by single words. */
const byPreset = (name: PresetName) => {
  const fields = {
    preset: required(Schema.Literal(name), PRESET),
    baseUrl: optional(BaseUrl, BASE_URL),
    ...keyFields,
    dialects,
    models: optional(filledList(StatedModel), MODELS),
  }
  return snakeCased({ ...fields, name: optional(ProviderName, NAME) }).pipe(
    Schema.decodeTo(
      Schema.toType(Schema.Struct({ ...fields, name: ProviderName })),
      SchemaTransformation.transform({
        decode: (stated) => ({ ...stated, name: stated.name ?? name }),
        encode: (stated) => stated,
      }),
    ),
  )
}

const StatedProvider = Schema.Union([
  ...presetNames.map(byPreset),
  kindByPreset("openai"),
  kindByPreset("gemini"),
  kindByPreset("anthropic"),
  vendor("openai"),
  vendor("gemini"),
  vendor("anthropic"),
  snakeCased({
    kind: required(Schema.Literal("openai-compatible"), KIND),
    name,
    baseUrl: required(BaseUrl, BASE_URL),
    ...keyFields,
    endsWithDone: optional(
      Schema.Boolean.annotate({ message: "must be true or false" }),
      "true: a stream without `[DONE]` was cut, even after its finish reason",
    ),
    dialects,
    reportsCost: optional(
      Schema.Boolean.annotate({ message: "must be true or false" }),
      "true: what it says that an answer costs is believed also where a price is stated",
    ),
    models: required(filledList(ModelConfig), MODELS),
  }),
  simulated,
]).annotate({
  message:
    "must be a mapping whose kind is openai, gemini, anthropic, openai-compatible or simulated, or whose preset is one of " +
    ["openai", "gemini", "anthropic", ...presetNames].join(", "),
})
export type StatedProvider = typeof StatedProvider.Type

/** Model of a provider, written `provider/model`; model names may hold slashes themselves, provider names never do. */
const candidate = matching("must be provider/model", /^[a-z0-9-]{1,64}\/[!-~]{1,200}$/u).pipe(
  Schema.decodeTo(
    Schema.Struct({ provider: Schema.String, model: Schema.String }),
    SchemaTransformation.transform({
      decode: (text: string) => {
        const slash = text.indexOf("/")
        return { provider: text.slice(0, slash), model: text.slice(slash + 1) }
      },
      encode: ({ provider, model }) => `${provider}/${model}`,
    }),
  ),
)
export type CandidateRef = typeof candidate.Type

/** A candidate beside its share of a weighted route's traffic. */
const weightedCandidate = snakeCased({
  target: required(candidate, "`provider/model`"),
  weight: required(
    numberBetween(0, 1_000_000),
    "share of the traffic beside the others' weights; 0: a fallback",
  ),
})

const listedCandidate = Schema.Union([candidate, weightedCandidate]).annotate({
  message: "must be provider/model, or a mapping of target and weight",
})

/** How a route puts its candidates in order. */
const strategies = ["score", "priority", "weighted", "cheapest", "fastest"] as const
export type Strategy = (typeof strategies)[number]

// Not snakeCased: a check on what was written is made together with all others.
const weights = Schema.Struct({ latency: share, cost: share })
  .annotate({ message: MAPPING_RULE })
  .check(
    Schema.makeFilter(({ latency, cost }) => Math.abs(latency + cost - 1) <= 1e-6, {
      message: "must sum to 1",
      toJsonSchema: () => [{}, true],
    }),
  )

const parameterRule = oneOf("must be exclude or drop", ["exclude", "drop"])
export type ParameterRule = typeof parameterRule.Type

export const StatedRoute = snakeCased({
  candidates: optional(
    filledList(listedCandidate),
    "`provider/model`, at least one, all of one kind; each must be able to serve",
  ),
  largerContext: optional(
    list(candidate),
    "of the same kind; asked only when a prompt is too long for the candidates",
  ),
  strategy: withDefault(
    oneOf(`must be ${strategies.slice(0, -1).join(", ")} or ${strategies.at(-1)}`, strategies),
    "score",
    "how candidates are put in order",
  ),
  // What these are unless they are stated depends on the strategy.
  weights: optional(weights, "of `score`: both 0 to 1, sum 1"),
  exploration: optional(
    numberBetween(0, 0.5),
    "of `score`, `fastest`: what finding out how others are may cost, as a share of the score, 0 to 0.5",
  ),
  hysteresis: optional(
    share,
    "of `score`, `fastest`, `cheapest`: share by which a challenger must beat the route's leader, 0 to 1",
  ),
  saveFrom: optional(
    share,
    "of `score`: used-up share of a request's budget, 0 to 1, from which cost weighs more, and alone at its end",
  ),
  hedge: optional(
    snakeCased({
      traffic: required(numberBetween(0, 0.5), "most hedges, as a share of the route's requests, 0 to 0.5"),
      spend: required(
        numberBetween(0, 0.5),
        "most that hedges may cost, as a share of what the route spends, 0 to 0.5",
      ),
    }),
    "a second candidate is asked too when the first is late; off unless stated, and not of `cheapest`",
  ),
  when: withDefault(list(RouteCondition), [], "requests that another route takes; the first match wins"),
  parameters: withDefault(
    Schema.Record(Schema.String, parameterRule).annotate({ message: MAPPING_RULE }),
    {},
    "parameter to `exclude` or `drop`, for candidates that do not take it; `exclude` for all others",
  ),
})
export type StatedRoute = typeof StatedRoute.Type

export const GatewayFile = snakeCased({
  providers: withDefault(list(StatedProvider), [], "providers beside the built-in ones, or in their place"),
  prices: withDefault(list(PriceOverride), [], "prices of models that are already there"),
  routes: withDefault(
    Schema.Record(Schema.String, StatedRoute).annotate({ message: MAPPING_RULE }),
    {},
    "route name to route; `auto` always exists",
  ),
  timeouts: withDefault(Timeouts, {}, "whole milliseconds"),
  limits: withDefault(Limits, {}, "bounds on the work that is taken on"),
  attribution: withDefault(Attribution, {}, "whom requests are for and what they belong to"),
  ledger: withDefault(LedgerConfig, {}, "where a finished request waits until its rows are in the database"),
})
export type GatewayFile = typeof GatewayFile.Type

/** One of several keys that a provider is asked with. */
export interface PooledKey {
  /** Unique in the pool; anybody may see it. */
  readonly name: string
  readonly value: Redacted.Redacted
  /** Its share of the requests beside the others' weights. */
  readonly weight: number
}

export interface HttpProviderConfig {
  readonly kind: "openai" | "gemini" | "anthropic" | "openai-compatible"
  readonly name: string
  /** The row that it comes from; absent when its kind says all. */
  readonly preset?: Preset
  /** Origin and path prefix without a trailing slash. Only operators set it, never a request. */
  readonly baseUrl: string
  /** Absent for several keys, and for openai-compatible endpoints that ask for none. */
  readonly apiKey?: Redacted.Redacted
  /** Its keys where it has a pool of them, never empty. */
  readonly apiKeys?: ReadonlyArray<PooledKey>
  /** See there; only for openai-compatible endpoints. */
  readonly endsWithDone?: boolean
  /** Absent: as its preset says. */
  readonly reportsCost?: Reported
  /** Where it speaks other dialects natively; only for openai-compatible endpoints. */
  readonly endpoints?: Endpoints
  readonly models: ReadonlyArray<ModelConfig>
}

export type SimulatedProviderConfig = typeof simulated.Type

export type ProviderConfig = HttpProviderConfig | SimulatedProviderConfig

/** A candidate of a route; `weight` is stated, or 1, where the route is weighted. */
export interface RouteCandidate extends CandidateRef {
  readonly weight?: number
}

/**
 * A route with all of its rules. It has no candidates when its last condition sends every request on, and when nobody listed
 * any for `auto` and no provider has a chat model.
 */
export interface RouteConfig
  extends Required<Omit<StatedRoute, "candidates" | "hedge" | "parameters" | "saveFrom">> {
  readonly name: string
  readonly saveFrom?: number
  readonly hedge?: NonNullable<StatedRoute["hedge"]>
  readonly candidates: ReadonlyArray<RouteCandidate>
  /** By the path of the parameter in chat. */
  readonly parameters: ReadonlyMap<string, ParameterRule>
}

/** Configuration that the gateway runs on, merged and checked; nothing downstream reads files or the environment for it. */
export interface GatewayConfig extends Pick<GatewayFile, "attribution" | "timeouts" | "limits" | "ledger"> {
  readonly providers: ReadonlyArray<ProviderConfig>
  /** Known vendors that are off, by name: why, and whether there is a key all the same. */
  readonly off: ReadonlyMap<string, { readonly why: string; readonly hasKey: boolean }>
  /** `provider/model` -> who says what it costs; what holds of it is the price of the model. */
  readonly priceLayers: ReadonlyMap<string, PriceLayers>
  /** Route name -> route. `auto` is always there. */
  readonly routes: ReadonlyMap<string, RouteConfig>
}
