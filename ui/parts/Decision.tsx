import type { ComponentChildren } from "preact"
import { type Candidate, keyOf, type Decision as LoggedDecision, type Target } from "../decision.ts"
import { count, duration, NONE, share } from "../format.ts"
import { Badge } from "./Badge.tsx"
import { predictionColumns } from "./prediction-columns.tsx"
import { type Column, Table } from "./Table.tsx"
import { Text } from "./Text.tsx"
import { TierBadge } from "./TierBadge.tsx"

interface Attempt extends Target {
  readonly outcome: string
  readonly latency_ms: number
  readonly upstream_status: number | null
  readonly hedge?: boolean
}

/** A decision with who was then asked, as an answer has it; nobody in a dry run. */
export interface RoutingDecision extends LoggedDecision {
  readonly attempts?: ReadonlyArray<Attempt>
}

/** By the code, what the first candidate is first by. */
const CHOSEN_BY: Readonly<Record<string, string>> = {
  score: "by the best score of time and cost",
  cost: "by the lowest cost",
  latency: "by the shortest time",
  priority: "by its place in the route",
  weight: "by a draw of the route's weights",
  hysteresis: "by the lead that it had: nobody is better by enough",
  probe: "for a probe after trouble",
  exploration: "for a trial, to learn how it does",
  only_candidate: "as the only one that can take it",
}

/**
 * Why whom: what was expected of each candidate, who could not take the request, and who was then asked. `fate` says of a request
 * that is over what came of each candidate, and `children` of the whole.
 */
export const Decision = ({
  children,
  fate,
  of,
}: {
  readonly of: RoutingDecision
  readonly fate?: (candidate: Candidate) => ComponentChildren
  readonly children?: ComponentChildren
}) => {
  const [first] = of.candidates
  return (
    <div class="stack decision">
      <p>
        <Rules of={of} />
      </p>
      <p>
        {first === undefined ? (
          "Nobody can take it."
        ) : (
          <>
            <strong>
              <Text value={keyOf(first)} />
            </strong>{" "}
            {fate === undefined ? "comes" : "came"} first,{" "}
            {CHOSEN_BY[of.chosen_by] ?? <Text value={`by ${of.chosen_by.replaceAll("_", " ")}`} />}
            {of.probability !== undefined &&
              of.probability < 1 &&
              `, which had a chance of ${share(of.probability)}`}
            .
          </>
        )}
        {of.hedge !== undefined && (
          <>
            {" "}
            <Text value={keyOf(of.hedge)} /> is asked too after {duration(of.hedge.after_ms)} without an
            answer.
          </>
        )}
        {children}
      </p>
      <Table
        caption="Candidates, best first"
        columns={columnsOf(of, fate)}
        keyOf={keyOf}
        rows={of.candidates}
      />
      {first !== undefined && <p class="hint">What was predicted; the least score is the best.</p>}
      {of.excluded.length > 0 && (
        <details open={first === undefined} class="excluded">
          <summary>
            {of.excluded.length === 1 ? "One model" : `${of.excluded.length} models`} could not take the
            request
          </summary>
          <ul>
            {of.excluded.map((target) => (
              <li key={keyOf(target)}>
                <Text value={keyOf(target)} />: <Text value={target.reason} longest={300} />
              </li>
            ))}
          </ul>
        </details>
      )}
      {of.attempts !== undefined && isWorthTelling(of.attempts) && (
        <Table
          caption="Who was asked, in order"
          columns={attemptColumns}
          keyOf={({ place }) => String(place)}
          rows={of.attempts.map((attempt, index) => ({ ...attempt, place: index + 1 }))}
        />
      )}
    </div>
  )
}

/** What was asked, and by which rules it is decided. */
const Rules = ({ of }: { readonly of: LoggedDecision }) => {
  const { expected_turns, mode, output_limit, requested_route, route, strategy = "score", via = [] } = of
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
      {strategy === "score" && ` (time ${share(of.weights.latency)}, cost ${share(of.weights.cost)})`}, for
      about {count(of.estimated_input_tokens)} input tokens
      {output_limit !== undefined && ` and at most ${count(output_limit)} of output`},{" "}
      {mode === "stream" ? "streamed" : "answered whole"}
      {expected_turns !== undefined &&
        `, in a conversation with about ${count(expected_turns)} turns to come`}
      .
    </>
  )
}

const Name = ({ model, provider }: Target) => (
  <>
    <Text value={model} longest={40} />
    <small class="under">
      <Text value={provider} longest={40} />
    </small>
  </>
)

const columnsOf = (
  { mode }: LoggedDecision,
  fate: ((candidate: Candidate) => ComponentChildren) | undefined,
): ReadonlyArray<Column<Candidate>> => [
  { title: "Rank", isNumber: true, cell: ({ rank }) => rank },
  { title: "Model", cell: Name },
  ...(fate === undefined ? [] : [{ title: "What came of it", cell: fate }]),
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
  ...predictionColumns(mode),
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

const attemptColumns: ReadonlyArray<Column<Attempt & { readonly place: number }>> = [
  { title: "#", isNumber: true, cell: ({ place }) => place },
  { title: "Asked", cell: Name },
  {
    title: "Outcome",
    cell: ({ hedge, outcome }) => (
      <>
        <Badge kind={outcome === "success" ? "good" : "bad"}>{outcome}</Badge>
        {hedge === true && <small> as a hedge</small>}
      </>
    ),
  },
  { title: "Status", isNumber: true, cell: ({ upstream_status }) => upstream_status ?? NONE },
  { title: "Time", isNumber: true, cell: ({ latency_ms }) => duration(latency_ms) },
]

/** One attempt that succeeded is told by what came of it. */
const isWorthTelling = (attempts: ReadonlyArray<Attempt>): boolean =>
  attempts.length > 1 || attempts.some(({ outcome }) => outcome !== "success")
