/** What people ask of analytics: every listing with each of its filters, over a span that ends now or on some past day. */
import type { Effect } from "effect"
import {
  Analytics,
  type AnalyticsError,
  type OverviewQuery,
  type RequestsQuery,
} from "../src/analytics/Analytics.ts"
import { requestCursor } from "../src/analytics/cursor.ts"
import { anyUser, DAYS, keyIds, modelNames, providerNames, tagNames, teamNames } from "./analytics-fill.ts"

export type Call = Effect.Effect<unknown, AnalyticsError, Analytics>

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

export const spans = [
  { name: "1 h", ms: HOUR_MS },
  { name: "24 h", ms: DAY_MS },
  { name: "7 d", ms: 7 * DAY_MS },
  { name: "30 d", ms: DAYS * DAY_MS },
]

const any = <A>(values: ReadonlyArray<A>): A => {
  const value = values[Math.floor(Math.random() * values.length)]
  if (value === undefined) throw new Error("nothing to choose from")
  return value
}
/** People ask about busy keys more than about others. */
const anyKey = () => (Math.random() < 0.5 ? any(keyIds.slice(0, 20)) : any(keyIds))
const anyModel = () => any(modelNames)
const anyMode = () => Math.random() < 0.5

type Filter = () => Pick<RequestsQuery, "keyId" | "provider" | "model" | "stream" | "limit" | "cursor">

const usageFilters: Readonly<Record<string, Filter>> = {
  none: () => ({}),
  key: () => ({ keyId: anyKey() }),
  provider: () => ({ provider: any(providerNames) }),
  model: () => ({ model: anyModel() }),
  stream: () => ({ stream: anyMode() }),
  "key and model": () => ({ keyId: anyKey(), model: anyModel() }),
  "model and stream": () => ({ model: anyModel(), stream: anyMode() }),
  "page of 1000": () => ({ limit: 1000 }),
}

const requestsFilters: Readonly<Record<string, () => RequestsQuery>> = {
  ...usageFilters,
  endpoint: () => ({ endpoint: any(["/infer", "/v1/chat/completions", "/v1/embeddings"]) }),
  "endpoint, unknown": () => ({ endpoint: "/v2/chat" }),
  "endpoint and stream": () => ({
    endpoint: any(["/infer", "/v1/chat/completions", "/v1/embeddings"]),
    stream: anyMode(),
  }),
  "endpoint and model": () => ({
    endpoint: any(["/infer", "/v1/chat/completions", "/v1/embeddings"]),
    model: anyModel(),
  }),
  "key and stream": () => ({ keyId: anyKey(), stream: anyMode() }),
  "key and endpoint": () => ({
    keyId: anyKey(),
    endpoint: any(["/infer", "/v1/chat/completions", "/v1/embeddings"]),
  }),
  "rare model": () => ({ model: "retired-model" }),
  "unknown model": () => ({ model: "no-such-model" }),
  "server errors": () => ({ statusClass: 5 }),
  "rare error code": () => ({ errorCode: "deadline_exceeded" }),
}

const anyTeam = () => any(teamNames)
/** Of a tenth of all requests at the least, or of one in a thousand or so. */
const anyTag = () => (Math.random() < 0.5 ? any(tagNames.slice(0, 2)) : any(tagNames))
const anyEndpoint = () => any(["/infer", "/v1/chat/completions", "/v1/embeddings"])

type Grouped = Parameters<Analytics["Service"]["usage"]>[0]

/** Listings by each grouping, with the filters that they take. */
const groupings: Readonly<Record<string, () => Grouped>> = {
  key: () => ({ groupBy: "key" }),
  "key, of a team": () => ({ groupBy: "key", team: anyTeam() }),
  team: () => ({ groupBy: "team" }),
  "team, stream": () => ({ groupBy: "team", stream: anyMode() }),
  "team, of a model": () => ({ groupBy: "team", model: anyModel() }),
  tag: () => ({ groupBy: "tag" }),
  "tag, stream": () => ({ groupBy: "tag", stream: anyMode() }),
  "tag, of a model": () => ({ groupBy: "tag", model: anyModel() }),
  "tag, page of 1000": () => ({ groupBy: "tag", limit: 1000 }),
  user: () => ({ groupBy: "user" }),
  "user, stream": () => ({ groupBy: "user", stream: anyMode() }),
  "user, page of 1000": () => ({ groupBy: "user", limit: 1000 }),
  provider: () => ({ groupBy: "provider" }),
  model: () => ({ groupBy: "model" }),
  "model, of a team": () => ({ groupBy: "model", team: anyTeam() }),
  "model, of a tag": () => ({ groupBy: "model", tag: anyTag() }),
  endpoint: () => ({ groupBy: "endpoint" }),
}

const timeFilters: Readonly<Record<string, () => RequestsQuery>> = {
  team: () => ({ team: anyTeam() }),
  "team and model": () => ({ team: anyTeam(), model: anyModel() }),
  tag: () => ({ tag: anyTag() }),
  endpoint: () => ({ endpoint: anyEndpoint() }),
}

const belonging: Readonly<Record<string, () => RequestsQuery>> = {
  team: () => ({ team: anyTeam() }),
  "team and model": () => ({ team: anyTeam(), model: anyModel() }),
  user: () => ({ user: anyUser() }),
  "user, unknown": () => ({ user: "nobody" }),
  "tag, common": () => ({ tag: "prod" }),
  tag: () => ({ tag: any(tagNames.slice(2)) }),
  "tag, unknown": () => ({ tag: "none" }),
  "tag and model": () => ({ tag: anyTag(), model: anyModel() }),
}

const overviewFilters: Readonly<Record<string, () => OverviewQuery>> = {
  none: () => ({}),
  stream: () => ({ stream: anyMode() }),
  key: () => ({ keyId: anyKey() }),
  provider: () => ({ provider: any(providerNames) }),
  model: () => ({ model: anyModel() }),
  team: () => ({ team: anyTeam() }),
  tag: () => ({ tag: anyTag() }),
}

/** What is looked for when something is wrong: rare alone, and rarer together. */
const searches: Readonly<Record<string, () => RequestsQuery>> = {
  "status 503": () => ({ status: 503 }),
  "status 404, none": () => ({ status: 404 }),
  "5 s or more": () => ({ minLatencyMs: 5_000 }),
  "20 s or more": () => ({ minLatencyMs: 20_000 }),
  "60 s or more": () => ({ minLatencyMs: 60_000 }),
  "1 cent or more": () => ({ minCostNanoUsd: 10_000_000 }),
  "5 cents or more": () => ({ minCostNanoUsd: 50_000_000 }),
  "key and status 503": () => ({ keyId: anyKey(), status: 503 }),
  "key and 20 s": () => ({ keyId: anyKey(), minLatencyMs: 20_000 }),
  "model and 20 s": () => ({ model: anyModel(), minLatencyMs: 20_000 }),
  "model and 5 cents": () => ({ model: anyModel(), minCostNanoUsd: 50_000_000 }),
  "model and 5xx": () => ({ model: anyModel(), statusClass: 5 }),
  "tag and status 504": () => ({ tag: "prod", status: 504 }),
}

/** Newest spans half of the time, else one that ends on any day that still leaves it inside the month. */
const spanOf = (endMs: number, ms: number) => {
  const room = DAYS * DAY_MS - ms
  const toMs = Math.random() < 0.5 ? endMs : endMs - Math.floor(Math.random() * room)
  return { fromMs: toMs - ms, toMs }
}

/** A page far from the first one: after a row at a random time of the span. */
const deepCursor = (endMs: number, ms: number): string => {
  const span = spanOf(endMs, ms)
  const afterMs = span.fromMs + Math.floor(Math.random() * ms)
  return requestCursor.encode(span, [afterMs, "80000000-0000-4000-8000-000000000000"])
}

interface Series {
  readonly name: string
  readonly filter: string
  readonly call: (spanMs: number) => Call
}

export const callsOf = (endMs: number): ReadonlyArray<Series> => {
  const series = <Query>(
    name: string,
    filters: Readonly<Record<string, () => Query>>,
    ask: (analytics: Analytics["Service"], query: Query & { fromMs: number; toMs: number }) => Call,
  ): ReadonlyArray<Series> =>
    Object.entries(filters).map(([filter, query]) => ({
      name,
      filter,
      call: (spanMs) =>
        Analytics.use((analytics) => ask(analytics, { ...query(), ...spanOf(endMs, spanMs) })),
    }))
  const deep = (filter: string, query: () => RequestsQuery): Series => ({
    name: "requests",
    filter,
    call: (spanMs) =>
      Analytics.use(({ requests }) => requests({ ...query(), cursor: deepCursor(endMs, spanMs) })),
  })
  return [
    ...series("usage, group_by", groupings, ({ usage }, query) => usage(query)),
    ...series("timeseries hour", timeFilters, ({ timeseries }, query) =>
      timeseries({ ...query, bucket: "hour" }),
    ),
    ...series(
      "timeseries day",
      { ...timeFilters, user: () => ({ user: anyUser() }) },
      ({ timeseries }, query) => timeseries({ ...query, bucket: "day" }),
    ),
    ...series("requests", belonging, ({ requests }, query) => requests(query)),
    ...series("usage-by-key", usageFilters, ({ usageByKey }, query) => usageByKey(query)),
    ...series("usage-by-provider", usageFilters, ({ usageByProvider }, query) => usageByProvider(query)),
    ...series("timeseries hour", usageFilters, ({ timeseries }, query) =>
      timeseries({ ...query, bucket: "hour" }),
    ),
    ...series("timeseries day", usageFilters, ({ timeseries }, query) =>
      timeseries({ ...query, bucket: "day" }),
    ),
    ...series("requests", requestsFilters, ({ requests }, query) => requests(query)),
    ...series("overview", overviewFilters, ({ overview }, query) => overview(query)),
    ...series("search", searches, ({ requests }, query) => requests(query)),
    {
      name: "keys",
      filter: "last used, 100 of them",
      call: () => Analytics.use(({ lastUsed }) => lastUsed(keyIds.slice(0, 100))),
    },
    deep("deep page", () => ({})),
    deep("deep page, key", () => ({ keyId: anyKey() })),
    deep("deep page, model", () => ({ model: anyModel() })),
    deep("deep page, stream", () => ({ stream: anyMode() })),
  ]
}
