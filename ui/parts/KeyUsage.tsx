import { useMemo } from "preact/hooks"
import type { Usage, UsageOverTime } from "../admin-types.ts"
import { get, withQuery } from "../api.ts"
import { count, duration, money, share } from "../format.ts"
import { useFilters } from "../use-filters.ts"
import { useLoaded } from "../use-loaded.ts"
import { Chart, type Line } from "./Chart.tsx"
import { Segments } from "./Segments.tsx"
import { Shown } from "./Shown.tsx"
import { Tile, Tiles } from "./Tile.tsx"

const HOUR_MS = 3_600_000
const RELOAD_MS = 60_000
const HOURS: Readonly<Record<string, number>> = { "24h": 24, "7d": 7 * 24 }

interface Used {
  readonly total: Usage | undefined
  readonly hours: ReadonlyArray<UsageOverTime>
  readonly from: string
  readonly to: string
}

const load = async (id: string, hours: number, abort: AbortSignal): Promise<Used> => {
  const span = { key_id: id, from: new Date(Date.now() - hours * HOUR_MS).toISOString() }
  const [totals, series] = await Promise.all([
    get<{ readonly data: ReadonlyArray<Usage> }>("/analytics/usage", { ...span, group_by: "key" }, abort),
    get<{ readonly data: ReadonlyArray<UsageOverTime>; readonly from: string; readonly to: string }>(
      "/analytics/timeseries",
      { ...span, bucket: "hour", limit: 1_000 },
      abort,
    ),
  ])
  return { total: totals.data[0], hours: series.data, from: series.from, to: series.to }
}

/** What one key asked for and spent lately. */
export const KeyUsage = ({ id }: { readonly id: string }) => {
  const { filters, setFilters } = useFilters()
  const span = filters.span === "7d" ? "7d" : "24h"
  const used = useLoaded((abort) => load(id, HOURS[span] ?? 24, abort), [id, span], RELOAD_MS)
  return (
    <section class="stack" aria-labelledby="usage">
      <div class="head">
        <h2 id="usage">Usage</h2>
        <div class="row title">
          <a href={withQuery("/ui/requests", { key_id: id })}>Its requests</a>
          <Segments
            label="Span"
            options={[
              ["24h", "24 hours"],
              ["7d", "7 days"],
            ]}
            chosen={span}
            choose={(value) => setFilters({ span: value === "24h" ? undefined : value })}
          />
        </div>
      </div>
      <Shown of={used}>{(used) => <Measured used={used} />}</Shown>
    </section>
  )
}

const Measured = ({ used }: { readonly used: Used }) => {
  const { at, cost, requests } = useMemo(() => linesOf(used), [used])
  const { total } = used
  if (total === undefined) return <p class="hint">Nothing was asked with this key in this span.</p>
  return (
    <div class="stack">
      <Tiles>
        <Tile title="Requests" value={count(total.requests)}>
          {total.errors === 0 ? "no errors" : `${share(total.errors / total.requests)} errors`}
        </Tile>
        <Tile title="Cost" value={money(total.spent_usd)}>
          {total.unpriced_requests > 0
            ? `${count(total.unpriced_requests)} with unknown cost`
            : `${money(total.spent_usd === null ? null : total.spent_usd / total.requests)} a request`}
        </Tile>
        <Tile title="Tokens" value={count(total.input_tokens + total.output_tokens)}>
          {count(total.input_tokens)} in, {count(total.output_tokens)} out
        </Tile>
        <Tile title="Latency, p95" value={duration(total.p95_latency_ms)}>
          {duration(total.avg_latency_ms)} on average
        </Tile>
      </Tiles>
      <div class="columns">
        <Chart title="Requests an hour" at={at} lines={requests} format={count} />
        <Chart title="Cost an hour" at={at} lines={cost} format={money} />
      </div>
    </div>
  )
}

/** Hours without requests have no row, and are drawn as the nothing that they were. */
const linesOf = ({ from, hours, to }: Used) => {
  const byStart = new Map(hours.map((hour) => [Date.parse(hour.start), hour]))
  const starts: Array<number> = []
  for (let start = Date.parse(from); start < Date.parse(to); start += HOUR_MS) starts.push(start)
  const each = (value: (hour: UsageOverTime) => number | null) =>
    starts.map((start) => {
      const hour = byStart.get(start)
      return hour === undefined ? 0 : value(hour)
    })
  const requests: ReadonlyArray<Line> = [
    { title: "Requests", colour: "accent", isFilled: true, values: each(({ requests }) => requests) },
    { title: "Errors", colour: "bad", values: each(({ errors }) => errors) },
  ]
  const cost: ReadonlyArray<Line> = [
    { title: "Cost", colour: "accent", isFilled: true, values: each(({ spent_usd }) => spent_usd) },
  ]
  return { at: starts.map((start) => start / 1_000), requests, cost }
}
