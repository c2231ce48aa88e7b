import { Effect } from "effect"
import { VirtualTime } from "../../test/support/virtual-time.ts"
import type { Ask, Fate, Run } from "./world.ts"

/** A way to choose whom to ask, told of nothing but what a gateway can see. */
export interface Policy {
  /** Chooses among candidates that were not asked for this request yet; `rest` is never empty. */
  readonly choose: (request: number, ask: Ask, rest: ReadonlyArray<number>, nowMs: number) => number
  readonly started?: (candidate: number, nowMs: number) => void
  readonly ended?: (candidate: number, seen: Seen, nowMs: number) => void
}

/** What a gateway sees of how a call went. */
export interface Seen {
  readonly kind: Fate["kind"]
  /** To the first token of a stream, to the end of a whole answer, to the failure. */
  readonly ms: number
  readonly totalMs: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly retryAfterMs: number | undefined
}

/** What a request came to. */
export interface Served {
  readonly ms: number
  readonly usd: number
  readonly attempts: number
  readonly answeredBy: number | undefined
}

const MAX_ATTEMPTS = 4
/** A rival's patience with a call that hangs. */
const HANG_MS = 60_000
/** What takes longer is no answer any more. */
export const DEADLINE_MS = 600_000

/** Plays a world with a policy that falls back to its next choice at once, and asks nobody twice. */
export const play = (run: Run, makePolicy: (run: Run) => Policy): ReadonlyArray<Served> => {
  const policy = makePolicy(run)
  const time = new VirtualTime(0)
  const served: Array<Served> = []
  const all = run.world.candidates.map((_, position) => position)

  const attempt = (
    request: number,
    ask: Ask,
    rest: ReadonlyArray<number>,
    usd: number,
    attempts: number,
  ): void => {
    const candidate = policy.choose(request, ask, rest, time.nowMs)
    const startedMs = time.nowMs
    policy.started?.(candidate, startedMs)
    const fate = run.begin(request, candidate, attempts, startedMs)
    const untilMs = ask.atMs + DEADLINE_MS - startedMs
    const totalMs = Math.min(fate.totalMs, fate.kind === "hangs" ? HANG_MS : untilMs)
    const ms = run.mode === "stream" ? Math.min(fate.firstMs, totalMs) : totalMs
    const answered =
      fate.kind === "answers" && (run.mode === "stream" ? fate.firstMs : fate.totalMs) <= untilMs
    time.at(startedMs + totalMs, () => {
      run.end(request, candidate, fate, time.nowMs)
      const { kind, outputTokens, retryAfterMs } = fate
      const { inputTokens } = ask
      policy.ended?.(candidate, { kind, ms, totalMs, inputTokens, outputTokens, retryAfterMs }, time.nowMs)
      const spent = usd + fate.usd
      const left = rest.filter((other) => other !== candidate)
      if (answered || left.length === 0 || attempts + 1 >= MAX_ATTEMPTS || totalMs >= untilMs) {
        served[request] = {
          ms: startedMs - ask.atMs + ms,
          usd: spent,
          attempts: attempts + 1,
          answeredBy: answered ? candidate : undefined,
        }
      } else attempt(request, ask, left, spent, attempts + 1)
    })
  }
  for (const [request, ask] of run.asks.entries()) time.at(ask.atMs, () => attempt(request, ask, all, 0, 0))
  time.run(Effect.sleep((run.asks.at(-1)?.atMs ?? 0) + 2 * DEADLINE_MS))
  return served
}

const UNANSWERED_UNITS = 20

export interface Result {
  /** Mean over requests of 0.6 x time + 0.4 x price, each in units of the least possible. */
  readonly loss: number
  readonly meanMs: number
  readonly p95Ms: number
  readonly usdPerThousand: number
  readonly attemptsPerRequest: number
  readonly unanswered: number
  /** Share of requests answered by each candidate. */
  readonly shares: ReadonlyArray<number>
}

export const sumUp = (run: Run, served: ReadonlyArray<Served>): Result => {
  let loss = 0
  let ms = 0
  let usd = 0
  let attempts = 0
  let unanswered = 0
  const shares = run.world.candidates.map(() => 0)
  for (const [request, each] of served.entries()) {
    const unit = run.unit(request)
    const fair = Number.isFinite(unit.ms)
    loss += fair ? 0.6 * (each.ms / unit.ms) + 0.4 * (each.usd / unit.usd) : 0
    if (each.answeredBy === undefined) {
      unanswered += 1
      if (fair) loss += UNANSWERED_UNITS
    } else shares[each.answeredBy] = (shares[each.answeredBy] ?? 0) + 1 / served.length
    ms += each.ms
    usd += each.usd
    attempts += each.attempts
  }
  const times = served.map((each) => each.ms).sort((one, other) => one - other)
  return {
    loss: loss / served.length,
    meanMs: ms / served.length,
    p95Ms: times[Math.floor(0.95 * times.length)] ?? 0,
    usdPerThousand: (1_000 * usd) / served.length,
    attemptsPerRequest: attempts / served.length,
    unanswered,
    shares,
  }
}
