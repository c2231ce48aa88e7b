import type { ApiKey } from "../admin-types.ts"
import { ago, time } from "../format.ts"
import { Badge } from "./Badge.tsx"

const SOON_MS = 7 * 86_400_000

/** Whether a key works, and what will change about that. */
export const KeyState = ({ of: key }: { readonly of: ApiKey }) => {
  const { expires_at, parent_id, previous_secret_until: until, revoked_at, state } = key
  if (state !== "active") {
    const since = revoked_at ?? expires_at
    return state === "issuer_ended" ? (
      <Badge kind="bad" title="The key that issued it is revoked or expired">
        issuer ended
      </Badge>
    ) : (
      <Badge kind="bad" title={`Since ${time(since)}`}>
        {state}
      </Badge>
    )
  }
  // Issued keys are short-lived, which is no news.
  const isSoon = parent_id === null && expires_at !== null && Date.parse(expires_at) < Date.now() + SOON_MS
  return (
    <span class="badges">
      {expires_at === null ? (
        <Badge kind="good">active</Badge>
      ) : (
        <Badge kind={isSoon ? "warn" : "good"} title={time(expires_at)}>
          expires {ago(expires_at)}
        </Badge>
      )}
      {until !== null && Date.parse(until) > Date.now() && (
        <Badge kind="warn" title={`The secret before works until ${time(until)}`}>
          old secret ends {ago(until)}
        </Badge>
      )}
    </span>
  )
}
