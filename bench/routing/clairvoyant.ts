import type { Policy } from "./play.ts"
import type { Expectation, Run } from "./world.ts"

const score = (ms: number, usd: number, unit: { readonly ms: number; readonly usd: number }): number =>
  0.6 * (ms / unit.ms) + 0.4 * (usd / unit.usd)

/** Returns the position of the best to ask first, and its loss, when who fails is followed by the best of the others. */
const bestOf = (
  expectations: ReadonlyArray<readonly [candidate: number, expected: Expectation]>,
  unit: { readonly ms: number; readonly usd: number },
): { readonly candidate: number; readonly loss: number } => {
  const alone = expectations.map(([candidate, { burdenMs, failure, failureMs, ms, usd }]) => ({
    candidate,
    failure,
    loss: (1 - failure) * score(ms + burdenMs, usd, unit) + failure * score(failureMs, 0, unit),
  }))
  let best = { candidate: alone[0]?.candidate ?? 0, loss: Number.POSITIVE_INFINITY }
  for (const first of alone) {
    let next = first.failure > 0 ? 100 : 0
    for (const other of alone) {
      if (other !== first && other.failure < 1) next = Math.min(next, other.loss / (1 - other.failure))
    }
    const loss = first.loss + first.failure * next
    if (loss < best.loss) best = { candidate: first.candidate, loss }
  }
  return best
}

/**
 * Knows how every candidate is at every moment, what it has in its cache and what a call adds to those under way, how long answers are of this kind, and how long
 * conversations and their breaks are; but no draw of luck: the least loss that anybody can expect.
 */
export const clairvoyant = (run: Run): Policy => {
  const future = futureOf(run)
  return {
    choose: (request, { conversation }, rest, nowMs) => {
      const unit = run.unit(request)
      return bestOf(
        rest.map((candidate) => {
          const now = run.expect(request, candidate, nowMs)
          if (conversation === undefined) return [candidate, now] as const
          // What a turn leaves in a cache is worth something to those that follow.
          const warm = run.expect(request, candidate, nowMs, "warm")
          const cold = run.expect(request, candidate, nowMs, "cold")
          const hit = future.hits[candidate] ?? 0
          const onward = (of: (expected: Expectation) => number): number =>
            (of(now) + future.rest * (hit * of(warm) + (1 - hit) * of(cold))) / (1 + future.rest)
          return [candidate, { ...now, ms: onward(({ ms }) => ms), usd: onward(({ usd }) => usd) }] as const
        }),
        unit,
      ).candidate
    },
  }
}

/** Turns that follow one, on average, and by candidate how often the next one comes while the cache holds the last. */
const futureOf = (run: Run): { readonly rest: number; readonly hits: ReadonlyArray<number> } => {
  const gaps: Array<number> = []
  let conversations = 0
  for (const [request, { atMs, conversation }] of run.asks.entries()) {
    if (conversation === undefined) continue
    const before = run.asks[run.turnBefore[request] ?? -1]
    if (before === undefined) conversations += 1
    else gaps.push(atMs - before.atMs)
  }
  return {
    rest: conversations === 0 ? 0 : gaps.length / conversations,
    hits: run.world.candidates.map(({ cacheMs = 0 }) =>
      gaps.length === 0 ? 0 : gaps.filter((gapMs) => gapMs < cacheMs).length / gaps.length,
    ),
  }
}
