import type { RequestRow as RequestRowSchema } from "../../src/api/logged-request.ts"
import { count, dayOfYear, duration, money, NONE, time, timeOfDay } from "../format.ts"
import { type Filters, narrowed } from "../request-filters.ts"
import { Badge } from "./Badge.tsx"
import { Outcome } from "./Outcome.tsx"
import { type Column, Table } from "./Table.tsx"
import { seenText, Text } from "./Text.tsx"

export type RequestRow = (typeof RequestRowSchema)["Encoded"]

/** Requests, each a link to all that is known of it; a click on a name shows only those with the same. */
export const RequestTable = ({
  filters,
  keyNames,
  rows,
}: {
  readonly rows: ReadonlyArray<RequestRow>
  readonly filters: Filters
  /** By id. */
  readonly keyNames: ReadonlyMap<string, string>
}) => (
  // The link in the row is there for keys and for those who see no rows.
  // biome-ignore lint/a11y/noStaticElementInteractions lint/a11y/useKeyWithClickEvents: see above
  <div class="requests" onClick={openRow}>
    <Table
      caption="Requests, newest first"
      columns={columnsOf(filters, keyNames)}
      keyOf={({ request_id }) => request_id}
      rows={rows}
    />
  </div>
)

/** Follows the link of the row that was clicked, unless something in it was meant, or its text selected. */
const openRow = ({ target }: MouseEvent): void => {
  if (!(target instanceof Element) || target.closest("a, button") !== null) return
  if (getSelection()?.isCollapsed === false) return
  target.closest("tbody tr")?.querySelector("a")?.click()
}

const columnsOf = (
  filters: Filters,
  keyNames: ReadonlyMap<string, string>,
): ReadonlyArray<Column<RequestRow>> => {
  /** A name that narrows the list to itself. */
  const Only = ({ name, shown, value }: { name: string; value: string; shown?: string }) => (
    <a class="only" href={narrowed(filters, { [name]: value })} title={seenText(`Only ${shown ?? value}`)}>
      <Text value={shown ?? value} longest={28} />
    </a>
  )
  return [
    {
      title: "Time",
      cell: ({ request_id, started_at }) => (
        <>
          <a href={`/ui/requests/${request_id}`} title={time(started_at)}>
            <time dateTime={started_at}>{timeOfDay(started_at)}</time>
          </a>
          <small>{dayOfYear(started_at)}</small>
        </>
      ),
    },
    {
      title: "Status",
      cell: ({ error_code, requests, status }) => (
        <>
          <Outcome status={status} isError={error_code !== null} />
          {requests > 1 && <Badge title="Requests that this row stands for">×{count(requests)}</Badge>}
          {error_code !== null && (
            <small>
              <Only name="error_code" value={error_code} />
            </small>
          )}
        </>
      ),
    },
    {
      title: "Key",
      cell: ({ key_id }) => <Only name="key_id" value={key_id} shown={keyNames.get(key_id) ?? key_id} />,
    },
    {
      title: "Answered by",
      cell: ({ attempts, model, provider }) => (
        <>
          {model === null || provider === null ? (
            NONE
          ) : (
            <>
              <Only name="model" value={model} />
              <small>
                <Text value={provider} longest={28} />
              </small>
            </>
          )}
          {attempts > 1 && <Badge kind="warn">{attempts} attempts</Badge>}
        </>
      ),
    },
    {
      title: "Asked",
      cell: ({ endpoint, route }) => (
        <>
          {route !== null && <Text value={route} longest={28} />}
          <small>
            <Text value={endpoint} longest={28} />
          </small>
        </>
      ),
    },
    {
      title: "Latency",
      isNumber: true,
      cell: ({ first_token_ms, latency_ms, stream }) => (
        <>
          {duration(latency_ms)}
          {stream && (
            <small title="Streamed, with its first token after">
              {first_token_ms === null ? "streamed" : `${duration(first_token_ms)} first`}
            </small>
          )}
        </>
      ),
    },
    {
      title: "Tokens",
      isNumber: true,
      cell: ({ input_tokens, output_tokens, usage_estimated }) =>
        input_tokens === null && output_tokens === null ? (
          NONE
        ) : (
          <>
            {count(input_tokens)} in
            <small title={usage_estimated ? "Not the provider's own count" : undefined}>
              {usage_estimated && "≈ "}
              {count(output_tokens)} out
            </small>
          </>
        ),
    },
    {
      title: "Cost",
      isNumber: true,
      cell: ({ cost_reason, cost_usd }) => (
        <>
          {money(cost_usd)}
          {cost_reason !== null && <small>{cost_reason.replaceAll("_", " ")}</small>}
        </>
      ),
    },
  ]
}
