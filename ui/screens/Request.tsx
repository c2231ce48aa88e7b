import type { ComponentChildren } from "preact"
import { useRoute } from "preact-iso"
import type { ApiKeyJson } from "../../src/api/KeysApi.ts"
import { get } from "../api.ts"
import { count, duration, money, NONE, time } from "../format.ts"
import { Billed } from "../parts/Billed.tsx"
import { Copy } from "../parts/Copy.tsx"
import { Decided } from "../parts/Decided.tsx"
import { Outcome } from "../parts/Outcome.tsx"
import { Shown } from "../parts/Shown.tsx"
import { Text } from "../parts/Text.tsx"
import { Tile, Tiles } from "../parts/Tile.tsx"
import { Timeline } from "../parts/Timeline.tsx"
import type { LoggedRequest } from "../request-detail.ts"
import { narrowed } from "../request-filters.ts"
import { useLoaded } from "../use-loaded.ts"

type ApiKey = (typeof ApiKeyJson)["Encoded"]

/** Nothing of one stays on the screen of another. */
export default function RequestScreen() {
  const { id = "" } = useRoute().params
  return <Request key={id} id={id} />
}

const Request = ({ id }: { readonly id: string }) => {
  const request = useLoaded(
    (abort) => get<LoggedRequest>(`/analytics/requests/${encodeURIComponent(id)}`, {}, abort),
    [id],
  )
  const row = request.data?.request
  return (
    <>
      <div class="head">
        <h1>Request</h1>
        <div class="row">
          {row !== undefined && (
            <>
              <Outcome status={row.status} isError={row.error_code !== null} />
              {row.error_code !== null && <Text value={row.error_code} />}
            </>
          )}
          <a href="/ui/requests">All requests</a>
        </div>
      </div>
      <p class="id">
        <span class="mono">
          <Text value={id} />
        </span>{" "}
        <Copy text={id} label="Copy id" />
        {row !== undefined && <span class="hint">{time(row.started_at)}</span>}
      </p>
      <Shown of={request}>{(data) => <Whole of={data} />}</Shown>
    </>
  )
}

const Whole = ({ of: logged }: { readonly of: LoggedRequest }) => (
  <div class="stack">
    <Glance of={logged} />
    <Panel title="What happened">
      <Timeline of={logged} />
    </Panel>
    <Panel title="Why it went there">
      {logged.decision === null ? (
        <p class="hint">It was refused before a provider was chosen, or its decision was not kept.</p>
      ) : (
        <Decided decision={logged.decision} of={logged} />
      )}
    </Panel>
    <div class="columns">
      <Panel title="What it cost">
        <Billed of={logged} />
      </Panel>
      <Panel title="Whose it is">
        <Whose of={logged} />
      </Panel>
    </div>
  </div>
)

const Panel = ({ children, title }: { readonly title: string; readonly children: ComponentChildren }) => (
  <section class="panel">
    <h2>{title}</h2>
    {children}
  </section>
)

/** The numbers that are asked for first. */
const Glance = ({ of: { decision, prediction, request, tokens } }: { readonly of: LoggedRequest }) => {
  const predictedMs = prediction === null ? undefined : `predicted ${duration(prediction.predicted_ms)}`
  const isStreamed = decision?.mode === "stream"
  const sum = (tokens.input ?? 0) + (tokens.output ?? 0)
  return (
    <Tiles>
      <Tile title="Latency" value={duration(request.latency_ms)}>
        {isStreamed ? undefined : predictedMs}
      </Tile>
      {request.stream && (
        <Tile title="First token" value={duration(request.first_token_ms)}>
          {isStreamed ? predictedMs : undefined}
        </Tile>
      )}
      <Tile title="Cost" value={money(request.cost_usd)}>
        {request.cost_reason === null
          ? prediction === null
            ? undefined
            : `predicted ${money(prediction.predicted_cost_usd)}`
          : request.cost_reason.replaceAll("_", " ")}
      </Tile>
      <Tile
        title="Tokens"
        value={tokens.input === null ? NONE : `${request.usage_estimated ? "≈ " : ""}${count(sum)}`}
      >
        {tokens.input === null ? undefined : <Kinds of={tokens} />}
      </Tile>
      <Tile title="Attempts" value={count(request.attempts)}>
        {request.provider === null || request.model === null ? (
          "nobody answered"
        ) : (
          <Text value={`${request.provider}/${request.model}`} />
        )}
      </Tile>
    </Tiles>
  )
}

const Kinds = ({ of: { cached, input, output, reasoning } }: { readonly of: LoggedRequest["tokens"] }) => (
  <>
    {count(input)} in{cached ? ` (${count(cached)} cached)` : ""}, {count(output)} out
    {reasoning ? ` (${count(reasoning)} reasoning)` : ""}
  </>
)

const Whose = ({ of: { request, requested_model } }: { readonly of: LoggedRequest }) => {
  const key = useLoaded(
    (abort) => get<ApiKey>(`/admin/keys/${encodeURIComponent(request.key_id)}`, {}, abort),
    [request.key_id],
  )
  const only = (name: string, value: string | null) =>
    value === null ? (
      NONE
    ) : (
      <a href={narrowed({}, { [name]: value })}>
        <Text value={value} />
      </a>
    )
  return (
    <dl class="particulars">
      <dt>Key</dt>
      <dd>
        <a href={`/ui/keys/${encodeURIComponent(request.key_id)}`}>
          <Text value={key.data?.name ?? request.key_id} />
        </a>{" "}
        <a href={narrowed({}, { key_id: request.key_id })}>its requests</a>
      </dd>
      <dt>Team</dt>
      <dd>{only("team", request.team)}</dd>
      <dt>User</dt>
      <dd>{only("user", request.user)}</dd>
      <dt>Tags</dt>
      <dd class="row">
        {request.tags.length === 0
          ? NONE
          : request.tags.map((tag) => <span key={tag}>{only("tag", tag)}</span>)}
      </dd>
      <dt>Endpoint</dt>
      <dd>
        {only("endpoint", request.endpoint)}
        {request.stream && ", streamed"}
      </dd>
      <dt>Asked for</dt>
      <dd>
        <Text value={requested_model} />
      </dd>
      <dt>Ended with</dt>
      <dd>{request.finish_reason === null ? NONE : <Text value={request.finish_reason} />}</dd>
    </dl>
  )
}
