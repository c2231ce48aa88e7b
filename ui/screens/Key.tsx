import { useRoute } from "preact-iso"
import type { ApiKey, Change } from "../admin-types.ts"
import { get, withQuery } from "../api.ts"
import { count, time } from "../format.ts"
import { list } from "../listing.ts"
import { BudgetList } from "../parts/BudgetList.tsx"
import { Changes } from "../parts/Changes.tsx"
import { Copy } from "../parts/Copy.tsx"
import { Fact, Facts } from "../parts/Facts.tsx"
import { KeyActions } from "../parts/KeyActions.tsx"
import { KeyState } from "../parts/KeyState.tsx"
import { KeyUsage } from "../parts/KeyUsage.tsx"
import { Shown } from "../parts/Shown.tsx"
import { Tags } from "../parts/Tags.tsx"
import { Text } from "../parts/Text.tsx"
import { isAdmin } from "../session.ts"
import { useLoaded } from "../use-loaded.ts"

const RELOAD_MS = 30_000
const LATEST_CHANGES = 20

/** Nothing of one stays on the screen of another. */
export default function KeyScreen() {
  const { id = "" } = useRoute().params
  return <Key key={id} id={id} />
}

const Key = ({ id }: { readonly id: string }) => {
  const key = useLoaded(
    (abort) => get<ApiKey>(`/admin/keys/${encodeURIComponent(id)}`, {}, abort),
    [id],
    RELOAD_MS,
  )
  const changes = useLoaded(
    (abort) => list<Change>("/admin/audit", { query: { subject: id }, wanted: LATEST_CHANGES, abort }),
    [id],
  )
  const reload = () => {
    key.reload()
    changes.reload()
  }
  return (
    <>
      <p class="back">
        <a href="/ui/keys">Keys</a>
      </p>
      <div class="head">
        <div class="row title">
          <h1>{key.data === undefined ? "Key" : <Text value={key.data.name} />}</h1>
          {key.data !== undefined && <KeyState of={key.data} />}
        </div>
        {isAdmin.value && key.data?.revoked_at === null && <KeyActions apiKey={key.data} changed={reload} />}
      </div>
      <Shown of={key}>
        {(key) => (
          <div class="stack">
            <div class="columns">
              <About of={key} />
              <BudgetList
                scope="key"
                subject={key.id}
                budgets={key.budgets}
                hint="None of its own. Those of its team, its tags and the gateway hold for it too."
                changed={reload}
              />
            </div>
            <KeyUsage id={key.id} />
            <section class="panel">
              <h2>What was changed</h2>
              <Shown of={changes}>
                {({ rows }) =>
                  rows.length === 0 ? <p class="hint">Nothing is on record.</p> : <Changes changes={rows} />
                }
              </Shown>
            </section>
          </div>
        )}
      </Shown>
    </>
  )
}

const About = ({ of: key }: { readonly of: ApiKey }) => (
  <section class="panel">
    <h2>About</h2>
    <Facts>
      <Fact title="Id">
        <span class="row title">
          <code>{key.id}</code> <Copy text={key.id} />
        </span>
      </Fact>
      <Fact title="Team">
        {key.team === null ? (
          "none"
        ) : (
          <a href="/ui/teams">
            <Text value={key.team} />
          </a>
        )}
      </Fact>
      <Fact title="Tags">{key.tags.length === 0 ? "none" : <Tags tags={key.tags} />}</Fact>
      <Fact title="Models">
        {key.models === null
          ? "all"
          : key.models.map((model) => (
              <div key={model}>
                <code>
                  <Text value={model} />
                </code>
              </div>
            ))}
      </Fact>
      <Fact title="Requests per minute">{key.rpm === null ? "the gateway's default" : count(key.rpm)}</Fact>
      <Fact title="Tokens per minute">{key.tpm === null ? "no limit" : count(key.tpm)}</Fact>
      <Fact title="Requests in flight">{key.concurrency === null ? "no limit" : count(key.concurrency)}</Fact>
      <Fact title="Last used">
        {key.last_used_at === null ? "not in the last 31 days" : time(key.last_used_at)}
      </Fact>
      <Fact title="Created">{time(key.created_at)}</Fact>
      {key.parent_id !== null && (
        <Fact title="Issued by">
          <a href={`/ui/keys/${key.parent_id}`}>{key.parent_id}</a>
        </Fact>
      )}
      <Fact title="Expires">{key.expires_at === null ? "never" : time(key.expires_at)}</Fact>
      {key.previous_secret_until !== null && (
        <Fact title="Secret before ends">{time(key.previous_secret_until)}</Fact>
      )}
      {key.revoked_at !== null && <Fact title="Revoked">{time(key.revoked_at)}</Fact>}
      <Fact title="May issue keys">
        {key.may_issue ? (
          <>
            yes, and issued <a href={withQuery("/ui/keys", { q: key.id, state: "all" })}>these</a>
          </>
        ) : (
          "no"
        )}
      </Fact>
    </Facts>
  </section>
)
