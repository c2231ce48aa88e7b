import { duration } from "../format.ts"
import { Badge } from "./Badge.tsx"

const kinds = { healthy: "good", probation: "plain", degraded: "warn", tripped: "bad" } as const

/** How a model of a provider is, why, and for how long it is left alone. */
export const HealthBadge = ({
  health: { state, until, why },
}: {
  readonly health: {
    readonly state: keyof typeof kinds
    readonly until: string | null
    readonly why: string | null
  }
}) => {
  const leftMs = until === null ? 0 : Date.parse(until) - Date.now()
  return (
    <>
      <Badge kind={kinds[state]}>{state}</Badge>
      {why !== null && <small> {why.replaceAll("_", " ")}</small>}
      {leftMs > 0 && <small> for {duration(leftMs)}</small>}
    </>
  )
}
