import { useState } from "preact/hooks"
import type { ApiKey } from "../admin-types.ts"
import { issuedKey } from "../issued-key.ts"
import { list } from "../listing.ts"
import { BudgetBars } from "../parts/BudgetBar.tsx"
import { CreateKey } from "../parts/KeyForm.tsx"
import { KeyState } from "../parts/KeyState.tsx"
import { Limits } from "../parts/Limits.tsx"
import { Notice } from "../parts/Notice.tsx"
import { Search } from "../parts/Search.tsx"
import { Segments } from "../parts/Segments.tsx"
import { Shown } from "../parts/Shown.tsx"
import { Table } from "../parts/Table.tsx"
import { Tags } from "../parts/Tags.tsx"
import { Text } from "../parts/Text.tsx"
import { Ago } from "../parts/Time.tsx"
import { isAdmin } from "../session.ts"
import { useFilters } from "../use-filters.ts"
import { useLoaded } from "../use-loaded.ts"

const AT_ONCE = 200
const RELOAD_MS = 30_000

export default function Keys() {
  const { filters, setFilters } = useFilters()
  const [wanted, setWanted] = useState(AT_ONCE)
  const [open, setOpen] = useState<"create">()
  const { q = "", state = "working" } = filters
  const search = q.trim()
  const active = state === "all" ? undefined : state === "working"
  const keys = useLoaded(
    (abort) => list<ApiKey>("/admin/keys", { query: { search, active }, wanted, abort }),
    [search, active, wanted],
    RELOAD_MS,
  )
  const close = () => setOpen(undefined)

  return (
    <>
      <div class="head">
        <h1>Keys</h1>
        {isAdmin.value && (
          <button type="button" onClick={() => setOpen("create")}>
            Create a key
          </button>
        )}
      </div>
      <div class="row filters">
        <Search
          label="Search by name, id, team, tag or model"
          value={q}
          search={(text) => setFilters({ q: text }, true)}
        />
        <Segments
          label="Which keys"
          options={[
            ["working", "Working"],
            ["ended", "Ended"],
            ["all", "All"],
          ]}
          chosen={state}
          choose={(value) => setFilters({ state: value === "working" ? undefined : value })}
        />
      </div>
      <Shown of={keys}>
        {({ hasMore, rows }) => (
          <>
            {rows.length > 0 ? (
              <KeyTable keys={rows} isSearched={search !== ""} />
            ) : search === "" && active !== false ? (
              <NoKeys />
            ) : (
              <NoneLikeThat />
            )}
            {hasMore && (
              <p class="more">
                <span class="hint">The newest {rows.length} are shown. </span>
                <button type="button" class="plain" onClick={() => setWanted(wanted + AT_ONCE)}>
                  Load {AT_ONCE} more
                </button>
              </p>
            )}
          </>
        )}
      </Shown>
      {open === "create" && (
        <CreateKey
          close={close}
          created={(key) => {
            close()
            issuedKey.value = key
            keys.reload()
          }}
        />
      )}
    </>
  )
}

const NoKeys = () => (
  <Notice title="There are no keys that work">
    Applications send one with each request. {isAdmin.value ? "Create one." : "An admin creates them."}
  </Notice>
)

const NoneLikeThat = () => {
  const { setFilters } = useFilters()
  return (
    <Notice title="No key is like that">
      <button type="button" class="plain" onClick={() => setFilters({ q: undefined, state: "all" })}>
        Show all keys
      </button>
    </Notice>
  )
}

interface Row {
  readonly key: ApiKey
  /** Whether it stands under the key that issued it. */
  readonly isIssued: boolean
  readonly issued: number
}

const KeyTable = ({
  isSearched,
  keys,
}: {
  readonly keys: ReadonlyArray<ApiKey>
  /** What was found is not folded away. */
  readonly isSearched: boolean
}) => {
  const { filters, setFilters } = useFilters()
  const rows = rowsOf(keys, (id) => isSearched || filters.issuer === id)
  return (
    <Table
      caption="API keys, newest first"
      isOfCards
      rows={rows}
      keyOf={({ key }) => key.id}
      columns={[
        {
          title: "Key",
          cell: ({ isIssued, issued, key }) => (
            <div class={isIssued ? "key-name issued" : "key-name"}>
              <a href={`/ui/keys/${key.id}`}>
                <Text value={key.name} longest={48} />
              </a>
              <code class="hint">{key.id}</code>
              {key.parent_id !== null && !isIssued && (
                <small>
                  issued by <a href={`/ui/keys/${key.parent_id}`}>{key.parent_id}</a>
                </small>
              )}
              {issued > 0 && (
                <button
                  type="button"
                  class="fold"
                  aria-expanded={filters.issuer === key.id || isSearched}
                  onClick={() => setFilters({ issuer: filters.issuer === key.id ? undefined : key.id })}
                >
                  {issued === 1 ? "1 issued key" : `${issued} issued keys`}
                </button>
              )}
            </div>
          ),
        },
        { title: "State", cell: ({ key }) => <KeyState of={key} /> },
        {
          title: "Team and tags",
          cell: ({ key }) =>
            key.team === null && key.tags.length === 0 ? null : (
              <div class="key-name narrow">
                {key.team !== null && (
                  <a href="/ui/teams">
                    <Text value={key.team} longest={32} />
                  </a>
                )}
                <Tags tags={key.tags} />
              </div>
            ),
        },
        { title: "Limits", cell: ({ key }) => <Limits of={key} none="default" /> },
        { title: "Budgets", cell: ({ key }) => <BudgetBars budgets={key.budgets} /> },
        { title: "Last used", cell: ({ key }) => <Ago at={key.last_used_at} /> },
        { title: "Created", cell: ({ key }) => <Ago at={key.created_at} /> },
      ]}
    />
  )
}

/** Puts keys under those that issued them, where these are shown as well. */
const rowsOf = (keys: ReadonlyArray<ApiKey>, isOpen: (id: string) => boolean): ReadonlyArray<Row> => {
  const ids = new Set(keys.map(({ id }) => id))
  const isUnder = ({ parent_id }: ApiKey) => parent_id !== null && ids.has(parent_id)
  const under = Map.groupBy(keys.filter(isUnder), ({ parent_id }) => parent_id)
  const withIssued = (key: ApiKey, isIssued: boolean): ReadonlyArray<Row> => {
    const issued = under.get(key.id) ?? []
    const opened = isOpen(key.id) ? issued : []
    return [{ key, isIssued, issued: issued.length }, ...opened.flatMap((child) => withIssued(child, true))]
  }
  return keys.filter((key) => !isUnder(key)).flatMap((key) => withIssued(key, false))
}
