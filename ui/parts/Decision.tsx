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

/** Of this version, with who was then asked; nobody in a dry run. */
export interface RoutingDecision extends LoggedDecision {
  readonly strategy: string
  readonly probability: number
  readonly attempts?: ReadonlyArray<Attempt>
}

/** Ends a sentence that begins with the first candidate. */
const reasons: Readonly<Record<string, string>> = {
  score: "has the best score, of its time and its cost together",
  cost: "has the lowest predicted cost",
  latency: "has the shortest predicted time",
  priority: "stands first in the route",
  weight: "was drawn by the weights of the route",
  hysteresis: "led before, and nobody is better by enough",
  probe: "is probed: its trip is over, and one request tries it",
  exploration: "is explored: now and then another than the best is asked, to know how it does",
  only_candidate: "is the only one that can take it",
}

const TargetName = ({ model, provider }: Target) => (
  <>
    <Text value={provider} longest={40} /> <small>/ </small>
    <small>
      <Text value={model} longest={60} />
    </small>
  </>
)

const candidateColumns = (mode: string): ReadonlyArray<Column<Candidate>> => [
  { title: "#", isNumber: true, cell: ({ rank }) => rank },
  { title: "Candidate", cell: TargetName },
  ...predictionColumns(mode),
  {
    title: "Output",
    isNumber: true,
    cell: ({ cached_tokens, predicted_output_tokens }) => (
      <>
        {count(predicted_output_tokens)}
        {cached_tokens !== undefined && <small class="below">{count(cached_tokens)} cached</small>}
      </>
    ),
  },
  { title: "Score", isNumber: true, cell: ({ score }) => score.toFixed(2) },
  {
    title: "Health",
    cell: ({ availability, tier }) => (
      <>
        <TierBadge tier={tier} />
        {availability < 1 && <small class="below">{share(availability)} succeed</small>}
      </>
    ),
  },
]

const attemptColumns: ReadonlyArray<Column<Attempt & { readonly place: number }>> = [
  { title: "#", isNumber: true, cell: ({ place }) => place },
  { title: "Asked", cell: TargetName },
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

/** Why whom: what was expected of each candidate, who could not take it, and who was then asked. */
export const Decision = ({ of }: { readonly of: RoutingDecision }) => {
  const [first] = of.candidates
  return (
    <div class="stack decision">
      <p>
        {first === undefined ? (
          "Nobody can take it."
        ) : (
          <>
            <strong>
              <TargetName {...first} />
            </strong>{" "}
            {reasons[of.chosen_by] ?? `is first by ${of.chosen_by.replaceAll("_", " ")}`}.
          </>
        )}{" "}
        <span class="hint">
          Route <Text value={of.route} />
          {of.requested_route !== undefined && (
            <>
              , from <Text value={of.requested_route} />
            </>
          )}
          {of.via?.map((condition) => (
            <>
              {" "}
              by <Text value={condition} />
            </>
          ))}
          , strategy {of.strategy}
          {of.strategy === "score" &&
            ` (${share(of.weights.latency)} time, ${share(of.weights.cost)} cost; a lower score is better)`}
          . About {count(of.estimated_input_tokens)} input tokens
          {of.output_limit !== undefined && `, at most ${count(of.output_limit)} output`}
          {of.expected_turns !== undefined && `, ${of.expected_turns.toFixed(1)} turns to follow`}
          {of.probability < 1 && `. The chance of this one was ${share(of.probability)}`}.
        </span>
      </p>
      <Table
        caption="Candidates, best first"
        columns={candidateColumns(of.mode)}
        keyOf={keyOf}
        rows={of.candidates}
      />
      {of.hedge !== undefined && (
        <p class="hint">
          <TargetName {...of.hedge} /> is asked too after {duration(of.hedge.after_ms)} without an answer.
        </p>
      )}
      {of.excluded.length > 0 && (
        <section>
          <h3>Left out</h3>
          <ul class="plain-list">
            {of.excluded.map((target) => (
              <li key={keyOf(target)}>
                <TargetName {...target} /> <Text value={target.reason} longest={300} />
              </li>
            ))}
          </ul>
        </section>
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
