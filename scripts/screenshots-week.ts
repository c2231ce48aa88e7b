/** A week as a company has it, for pictures: records of requests that the ledger takes as its own. */
import { randomUUID } from "node:crypto"
import { KeyId, RequestId } from "../src/domain/Ids.ts"
import type { AttemptRecord, LedgerRecord } from "../src/ledger/LedgerRecord.ts"

const HOUR_MS = 3_600_000

/** Who asks: shares of the traffic, and what they ask by. */
export interface Asker {
  readonly keyId: string
  readonly team: string
  readonly tags: ReadonlyArray<string>
  readonly share: number
  readonly route: string
  readonly endpoint: string
  readonly streams: number
}

/** Provider, model, share, median milliseconds, nano-dollars per token in and out. */
const models = [
  ["openai", "gpt-5.4-mini", 0.4, 900, 250, 2_000],
  ["gemini", "gemini-3.8-flash", 0.25, 720, 1_500, 7_500],
  ["anthropic", "claude-haiku-5-5", 0.2, 650, 100, 500],
  ["anthropic", "claude-sonnet-5-5", 0.15, 1_900, 2_000, 10_000],
] as const

/** The same pictures each time. */
const drawsFrom = (seed: number) => {
  let state = seed
  const draw = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw())
  const oneOf = <A>(items: ReadonlyArray<A>, shareOf: (item: A) => number): A => {
    let left = draw() * items.reduce((sum, item) => sum + shareOf(item), 0)
    for (const item of items) {
      left -= shareOf(item)
      if (left <= 0) return item
    }
    return items[items.length - 1] as A
  }
  return { draw, normal, oneOf }
}

/** Of the most requests in an hour: nights and weekends are quiet. */
const traffic = (ms: number): number => {
  const date = new Date(ms)
  const [hour, day] = [date.getUTCHours(), date.getUTCDay()]
  const ofDay = 0.12 + 0.88 * Math.max(0, Math.sin(((hour - 5) / 16) * Math.PI))
  return ofDay * (day === 0 || day === 6 ? 0.35 : 1)
}

/** Makes the requests of two weeks, the second a little busier; in it one provider is out for two hours. */
export const makeWeeks = (askers: ReadonlyArray<Asker>, untilMs: number): ReadonlyArray<LedgerRecord> => {
  const { draw, normal, oneOf } = drawsFrom(20_261_129)
  const records: Array<LedgerRecord> = []
  const fromMs = untilMs - 14 * 24 * HOUR_MS
  const outageMs = untilMs - 52 * HOUR_MS
  for (let hourMs = fromMs; hourMs < untilMs; hourMs += HOUR_MS) {
    const growth = hourMs < untilMs - 7 * 24 * HOUR_MS ? 1 : 1.18
    const many = Math.round(traffic(hourMs) * 150 * growth * (0.9 + 0.2 * draw()))
    for (let i = 0; i < many; i++) {
      const startedAt = Math.floor(hourMs + draw() * HOUR_MS)
      if (startedAt >= untilMs) continue
      const isOut = startedAt > outageMs && startedAt < outageMs + 2 * HOUR_MS
      const asker = oneOf(askers, ({ share }) => share)
      const chosen = oneOf(models, ([, , share]) => share)
      const fails = isOut && chosen[0] === "anthropic"
      const [provider, model, , median, perIn, perOut] = fails ? models[0] : chosen
      const latencyMs = Math.round(median * Math.exp(0.45 * normal()))
      const failedMs = fails ? Math.round(300 + 900 * draw()) : 0
      const stream = draw() < asker.streams
      const usage = {
        inputTokens: Math.round(420 * Math.exp(0.9 * normal())),
        outputTokens: Math.round(160 * Math.exp(0.7 * normal())),
        cachedTokens: 0,
        cacheWriteTokens: 0,
        reasoningTokens: 0,
      }
      const costNanoUsd = usage.inputTokens * perIn + usage.outputTokens * perOut
      const refused = draw() < 0.006
      const answered: AttemptRecord = {
        provider,
        model,
        startedAt: startedAt + failedMs,
        latencyMs,
        outcome: "success",
        dispatched: "answered",
        upstreamStatus: 200,
        usage,
        usageEstimated: false,
        costNanoUsd,
      }
      const failed: AttemptRecord = {
        ...answered,
        provider: chosen[0],
        model: chosen[1],
        startedAt,
        latencyMs: failedMs,
        outcome: "server_error",
        upstreamStatus: 503,
        usage: null,
        costNanoUsd: null,
      }
      records.push({
        id: RequestId.make(randomUUID()),
        requests: 1,
        startedAt,
        latencyMs: refused ? 2 : failedMs + latencyMs,
        keyId: KeyId.make(asker.keyId),
        team: asker.team,
        user: `user-${Math.floor(400 * draw() ** 2)}`,
        tags: asker.tags,
        endpoint: asker.endpoint,
        route: refused ? null : asker.route,
        requestedModel: asker.route,
        provider: refused ? null : provider,
        model: refused ? null : model,
        status: refused ? 429 : 200,
        errorCode: refused ? "rate_limited" : null,
        stream,
        firstTokenMs: stream && !refused ? Math.round(latencyMs * (0.25 + 0.2 * draw())) + failedMs : null,
        finishReason: refused ? null : "stop",
        usage: refused ? null : usage,
        usageEstimated: false,
        rawUsage: null,
        costNanoUsd: refused ? null : costNanoUsd,
        costReason: null,
        priceVersion: refused ? null : "built-in@2026-11-28",
        decision: null,
        attempts: refused ? [] : fails ? [failed, answered] : [answered],
      })
    }
  }
  return records
}
