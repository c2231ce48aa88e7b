import { Badge } from "./Badge.tsx"

const kinds: Readonly<Record<string, "good" | "warn" | "bad">> = {
  healthy: "good",
  degraded: "warn",
  tripped: "bad",
}

/** How well a candidate was when it was looked at. */
export const TierBadge = ({ tier }: { readonly tier: string }) => (
  <Badge kind={kinds[tier] ?? "plain"}>{tier}</Badge>
)
