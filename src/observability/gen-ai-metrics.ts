import { Metric } from "effect"
import { labelled, type Update, type UpstreamOutcome } from "./Metrics.ts"
import type { Peer } from "./peers.ts"

/**
 * Metrics of upstream calls by OpenTelemetry's conventions for generative AI, beside the service's own. Labels come from
 * closed sets: configured providers and models, operations, kinds of failures. Nobody makes an update, and so there is no
 * series, where no telemetry is sent.
 */

export type Operation = "chat" | "embeddings"

/** The conventions' boundaries, in seconds and in tokens. */
const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
const TOKENS = [
  1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
]

const histograms = (name: string, description: string, boundaries: ReadonlyArray<number>, last: string) =>
  labelled((attributes) => {
    // A label without a value is none.
    const stated = Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== ""))
    return Metric.histogram(name, { description, boundaries, attributes: stated })
  })<[operation: string, provider: string, model: string, address: string, port: string, last: string]>([
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "server.address",
    "server.port",
    last,
  ])

const operationDuration = histograms(
  "gen_ai.client.operation.duration",
  "GenAI operation duration.",
  SECONDS,
  "error.type",
)

const timeToFirstChunk = histograms(
  "gen_ai.client.operation.time_to_first_chunk",
  "Time to receive the first chunk, measured from when the client issues the generation request to when the first chunk is received in the response stream.",
  SECONDS,
  "error.type",
)

const tokenUsage = histograms(
  "gen_ai.client.token.usage",
  "Number of input and output tokens used.",
  TOKENS,
  "gen_ai.token.type",
)

/** Units that a metric's name does not end in. */
export const units: ReadonlyMap<string, string> = new Map([
  ["gen_ai.client.operation.duration", "s"],
  ["gen_ai.client.operation.time_to_first_chunk", "s"],
  ["gen_ai.client.token.usage", "{token}"],
])

/** One upstream call that is over. */
interface Ended {
  readonly operation: Operation
  readonly peer: Peer
  readonly model: string
  readonly outcome: UpstreamOutcome
  readonly durationMs: number
  /** Undefined: the answer travelled whole, or did not begin. */
  readonly firstTokenMs: number | undefined
  /** As the provider counted them; undefined where it did not, or not to the end. */
  readonly tokens: { readonly inputTokens: number; readonly outputTokens: number } | undefined
}

export const measureCall = (
  update: Update,
  { durationMs, firstTokenMs, model, operation, outcome, peer, tokens }: Ended,
): void => {
  const labels = [operation, peer.system, model, peer.address ?? "", String(peer.port ?? "")] as const
  update(operationDuration(...labels, outcome === "success" ? "" : outcome), durationMs / 1000)
  if (firstTokenMs !== undefined) update(timeToFirstChunk(...labels, ""), firstTokenMs / 1000)
  if (tokens === undefined) return
  update(tokenUsage(...labels, "input"), tokens.inputTokens)
  if (operation === "chat") update(tokenUsage(...labels, "output"), tokens.outputTokens)
}
