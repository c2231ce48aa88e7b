import { type Candidate, type Decision, isSame, keyOf } from "../decision.ts"
import { count, duration, money, share } from "../format.ts"
import { type Attempt, answeredAfterMs, answeringOf, type LoggedRequest, offBy } from "../request-detail.ts"
import { Badge } from "./Badge.tsx"
import { predictionColumns } from "./prediction-columns.tsx"
import { type Column, Table } from "./Table.tsx"
import { Text } from "./Text.tsx"
import { TierBadge } from "./TierBadge.tsx"

/** By the code, what it says of the first candidate. */
const CHOSEN_BY: Readonly<Record<string, string>> = {
  score: "it had the best score of time and cost",
  cost: "it was the cheapest",
  latency: "it was the fastest",
  priority: "it stands first in the route's order",
  weight: "it was drawn by its weight",
  hysteresis: "it leads the route, and nobody beat it by enough",
  probe: "it was due for a probe after trouble",
  exploration: "it was tried, to learn how it does",
  only_candidate: "nobody else could take the request",
}

/** Why a request went where it went. */
export const Decided = ({
  decision,
  of: logged,
}: {
  readonly decision: Decision
  readonly of: LoggedRequest
}) => {
  const [first] = decision.candidates
  const answering = answeringOf(logged)
  return (
    <>
      <p>
        <Story decision={decision} />
      </p>
      <p>
        {first !== undefined && (
          <>
            <strong>
              <Text value={`${first.provider}/${first.model}`} />
            </strong>{" "}
            came first: {CHOSEN_BY[decision.chosen_by] ?? <Text value={decision.chosen_by} />}
            {decision.probability !== undefined &&
              decision.probability < 1 &&
              `, which had a chance of ${share(decision.probability)}`}
            .
          </>
        )}
        {decision.hedge !== undefined && (
          <>
            {" "}
            <Text value={`${decision.hedge.provider}/${decision.hedge.model}`} /> was to be asked too after{" "}
            {duration(decision.hedge.after_ms)} without an answer.
          </>
        )}
        {first !== undefined && answering !== undefined && !isSame(first, answering) && (
          <>
            {" "}
            In the end{" "}
            <strong>
              <Text value={`${answering.provider}/${answering.model}`} />
            </strong>{" "}
            answered.
          </>
        )}
        {answering === undefined ? (
          logged.attempts.length > 0 && " Nobody answered."
        ) : (
          <Expected answering={answering} decision={decision} of={logged} />
        )}
      </p>
      <Table
        caption="Candidates, in the order in which they were to be asked"
        columns={columnsOf(logged, decision)}
        keyOf={keyOf}
        rows={decision.candidates}
      />
      {first !== undefined && <p class="hint">What was predicted; the least score is the best.</p>}
      {decision.excluded.length > 0 && (
        <details open={decision.candidates.length === 0} class="excluded">
          <summary>
            {decision.excluded.length === 1 ? "One model" : `${decision.excluded.length} models`} could not
            take the request
          </summary>
          <ul>
            {decision.excluded.map(({ model, provider, reason }) => (
              <li key={keyOf({ provider, model })}>
                <Text value={`${provider}/${model}`} />: <Text value={reason} longest={300} />
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

/** What was predicted of who answered, and what came. */
const Expected = ({
  answering,
  decision,
  of: logged,
}: {
  readonly answering: Attempt
  readonly decision: Decision
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

/** What was asked, and by which rules it was decided. */
const Story = ({ decision }: { readonly decision: Decision }) => {
  const {
    expected_turns,
    mode,
    output_limit,
    requested_route,
    route,
    strategy = "score",
    via = [],
    weights,
  } = decision
  return (
    <>
      Route{" "}
      <code>
        <Text value={route} />
      </code>
      {requested_route !== undefined && (
        <>
          , where{" "}
          <code>
            <Text value={requested_route} />
          </code>{" "}
          sent it by{" "}
          {via.map((condition, index) => (
            <span key={condition}>
              {index > 0 && ", "}
              <code>
                <Text value={condition} />
              </code>
            </span>
          ))}
          ,
        </>
      )}{" "}
      goes by <Text value={strategy} />
      {strategy === "score" && ` (time ${share(weights.latency)}, cost ${share(weights.cost)})`}, for about{" "}
      {count(decision.estimated_input_tokens)} input tokens
      {output_limit !== undefined && ` and at most ${count(output_limit)} of output`},{" "}
      {mode === "stream" ? "streamed" : "answered whole"}
      {expected_turns !== undefined &&
        `, in a conversation with about ${count(expected_turns)} turns to come`}
      .
    </>
  )
}

const columnsOf = (logged: LoggedRequest, decision: Decision): ReadonlyArray<Column<Candidate>> => {
  return [
    { title: "Rank", isNumber: true, cell: ({ rank }) => rank },
    {
      title: "Model",
      cell: (candidate) => (
        <>
          <Text value={candidate.model} longest={40} />
          <small class="under">
            <Text value={candidate.provider} longest={40} />
          </small>
        </>
      ),
    },
    { title: "What came of it", cell: (candidate) => <Fate candidate={candidate} of={logged} /> },
    {
      title: "State",
      cell: ({ availability, in_flight, tier }) => (
        <>
          <TierBadge tier={tier} />
          <small class="under">{share(availability)} available</small>
          {in_flight !== undefined && <small class="under">{count(in_flight)} in flight</small>}
        </>
      ),
    },
    ...predictionColumns(decision.mode),
    {
      title: "Tokens",
      isNumber: true,
      cell: ({ cached_tokens, predicted_output_tokens }) => (
        <>
          {count(predicted_output_tokens)} out
          {cached_tokens !== undefined && <small class="under">{count(cached_tokens)} cached</small>}
        </>
      ),
    },
    { title: "Score", isNumber: true, cell: ({ score }) => score.toFixed(2) },
  ]
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
