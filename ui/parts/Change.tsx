import type { Overview } from "../../src/api/overview.ts"
import { share } from "../format.ts"

type Compared = (typeof Overview.Type)["compared"]

/** How far a number is from what it was in as long a time before. */
export const Change = ({
  isGoodWhenLower = false,
  name,
  of: {
    before: { totals: before },
    ended: { totals: ended },
  },
}: {
  readonly of: Compared
  readonly name: keyof Compared["ended"]["totals"]
  readonly isGoodWhenLower?: boolean
}) => {
  const [now, then] = [ended[name], before[name]]
  if (now === null || then === null || then === 0) return <>nothing to compare</>
  const ratio = (now - then) / then
  if (Math.abs(ratio) < 0.005) return <>as before</>
  const kind = isGoodWhenLower ? (ratio > 0 ? "warn" : "good") : "plain"
  return (
    <span class={`change ${kind}`}>
      {ratio > 0 ? "▲" : "▼"} {share(Math.abs(ratio))}
      <span class="unseen"> on the time before</span>
    </span>
  )
}
