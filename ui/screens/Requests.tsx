import { useSignal } from "@preact/signals"
import { useMemo, useRef } from "preact/hooks"
import type { ApiKeyJson } from "../../src/api/KeysApi.ts"
import { get } from "../api.ts"
import { clientAddress } from "../client-address.ts"
import { time } from "../format.ts"
import { Chips } from "../parts/Chips.tsx"
import { Snippet } from "../parts/Copy.tsx"
import { Notice } from "../parts/Notice.tsx"
import { RequestFilters } from "../parts/RequestFilters.tsx"
import { type RequestRow, RequestTable } from "../parts/RequestTable.tsx"
import { Segments } from "../parts/Segments.tsx"
import { Shown } from "../parts/Shown.tsx"
import { SpanPicker } from "../parts/SpanPicker.tsx"
import { askedOf, NOT_NARROWED } from "../request-filters.ts"
import { rangeOf } from "../span.ts"
import { useFilters } from "../use-filters.ts"
import { useLoaded } from "../use-loaded.ts"

interface Page<Row> {
  readonly data: ReadonlyArray<Row>
  readonly next_cursor: string | null
  /** Where a page ends before it is full: back to when was looked. */
  readonly scanned_to: string | null
}
type ApiKey = (typeof ApiKeyJson)["Encoded"]

const REFRESH_MS = 5_000
const ROWS = 50
const LONGEST_SPAN = "30d"

export default function Requests() {
  const { filters, setFilters } = useFilters()
  const isAsking = useSignal(false)
  const opener = useRef<HTMLButtonElement>(null)
  const asked = askedOf(filters)
  const { cursor } = filters
  const isLive = cursor === undefined && filters.live !== "off"
  const page = useLoaded(
    (abort) =>
      get<Page<RequestRow>>(
        "/analytics/requests",
        { ...(cursor === undefined ? rangeOf(filters) : { cursor }), ...asked, limit: ROWS },
        abort,
      ),
    [JSON.stringify(filters)],
    isLive ? REFRESH_MS : undefined,
  )
  const keys = useLoaded((abort) => get<Page<ApiKey>>("/admin/keys", { limit: 1000 }, abort), [])
  const keyNames = useMemo(
    () => new Map((keys.data?.data ?? []).map(({ id, name }) => [id, name])),
    [keys.data],
  )
  const errorCodes = page.data?.data.flatMap(({ error_code }) => error_code ?? []) ?? []
  const remove = (names: ReadonlyArray<string>) => {
    setFilters({ ...Object.fromEntries(names.map((name) => [name, undefined])), cursor: undefined })
    // What had the focus goes away.
    opener.current?.focus()
  }

  return (
    <>
      <div class="head">
        <h1>Requests</h1>
        <SpanPicker />
      </div>
      <div class="narrowing">
        <Segments
          label="Status"
          options={[
            ["", "All"],
            ["2", "2xx"],
            ["4", "4xx"],
            ["5", "5xx"],
          ]}
          chosen={filters.status_class ?? ""}
          choose={(status_class) => setFilters({ status_class, status: undefined, cursor: undefined })}
        />
        <button
          ref={opener}
          type="button"
          class="plain"
          onClick={() => {
            isAsking.value = true
          }}
        >
          Filter…
        </button>
        <Chips of={asked} keyNames={keyNames} onRemove={remove} />
        <label class="check live">
          <input
            type="checkbox"
            checked={isLive}
            disabled={cursor !== undefined}
            onChange={({ currentTarget }) => setFilters({ live: currentTarget.checked ? undefined : "off" })}
          />{" "}
          Live
        </label>
      </div>
      <Shown of={page}>
        {({ data, next_cursor, scanned_to }) =>
          data.length === 0 && next_cursor === null ? (
            <Nothing />
          ) : (
            <>
              {data.length > 0 && <RequestTable rows={data} filters={filters} keyNames={keyNames} />}
              <nav class="pages" aria-label="Pages">
                {scanned_to !== null && (
                  <span class="hint">
                    {data.length === 0 ? "None" : "These are all"} back to {time(scanned_to)}.
                  </span>
                )}
                {cursor !== undefined && (
                  <button type="button" class="plain" onClick={() => turn(undefined)}>
                    Newest
                  </button>
                )}
                {next_cursor !== null && (
                  <button type="button" class="plain" onClick={() => turn(next_cursor)}>
                    {scanned_to === null ? "Older" : "Look further back"}
                  </button>
                )}
              </nav>
            </>
          )
        }
      </Shown>
      {isAsking.value && (
        <RequestFilters
          keyNames={keyNames}
          errorCodes={errorCodes}
          onClose={() => {
            isAsking.value = false
          }}
        />
      )}
    </>
  )

  function turn(cursor: string | undefined) {
    setFilters({ cursor })
    scrollTo(0, 0)
  }
}

/** Says what to do where there is nothing to see. */
const Nothing = () => {
  const { filters, setFilters } = useFilters()
  if (filters.cursor !== undefined) {
    return (
      <Notice title="There is nothing older">
        <button type="button" class="plain" onClick={() => setFilters({ cursor: undefined })}>
          Newest
        </button>
      </Notice>
    )
  }
  if (Object.keys(askedOf(filters)).length > 0) {
    return (
      <Notice title="No request in this span matches">
        <button type="button" class="plain" onClick={() => setFilters(NOT_NARROWED)}>
          Clear all filters
        </button>
      </Notice>
    )
  }
  return (
    <Notice title="No request in this span">
      {filters.span !== LONGEST_SPAN && (
        <p>
          <button
            type="button"
            class="plain"
            onClick={() => setFilters({ span: LONGEST_SPAN, from: undefined, to: undefined })}
          >
            Look at the last 30 days
          </button>
        </p>
      )}
      <p>
        Ask something in the <a href="/ui/playground">playground</a>, set up a client by{" "}
        <a href="/ui/connect">Connect</a>, or send a first one from a terminal:
      </p>
      <Snippet
        title="A first request"
        text={`curl ${clientAddress.value}/infer -H 'X-API-Key: YOUR_KEY' -H 'Content-Type: application/json' -d '{"prompt":"Say hello"}'`}
      />
    </Notice>
  )
}
