import type { ApiKey } from "../admin-types.ts"
import { ago, time } from "../format.ts"
import { Badge } from "./Badge.tsx"

const SOON_MS = 7 * 86_400_000

/** Tells keys that no request gets in with any more. */
export const isEnded = ({ expires_at, revoked_at }: ApiKey): boolean =>
  revoked_at !== null || (expires_at !== null && Date.parse(expires_at) <= Date.now())

/** Whether a key works, and what will change about that. */
export const KeyState = ({ of: key }: { readonly of: ApiKey }) => {
  const { expires_at, parent_id, previous_secret_until: until, revoked_at } = key
  if (revoked_at !== null)
    return (
      <Badge kind="bad" title={`Revoked: ${time(revoked_at)}`}>
        revoked
      </Badge>
    )
  if (expires_at !== null && isEnded(key))
    return (
      <Badge kind="bad" title={`Expired: ${time(expires_at)}`}>
        expired
      </Badge>
    )
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
