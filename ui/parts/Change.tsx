import { share } from "../format.ts"

/** How far a number is from what it was in the span before. */
export const Change = ({
  before,
  isGoodWhenLower = false,
  now,
}: {
  readonly now: number | null
  readonly before: number | null
  readonly isGoodWhenLower?: boolean
}) => {
  if (now === null || before === null || before === 0) return <>nothing to compare</>
  const ratio = (now - before) / before
  if (Math.abs(ratio) < 0.005) return <>as before</>
  const kind = isGoodWhenLower ? (ratio > 0 ? "warn" : "good") : "plain"
  return (
    <span class={`change ${kind}`} title="Beside the span of the same length before">
      {ratio > 0 ? "▲" : "▼"} {share(Math.abs(ratio))}
      <span class="unseen"> on the span before</span>
    </span>
  )
}
