import type { ComponentChildren } from "preact"
import type { Candidate } from "../decision.ts"
import { duration, money } from "../format.ts"
import type { Column } from "./Table.tsx"

/** A prediction, and below it what the score weighs where that is something else. */
const Weighed = ({
  children,
  weighed,
}: {
  readonly children: ComponentChildren
  readonly weighed: string | undefined
}) => (
  <>
    {children}
    {weighed !== undefined && (
      <small class="under" title="With what failures cost, and what the turns to come are expected to take">
        weighed {weighed}
      </small>
    )}
  </>
)

/** What a candidate is expected to take and to cost. */
export const predictionColumns = (mode: string): ReadonlyArray<Column<Candidate>> => [
  {
    title: mode === "stream" ? "First token" : "Time",
    isNumber: true,
    cell: ({ predicted_ms, weighed_ms }) => (
      <Weighed weighed={weighed_ms === undefined ? undefined : duration(weighed_ms)}>
        {duration(predicted_ms)}
      </Weighed>
    ),
  },
  {
    title: "Cost",
    isNumber: true,
    cell: ({ predicted_cost_usd, weighed_cost_usd }) => (
      <Weighed weighed={weighed_cost_usd === undefined ? undefined : money(weighed_cost_usd)}>
        {money(predicted_cost_usd)}
      </Weighed>
    ),
  },
]
