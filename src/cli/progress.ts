import { Clock, Console, Effect } from "effect"

const EVERY_MS = 2_000

/** Says on stderr now and then how far long work is; work that ends sooner says nothing. */
export const makeProgress = Effect.map(Clock.Clock, (clock) => {
  const startedMs = clock.currentTimeMillisUnsafe()
  let saidMs = startedMs
  return (done: number, total: number, what: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const nowMs = clock.currentTimeMillisUnsafe()
      if (nowMs - saidMs < EVERY_MS) return Effect.void
      saidMs = nowMs
      const perSecond = Math.round((done * 1000) / (nowMs - startedMs))
      const rate = perSecond === 0 ? "" : `, ${perSecond.toLocaleString("en")}/s`
      return Console.error(`${done.toLocaleString("en")} of ${total.toLocaleString("en")} ${what}${rate}`)
    })
})
