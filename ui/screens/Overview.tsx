import { useSignal } from "@preact/signals"
import { useMemo } from "preact/hooks"
import type { Overview as OverviewSchema } from "../../src/api/overview.ts"
import { get, withQuery } from "../api.ts"
import { count, duration, money, share, toTheMinute } from "../format.ts"
import { type Bar, Bars } from "../parts/Bars.tsx"
import { Change } from "../parts/Change.tsx"
import { Chart, type Line } from "../parts/Chart.tsx"
import { Chips } from "../parts/Chips.tsx"
import { Health } from "../parts/Health.tsx"
import { Notice } from "../parts/Notice.tsx"
import { Shown } from "../parts/Shown.tsx"
import { SpanPicker } from "../parts/SpanPicker.tsx"
import { Text } from "../parts/Text.tsx"
import { Tile, Tiles } from "../parts/Tile.tsx"
import { askedOf, type Filters } from "../request-filters.ts"
import { rangeOf } from "../span.ts"
import { useFilters } from "../use-filters.ts"
import { useLoaded } from "../use-loaded.ts"

type Overview = typeof OverviewSchema.Type

const REFRESH_MS = 10_000

/** What sums are kept by, of all that requests are told apart by. */
const SUMMED_BY: ReadonlySet<string> = new Set([
  ...["key_id", "team", "user", "tag", "provider", "model", "endpoint", "stream"],
])

const narrowingOf = (filters: Filters): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(askedOf(filters)).filter(([name]) => SUMMED_BY.has(name)))

export default function OverviewScreen() {
  const { filters, setFilters } = useFilters()
  const isLive = useSignal(true)
  const narrowing = narrowingOf(filters)
  const isNarrowed = Object.keys(narrowing).length > 0
  const overview = useLoaded(
    (abort) => get<Overview>("/analytics/overview", { ...rangeOf(filters), ...narrowing }, abort),
    [JSON.stringify(filters)],
    isLive.value ? REFRESH_MS : undefined,
  )
  const keyNames = new Map(
    overview.data?.top.keys?.data.flatMap(({ key_id, key_name }) =>
      key_name === null ? [] : [[key_id, key_name] as const],
    ),
  )
  return (
    <>
      <div class="head">
        <h1>Overview</h1>
        <div class="row">
          <SpanPicker />
          <label class="check">
            <input
              type="checkbox"
              checked={isLive.value}
              onChange={({ currentTarget }) => {
                isLive.value = currentTarget.checked
              }}
            />{" "}
            Live
          </label>
        </div>
      </div>
      {isNarrowed && (
        <div class="narrowing">
          <Chips
            of={narrowing}
            keyNames={keyNames}
            onRemove={(names) => setFilters(Object.fromEntries(names.map((name) => [name, undefined])))}
          />
          <a href={withQuery("/ui/requests", filters)}>The requests</a>
        </div>
      )}
      <div class="stack">
        <Shown of={overview}>
          {(data) => <Numbers of={data} filters={filters} isNarrowed={isNarrowed} />}
        </Shown>
        <Health />
      </div>
    </>
  )
}

const Numbers = ({
  filters,
  isNarrowed,
  of,
}: {
  readonly of: Overview
  readonly filters: Filters
  readonly isNarrowed: boolean
}) => {
  const { compared, ever, totals } = of
  if (ever.requests === 0) {
    return isNarrowed ? (
      <Notice title="No such request has been counted" />
    ) : (
      <Notice title="No request has been counted yet">
        Ask something in the <a href="/ui/playground">playground</a>, or set up a client:{" "}
        <a href="/ui/connect">Connect</a> has the lines to paste. What is answered shows here within a second.
      </Notice>
    )
  }
  return (
    <div class="stack">
      <Tiles>
        <Tile title="Spend" value={money(totals.spent_usd)}>
          <Change of={compared} name="spent_usd" />
        </Tile>
        <Tile title="Requests" value={count(totals.requests)}>
          <Change of={compared} name="requests" />
        </Tile>
        <Tile title="Errors" value={share(totals.error_share)}>
          <Change of={compared} name="error_share" isGoodWhenLower />
        </Tile>
        <Tile title="Latency p50" value={duration(totals.p50_latency_ms)}>
          <Change of={compared} name="p50_latency_ms" isGoodWhenLower />
        </Tile>
        <Tile title="Latency p95" value={duration(totals.p95_latency_ms)}>
          <Change of={compared} name="p95_latency_ms" isGoodWhenLower />
        </Tile>
        <Tile title="First token p95" value={duration(totals.p95_first_token_ms)}>
          <Change of={compared} name="p95_first_token_ms" isGoodWhenLower />
        </Tile>
        <Tile title="Tokens" value={count(totals.input_tokens + totals.output_tokens)}>
          {count(totals.input_tokens)} in, {count(totals.output_tokens)} out
          {totals.input_tokens > 0 && `, ${share(totals.cached_tokens / totals.input_tokens)} of it cached`}
        </Tile>
      </Tiles>
      {compared.ended.from < compared.ended.to && (
        <p class="hint">
          Arrows compare {period(compared.ended)} with {period(compared.before)}.
        </p>
      )}
      <Curves of={of} />
      <Rankings of={of} filters={filters} />
      <p class="hint">
        Since the beginning: {count(ever.requests)} requests, {money(ever.spent_usd)},{" "}
        {count(ever.input_tokens)} tokens in and {count(ever.output_tokens)} out.
        {totals.wasted_usd > 0 &&
          ` Of this span's spend ${money(totals.wasted_usd)} went to attempts that brought no answer.`}
      </p>
    </div>
  )
}

interface Period {
  readonly from: string
  readonly to: string
}

const period = ({ from, to }: Period): string => `${toTheMinute(from)} – ${toTheMinute(to)}`

const STEP_MS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/** The parts of the curve with those in which nothing was counted. */
const partsOf = ({ bucket, from, series, to }: Overview) => {
  const stepMs = STEP_MS[bucket]
  const known = new Map(series.map((part) => [Date.parse(part.start), part]))
  const starts: Array<number> = []
  // Days are those of UTC, and a span may begin in the middle of one.
  for (let ms = Math.floor(Date.parse(from) / stepMs) * stepMs; ms < Date.parse(to); ms += stepMs)
    starts.push(ms)
  return { at: starts.map((ms) => ms / 1000), parts: starts.map((ms) => known.get(ms)) }
}

const Curves = ({ of }: { readonly of: Overview }) => {
  const { at, latencies, requests, spend } = useMemo(() => {
    const { at, parts } = partsOf(of)
    const line = (
      title: string,
      colour: Line["colour"],
      value: (part: (typeof parts)[number]) => number | null,
    ) => ({
      title,
      colour,
      values: parts.map(value),
    })
    return {
      at,
      spend: [{ ...line("Spend", "accent", (part) => part?.spent_usd ?? 0), isFilled: true }],
      requests: [
        { ...line("Requests", "accent", (part) => part?.requests ?? 0), isFilled: true },
        line("Errors", "bad", (part) => part?.errors ?? 0),
      ],
      latencies: [
        line("p50", "good", (part) => part?.p50_latency_ms ?? null),
        line("p95", "warn", (part) => part?.p95_latency_ms ?? null),
        line("first token p95", "accent", (part) => part?.p95_first_token_ms ?? null),
      ],
    }
  }, [of])
  return (
    <div class="columns charts">
      <Chart title="Spend" at={at} lines={spend} format={money} />
      <Chart title="Requests and errors" at={at} lines={requests} format={count} />
      <Chart title="Latency" at={at} lines={latencies} format={duration} />
    </div>
  )
}

interface Spender {
  readonly spent_usd: number | null
  readonly requests: number
}

/** Who spent most. A name narrows the overview, and a number leads to the requests. */
const Rankings = ({
  filters,
  of: { from, to, top },
}: {
  readonly of: Overview
  readonly filters: Filters
}) => {
  const bar = (row: Spender, name: string, filter: Readonly<Record<string, string>>): Bar => ({
    key: name + JSON.stringify(filter),
    name: (
      <a href={withQuery("/ui", { ...filters, ...filter })}>
        <Text value={name} />
      </a>
    ),
    value: row.spent_usd ?? 0,
    text: (
      <>
        {money(row.spent_usd)} ·{" "}
        <a href={withQuery("/ui/requests", { ...filters, ...filter })} title="The requests">
          {count(row.requests)}
        </a>
      </>
    ),
  })
  /** Nothing where no sums are kept by it together with what the overview is narrowed to. */
  const ranking = <Row extends Spender>(
    title: string,
    known: (Period & { readonly data: ReadonlyArray<Row> }) | null,
    barOf: (row: Row) => Bar,
  ) =>
    known && (
      <Bars
        title={title}
        // What is known by whole hours alone is said to be so.
        hint={known.from === from && known.to === to ? undefined : period(known)}
        bars={known.data.map(barOf)}
      />
    )
  return (
    <div class="columns">
      {ranking("By model", top.models, (row) =>
        bar(row, `${row.provider}/${row.model}`, { provider: row.provider, model: row.model }),
      )}
      {ranking("By provider", top.providers, (row) => bar(row, row.provider, { provider: row.provider }))}
      {ranking("By key", top.keys, (row) => bar(row, row.key_name ?? row.key_id, { key_id: row.key_id }))}
      {ranking("By team", top.teams, (row) => bar(row, row.team, { team: row.team }))}
    </div>
  )
}
