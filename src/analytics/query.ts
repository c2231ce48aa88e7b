/** Questions that all listings take. */
export interface AnalyticsQuery {
  /** Epoch milliseconds, inclusive; 24 hours before `toMs` when absent. Usage widens the span to whole buckets. */
  readonly fromMs?: number | undefined
  /** Exclusive; now when absent. */
  readonly toMs?: number | undefined
  readonly keyId?: string | undefined
  readonly provider?: string | undefined
  readonly model?: string | undefined
  /** Streamed answers alone, or whole ones alone. */
  readonly stream?: boolean | undefined
  /** Rows per page: 1 to 1000, 100 when absent. */
  readonly limit?: number | undefined
  /** `next_cursor` of the previous page. It also fixes the span; the filters must be repeated. */
  readonly cursor?: string | undefined
}

/** What the usage of a listing is told apart by. */
export type UsageGrouping = "key" | "team" | "user" | "tag" | "provider" | "model" | "endpoint"

/** Questions about what requests belong to, of the listings that know it. */
export interface AttributedQuery extends AnalyticsQuery {
  readonly team?: string | undefined
  readonly user?: string | undefined
  /** Requests with this tag among theirs. */
  readonly tag?: string | undefined
  /** Path template, e.g. `/v1/chat/completions`. */
  readonly endpoint?: string | undefined
}

/** A question about a span as a whole. */
export type OverviewQuery = Omit<AttributedQuery, "limit" | "cursor">

/** First digit of a status that the gateway answers with. */
type StatusClass = 2 | 4 | 5

export interface RequestsQuery extends AttributedQuery {
  readonly statusClass?: StatusClass | undefined
  readonly status?: number | undefined
  /** A code of the catalogue, e.g. `all_providers_failed`: also of streams that broke after their 200. */
  readonly errorCode?: string | undefined
  /** Requests that took as long, or longer. */
  readonly minLatencyMs?: number | undefined
  /** Requests that are known to cost as much, or more. */
  readonly minCostNanoUsd?: number | undefined
}

/** `from` and `to` are ISO instants of the span that the rows are about. */
export interface Page<Row> {
  readonly data: ReadonlyArray<Row>
  readonly from: string
  readonly to: string
  readonly next_cursor: string | null
}

/** A page that may end before it is full, so that no question takes long: what is older than `scanned_to` is on the next ones. */
export interface ScannedPage<Row> extends Page<Row> {
  /** Null: the page is full, or the last. */
  readonly scanned_to: string | null
}
