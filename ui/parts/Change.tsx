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
  if (now === null || before === null || before === 0) return <>nothing before it</>
  const ratio = (now - before) / before
  if (Math.abs(ratio) < 0.005) return <>as the one before</>
  const kind = isGoodWhenLower ? (ratio > 0 ? "warn" : "good") : "plain"
  return (
    <span class={`change ${kind}`}>
      {ratio > 0 ? "▲" : "▼"} {share(Math.abs(ratio))} on the one before
    </span>
  )
}
