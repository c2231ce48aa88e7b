import { Option, Schema } from "effect"
import { KeyId, RequestId } from "../domain/Ids.ts"
import type { AttemptIntent, LedgerRecord } from "./LedgerRecord.ts"

/** An upstream call that is about to leave, as a line of JSON, and what becomes of it when its process dies. */

const Intent = Schema.Struct({
  id: RequestId,
  requestStartedAt: Schema.Finite,
  keyId: KeyId,
  team: Schema.optionalKey(Schema.String),
  user: Schema.optionalKey(Schema.String),
  tags: Schema.optionalKey(Schema.Array(Schema.String)),
  endpoint: Schema.String,
  route: Schema.NullOr(Schema.String),
  requestedModel: Schema.String,
  stream: Schema.Boolean,
  provider: Schema.String,
  model: Schema.String,
  startedAt: Schema.Finite,
  charges: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        holder: Schema.String,
        nano_usd: Schema.Int,
        windows: Schema.Array(Schema.Tuple([Schema.Int, Schema.NullOr(Schema.Finite)])),
      }),
    ),
  ),
})

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Intent))

/** The client's own word for the model can be as long as a body. */
const MAX_REQUESTED_MODEL = 200

export const intentLine = (intent: AttemptIntent): string =>
  JSON.stringify(
    intent.requestedModel.length > MAX_REQUESTED_MODEL
      ? { ...intent, requestedModel: intent.requestedModel.slice(0, MAX_REQUESTED_MODEL) }
      : intent,
  )

/** The record of a request that its process died over, from the lines of its intents; undefined when none is legible. */
export const lostRequest = (lines: ReadonlyArray<string>): LedgerRecord | undefined => {
  const calls = lines.flatMap((line) => Option.toArray(decode(line)))
  const [first] = calls
  if (first === undefined) return undefined
  const { charges } = calls.at(-1) ?? first
  return {
    requests: 1,
    id: first.id,
    startedAt: first.requestStartedAt,
    latencyMs: 0,
    keyId: first.keyId,
    team: first.team ?? null,
    user: first.user ?? null,
    tags: first.tags ?? [],
    endpoint: first.endpoint,
    route: first.route,
    requestedModel: first.requestedModel,
    provider: null,
    model: null,
    status: 500,
    errorCode: "gateway_crashed",
    stream: first.stream,
    firstTokenMs: null,
    finishReason: null,
    usage: null,
    usageEstimated: false,
    rawUsage: null,
    costNanoUsd: null,
    costReason: "gateway_crashed",
    priceVersion: null,
    decision: null,
    // Each note has all of the request's until then: the provider may have billed what is not known to have cost nothing.
    ...(charges !== undefined && { charges }),
    attempts: calls.map(({ provider, model, startedAt }) => ({
      provider,
      model,
      startedAt,
      latencyMs: 0,
      outcome: "lost",
      dispatched: "unknown",
      upstreamStatus: null,
      usage: null,
      usageEstimated: false,
      costNanoUsd: null,
    })),
  }
}
