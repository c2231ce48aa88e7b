import { count, duration, money, NONE } from "../format.ts"
import type { InferResponse, Run } from "../playground.ts"
import { Badge } from "./Badge.tsx"
import { Copy } from "./Copy.tsx"
import { Decision, type RoutingDecision } from "./Decision.tsx"
import { Notice } from "./Notice.tsx"
import { Text } from "./Text.tsx"
import { Tile, Tiles } from "./Tile.tsx"

const states: Readonly<Record<Run["state"], string>> = {
  waiting: "Waiting…",
  answering: "Answering…",
  answered: "Answered",
  stopped: "Stopped. What had come by then is accounted for",
  failed: "Failed",
}

/** An answer as it comes, and then what it was worth. */
export const Answer = ({ of: run }: { readonly of: Run }) => (
  <>
    <p class="state" role="status">
      <span>{states[run.state]}</span>
      {run.lastMs !== undefined && <span class="hint">{duration(run.lastMs)} in this browser</span>}
      {run.answer?.simulated === true && <Badge kind="warn">simulated</Badge>}
      {run.text !== "" && run.lastMs !== undefined && <Copy label="Copy the answer" text={run.text} />}
    </p>
    {run.error !== undefined && (
      <Notice kind="fault" title={run.error.message}>
        <code>
          <Text value={run.error.code} />
        </code>
        {run.error.status > 0 && `, status ${run.error.status}`}
      </Notice>
    )}
    {run.text !== "" && (
      // A direction of its own, and no other text beside it: what an answer says of that ends here.
      <div class="answer" dir="auto">
        {run.text}
      </div>
    )}
    {run.images.map((image, index) => (
      <img key={image} class="answer-image" src={image} alt={`Given with the answer, number ${index + 1}`} />
    ))}
    {run.answer !== undefined && <Worth of={run.answer} firstMs={run.firstMs} />}
    {run.requestId !== undefined && run.lastMs !== undefined && (
      <p>
        Request{" "}
        <a href={`/ui/requests/${run.requestId}`}>
          <Text value={run.requestId} />
        </a>{" "}
        <span class="hint">is in the log a moment after its end</span>
      </p>
    )}
  </>
)

const Worth = ({
  firstMs,
  of: { attempts, cost, finish_reason, latency_ms, model, provider, usage },
}: {
  readonly of: InferResponse
  readonly firstMs: number | undefined
}) => (
  <Tiles>
    <Tile title="Answered by" value={<Text value={provider} longest={24} />}>
      <Text value={model} longest={40} />
    </Tile>
    {firstMs !== undefined && (
      <Tile title="First token" value={duration(firstMs)}>
        in this browser
      </Tile>
    )}
    <Tile title="Latency" value={duration(latency_ms)}>
      {attempts === 1 ? "1 attempt" : `${attempts} attempts`}
    </Tile>
    <Tile title="Cost" value={money(cost)}>
      {cost === null ? "not known" : undefined}
    </Tile>
    <Tile title="Tokens" value={usage === null ? NONE : count(usage.input_tokens + usage.output_tokens)}>
      {usage === null ? "not told" : tokens(usage)}
    </Tile>
    <Tile title="Ended by" value={<Text value={finish_reason} longest={24} />} />
  </Tiles>
)

const tokens = (usage: NonNullable<InferResponse["usage"]>): string =>
  [
    `${count(usage.input_tokens)} in`,
    `${count(usage.output_tokens)} out`,
    ...(usage.cached_tokens > 0 ? [`${count(usage.cached_tokens)} cached`] : []),
    ...(usage.reasoning_tokens > 0 ? [`${count(usage.reasoning_tokens)} reasoning`] : []),
  ].join(", ")

/** Why this one answered. */
export const Routed = ({ of }: { readonly of: InferResponse }) =>
  of.decision === undefined ? null : (
    <section class="panel">
      <h2>How it was routed</h2>
      {/* The API says of it only that it is an object. */}
      <Decision of={of.decision as unknown as RoutingDecision} />
    </section>
  )
