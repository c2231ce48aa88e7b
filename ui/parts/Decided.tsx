import { type Candidate, isSame, keyOf, type Decision as LoggedDecision } from "../decision.ts"
import { duration, money } from "../format.ts"
import { type Attempt, answeredAfterMs, answeringOf, type LoggedRequest, offBy } from "../request-detail.ts"
import { Badge } from "./Badge.tsx"
import { Decision } from "./Decision.tsx"
import { Text } from "./Text.tsx"

/** Why a request went where it went, and how right what was expected turned out to be. */
export const Decided = ({
  decision,
  of: logged,
}: {
  readonly decision: LoggedDecision
  readonly of: LoggedRequest
}) => {
  const [first] = decision.candidates
  const answering = answeringOf(logged)
  return (
    <Decision of={decision} fate={(candidate) => <Fate candidate={candidate} of={logged} />}>
      {first !== undefined && answering !== undefined && !isSame(first, answering) && (
        <>
          {" "}
          In the end{" "}
          <strong>
            <Text value={keyOf(answering)} />
          </strong>{" "}
          answered.
        </>
      )}
      {answering === undefined ? (
        logged.attempts.length > 0 && " Nobody answered."
      ) : (
        <Expected answering={answering} decision={decision} of={logged} />
      )}
    </Decision>
  )
}

/** What was predicted of who answered, and what came. */
const Expected = ({
  answering,
  decision,
  of: logged,
}: {
  readonly answering: Attempt
  readonly decision: LoggedDecision
  readonly of: LoggedRequest
}) => {
  const predicted = decision.candidates.find((candidate) => isSame(candidate, answering))
  const ms = answeredAfterMs(logged, answering)
  if (predicted === undefined || ms === null) return null
  const msOff = offBy(predicted.predicted_ms, ms)
  const costOff = offBy(predicted.predicted_cost_usd, answering.cost_usd)
  return (
    <>
      {" "}
      It was expected to {decision.mode === "stream" ? "begin" : "answer"} in{" "}
      {duration(predicted.predicted_ms)}
      {" and "}
      to cost{" "}
      {predicted.predicted_cost_usd === null ? "nobody knew what" : money(predicted.predicted_cost_usd)}: it
      took {duration(ms)}
      {msOff !== undefined && ` (${msOff})`} and cost{" "}
      {answering.cost_usd === null ? "nobody knows what" : money(answering.cost_usd)}
      {costOff !== undefined && ` (${costOff})`}.{answering.outcome !== "success" && " Its answer broke off."}
    </>
  )
}

const Fate = ({ candidate, of: logged }: { readonly candidate: Candidate; readonly of: LoggedRequest }) => {
  const outcomes = logged.attempts
    .filter((attempt) => isSame(attempt, candidate))
    .map(({ outcome }) => outcome)
  const [first] = outcomes
  if (first === undefined) return <span class="hint">not asked</span>
  if (outcomes.includes("success")) return <Badge kind="good">answered</Badge>
  if (first === "hedged") return <Badge>was late</Badge>
  return <Badge kind="bad">{[...new Set(outcomes)].join(", ").replaceAll("_", " ")}</Badge>
}
