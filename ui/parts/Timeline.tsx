import { duration } from "../format.ts"
import { type Attempt, beganAfterMs, type LoggedRequest, ticksOf } from "../request-detail.ts"
import { Badge } from "./Badge.tsx"
import { Text } from "./Text.tsx"

/** Who was asked when, on one axis of time. */
export const Timeline = ({ of: logged }: { readonly of: LoggedRequest }) => {
  const { first_token_ms, latency_ms } = logged.request
  const bars = logged.attempts
    .map((attempt) => {
      const fromMs = beganAfterMs(logged, attempt)
      return { attempt, fromMs, toMs: fromMs + attempt.latency_ms }
    })
    .toSorted((a, b) => a.fromMs - b.fromMs)
  if (bars.length === 0) return <p class="hint">Nobody was asked.</p>
  const lengthMs = Math.max(latency_ms, ...bars.map(({ toMs }) => toMs), 1)
  const at = (ms: number) => `${(100 * ms) / lengthMs}%`
  const ticks = ticksOf(lengthMs)

  return (
    <ol class="timeline">
      <li class="axis">
        <svg aria-hidden="true">
          {ticks.map((ms) => (
            // The last one stands before its line, where there is no room behind it.
            <text key={ms} x={at(ms)} y="12" text-anchor={ms > 0.9 * lengthMs ? "end" : "start"}>
              {duration(ms)}
            </text>
          ))}
        </svg>
      </li>
      {bars.map(({ attempt, fromMs, toMs }, index) => {
        const kind = kindOf(attempt)
        // Attempts follow one another but where a second candidate is asked beside a late one.
        const isHedge = (bars[index - 1]?.toMs ?? 0) > fromMs
        const firstTokenMs = attempt.answered ? first_token_ms : null
        return (
          <li key={attempt.ordinal}>
            <span class="name">
              <Text value={attempt.model} />
              <small class="under">
                <Text value={attempt.provider} />
              </small>
            </span>
            <svg aria-hidden="true">
              {ticks.map((ms) => (
                <line key={ms} class="tick" x1={at(ms)} x2={at(ms)} y1="0" y2="100%" />
              ))}
              <rect
                class={kind}
                x={at(fromMs)}
                y="25%"
                width={at(Math.max(toMs - fromMs, lengthMs / 200))}
                height="50%"
                rx="3"
              />
              {firstTokenMs !== null && (
                <line class="first-token" x1={at(firstTokenMs)} x2={at(firstTokenMs)} y1="8%" y2="92%" />
              )}
            </svg>
            <span class="what">
              <Badge kind={kind}>
                {outcomeText(attempt.outcome)}
                {attempt.upstream_status !== null &&
                  attempt.upstream_status >= 400 &&
                  ` ${attempt.upstream_status}`}
              </Badge>{" "}
              {duration(toMs - fromMs)}
              <small class="under">
                {isHedge ? "as a hedge beside the one before, " : ""}from {duration(fromMs)}
                {firstTokenMs !== null && `, first token at ${duration(firstTokenMs)}`}
                {attempt.dispatched === "no" && ", never sent"}
                {attempt.dispatched === "unknown" && ", may have been billed"}
              </small>
            </span>
          </li>
        )
      })}
    </ol>
  )
}

const kindOf = ({ outcome }: Attempt) => {
  if (outcome === "success") return "good"
  return outcome === "hedged" || outcome === "cancelled" ? "plain" : "bad"
}

const OUTCOMES: Readonly<Record<string, string>> = {
  success: "answered",
  hedged: "another was sooner",
  cancelled: "cancelled",
  lost: "gateway died",
}

const outcomeText = (outcome: string): string => OUTCOMES[outcome] ?? outcome.replaceAll("_", " ")
