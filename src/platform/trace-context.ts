import { Context, Effect, Tracer } from "effect"

/**
 * W3C Trace Context on its way from a client's request to the calls that are made for it. Only where traces are sent: else no
 * call has a header field more, and nothing is kept. Baggage is never passed on.
 */

/** `tracestate` of the request that a fiber works for; undefined: none that goes on. */
export const TraceState = Context.Reference<string | undefined>("gateway/platform/TraceState", {
  defaultValue: () => undefined,
})

const MEMBER =
  /^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/

const MAX_MEMBERS = 32
/** What everybody has to pass on; a longer one stays here. */
const MAX_LENGTH = 512

/** Returns a `tracestate` that may go on as it came; undefined for a malformed one, as the standard has it. */
export const passableTraceState = (header: string | undefined): string | undefined => {
  if (header === undefined || header.length > MAX_LENGTH) return undefined
  const members = header.split(",").map((member) => member.trim())
  const named = members.filter((member) => member !== "")
  if (named.length === 0 || members.length > MAX_MEMBERS) return undefined
  return named.every((member) => MEMBER.test(member)) ? named.join(",") : undefined
}

/** Makes the header fields that make a call a child of the span that it is made in: names and values in turn. */
export const traceHeaders: Effect.Effect<ReadonlyArray<string>> = Effect.contextWith(
  (context: Context.Context<never>) => {
    const span = Context.getOption(context, Tracer.ParentSpan)
    if (span._tag === "None" || !/^[0-9a-f]{16}$/.test(span.value.spanId)) return Effect.succeed([])
    const { sampled, spanId, traceId } = span.value
    const parent = ["traceparent", `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`]
    const state = Context.get(context, TraceState)
    return Effect.succeed(state === undefined ? parent : [...parent, "tracestate", state])
  },
)
