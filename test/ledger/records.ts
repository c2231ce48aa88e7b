import { randomUUID } from "node:crypto"
import fc from "fast-check"
import { KeyId, RequestId } from "../../src/domain/Ids.ts"
import type { AttemptRecord, LedgerRecord } from "../../src/ledger/LedgerRecord.ts"

/** Records for the tests of ledger and analytics, and the usage that a database must show for them. */

export const HOUR_MS = 3_600_000

/** A whole UTC day, so that expectations about hours and days are easy to read. */
export const DAY = Date.UTC(2026, 10, 23)

export const attempt: AttemptRecord = {
  provider: "openai",
  model: "gpt-5-mini",
  startedAt: DAY + 5,
  latencyMs: 790,
  outcome: "success",
  dispatched: "answered",
  upstreamStatus: 200,
  usage: { inputTokens: 120, outputTokens: 55, cachedTokens: 20, cacheWriteTokens: 0, reasoningTokens: 5 },
  usageEstimated: false,
  costNanoUsd: 140_000,
}

export const record = (changes: Partial<LedgerRecord> = {}): LedgerRecord => ({
  id: RequestId.make(randomUUID()),
  requests: 1,
  startedAt: DAY,
  latencyMs: 812,
  keyId: KeyId.make("AdaAdaAdaAda"),
  team: null,
  user: null,
  tags: [],
  endpoint: "/infer",
  route: "auto",
  requestedModel: "auto",
  provider: "openai",
  model: "gpt-5-mini",
  status: 200,
  errorCode: null,
  stream: false,
  firstTokenMs: null,
  finishReason: "stop",
  usage: { inputTokens: 120, outputTokens: 55, cachedTokens: 20, cacheWriteTokens: 0, reasoningTokens: 5 },
  usageEstimated: false,
  rawUsage: { prompt_tokens: 120, completion_tokens: 55 },
  costNanoUsd: 140_000,
  costReason: null,
  priceVersion: "list@2026-11-23",
  decision: { route: "auto", chosen: "openai/gpt-5-mini" },
  attempts: [attempt],
  ...changes,
})

/** The same for the same number, in whichever process; they spread over some hours and over streams and answers. */
export const numberedRecord = (n: number): LedgerRecord =>
  record({
    id: RequestId.make(`00000000-0000-7000-8000-${String(n).padStart(12, "0")}`),
    startedAt: DAY + (n % 3) * HOUR_MS,
    latencyMs: n % 50,
    stream: n % 2 === 1,
  })

const usage = fc.option(
  fc
    .tuple(
      fc.nat(1_000_000_000),
      fc.nat(1_000_000_000),
      fc.nat(100),
      fc.nat(100),
      fc.record(
        {
          serviceTier: fc.constantFrom("flex", "priority"),
          reportedNanoUsd: fc.nat(),
          details: fc.constantFrom(
            { web_searches: 3 },
            { audio_input_tokens: 1, audio_output_tokens: 1, cache_write_1h_tokens: 1 },
          ),
        },
        { requiredKeys: [] },
      ),
    )
    .map(([inputTokens, outputTokens, cachedTokens, reasoningTokens, more]) => ({
      inputTokens: inputTokens + 2 * cachedTokens + 3,
      outputTokens: outputTokens + reasoningTokens + 1,
      cachedTokens,
      cacheWriteTokens: cachedTokens + 1,
      reasoningTokens,
      ...more,
    })),
)

const cost = fc.option(fc.oneof(fc.nat(), fc.nat({ max: 2 ** 40 })))

const answeredBy = fc.constantFrom(
  { provider: "openai", model: "gpt-5-mini" },
  { provider: "openai", model: "gpt-5" },
  { provider: "gemini", model: "gemini-3-flash" },
)

/** What can happen: answers, streams that broke, refusals before anyone was asked, failures with and without tokens. */
export const anyRecord: fc.Arbitrary<LedgerRecord> = fc
  .record({
    id: fc.uuid().map((id) => RequestId.make(id)),
    // Six hours around a midnight.
    startedAt: fc.integer({ min: DAY - 3 * HOUR_MS, max: DAY + 3 * HOUR_MS - 1 }),
    latencyMs: fc.oneof(fc.nat(20), fc.nat(5_000), fc.nat(2 ** 31 - 1)),
    keyId: fc.constantFrom("AdaAdaAdaAda", "BobBobBobBob", "EveEveEveEve").map((id) => KeyId.make(id)),
    stream: fc.boolean(),
    endpoint: fc.constantFrom("/infer", "/v1/chat/completions"),
    team: fc.option(fc.constantFrom("ads", "search")),
    user: fc.option(fc.constantFrom("ada", "bob", "eve")),
    tags: fc.subarray(["batch", "eu", "prod"]),
    usageEstimated: fc.boolean(),
    answer: fc.oneof(
      fc.record({
        status: fc.constant(200),
        errorCode: fc.constant(null),
        by: answeredBy,
        usage,
        costNanoUsd: cost,
      }),
      fc.record({
        // 200: a stream that broke after its start.
        status: fc.constantFrom(200, 400, 499, 502),
        errorCode: fc.constant("failed"),
        by: fc.option(answeredBy),
        usage,
        costNanoUsd: cost,
      }),
    ),
    attempts: fc.array(
      fc.record({ by: answeredBy, usage, usageEstimated: fc.boolean(), costNanoUsd: cost }),
      { maxLength: 4 },
    ),
    /** Whether the answer has the attempt that it came from, as a real one has. */
    traced: fc.boolean(),
  })
  .map(({ answer, attempts, traced, ...rest }) =>
    record({
      ...rest,
      status: answer.status,
      firstTokenMs: rest.stream ? Math.floor(rest.latencyMs / 3) : null,
      errorCode: answer.errorCode,
      provider: answer.by?.provider ?? null,
      model: answer.by?.model ?? null,
      usage: answer.usage,
      costNanoUsd: answer.costNanoUsd,
      costReason: answer.costNanoUsd === null ? "missing_usage" : null,
      attempts: [
        ...attempts.map(({ by, ...change }) => ({ ...attempt, ...by, ...change })),
        ...(traced && answer.by
          ? [{ ...attempt, ...answer.by, usage: answer.usage, costNanoUsd: answer.costNanoUsd }]
          : []),
      ],
    }),
  )

/** No two records with one id. */
export const anyRecords = (maxLength: number): fc.Arbitrary<ReadonlyArray<LedgerRecord>> =>
  fc.uniqueArray(anyRecord, { maxLength, selector: ({ id }) => id })

/** Usage of one group, in nano-dollars, with the latency of every success. */
export interface Usage {
  requests: number
  errors: number
  input_tokens: number
  output_tokens: number
  cached_tokens: number
  reasoning_tokens: number
  /** Sums of money are more than numbers hold exactly. */
  cost_nano_usd: bigint
  unpriced_requests: number
  wasted_nano_usd: bigint
  unpriced_attempts: number
  latencies: Array<number>
}

/** What tells the groups of usage apart. */
export type Cell = Pick<
  LedgerRecord,
  "startedAt" | "keyId" | "provider" | "model" | "stream" | "endpoint" | "team" | "user" | "tags"
>

export const isFailure = ({ errorCode }: LedgerRecord) => errorCode !== null

/** The last attempt, where the answer is its. */
const answeringAttempt = ({ attempts, provider, model }: LedgerRecord): AttemptRecord | undefined => {
  const last = attempts.at(-1)
  return last?.provider === provider && last?.model === model ? last : undefined
}

/**
 * The definition of usage: every record counted once into each group that `groupsOf` names, and the cost of each of its
 * attempts but the answer's into the group of the same with the attempt's provider and model; those that used tokens at an unknown
 * cost are counted there.
 */
export const foldUsage = (
  records: ReadonlyArray<LedgerRecord>,
  groupsOf: (cell: Cell) => string | ReadonlyArray<string>,
  isWanted: (cell: Cell) => boolean = () => true,
): Map<string, Usage> => {
  const groups = new Map<string, Usage>()
  const groupsFor = (cell: Cell): ReadonlyArray<Usage> => {
    if (!isWanted(cell)) return []
    const named = groupsOf(cell)
    return (typeof named === "string" ? [named] : named).map((name) => {
      const group = groups.get(name) ?? {
        requests: 0,
        errors: 0,
        input_tokens: 0,
        output_tokens: 0,
        cached_tokens: 0,
        reasoning_tokens: 0,
        cost_nano_usd: 0n,
        unpriced_requests: 0,
        wasted_nano_usd: 0n,
        unpriced_attempts: 0,
        latencies: [],
      }
      groups.set(name, group)
      return group
    })
  }
  for (const record of records) {
    const answering = answeringAttempt(record)
    for (const { provider, model, costNanoUsd, usage } of record.attempts.filter(
      (each) => each !== answering,
    )) {
      if (costNanoUsd === 0 || (costNanoUsd === null && usage === null)) continue
      for (const group of groupsFor({ ...record, provider, model })) {
        if (costNanoUsd === null) group.unpriced_attempts += 1
        else group.wasted_nano_usd += BigInt(costNanoUsd)
      }
    }
    for (const group of groupsFor(record)) {
      const failed = isFailure(record)
      group.requests += 1
      if (failed) group.errors += 1
      else group.latencies.push(record.latencyMs)
      group.input_tokens += record.usage?.inputTokens ?? 0
      group.output_tokens += record.usage?.outputTokens ?? 0
      group.cached_tokens += record.usage?.cachedTokens ?? 0
      group.reasoning_tokens += record.usage?.reasoningTokens ?? 0
      group.cost_nano_usd += BigInt(record.costNanoUsd ?? 0)
      if (!failed && record.costNanoUsd === null) group.unpriced_requests += 1
    }
  }
  return groups
}
