/** Of two providers the preferred one turns ten times slower under load: what share of requests does it still get? */
import { setTimeout } from "node:timers/promises"
import { MARKERS_IN_ANSWER } from "../answers.ts"
import { openLoop } from "../load.ts"
import { post, text } from "../requests.ts"
import { type Attack, deedsOf } from "./arena.ts"
import { chatAs } from "./keys.ts"
import { answerLater, ITS_MODEL, type Provider, preferred, startProvider } from "./provider.ts"

const RATE = 30
const ANSWER_MS = 40
const TIMES_SLOWER = 10
/** The share that is right for it in the end is that of exploration, 2 %. */
const MOST = 0.1

const percent = (share: number): string => `${Math.round(share * 100)} %`

export const slowProvider = async (): Promise<Attack> => {
  let slow: Provider | undefined
  const start = async (name: string): Promise<Provider> => {
    const provider = await startProvider(name, (response) =>
      answerLater(response, slow === provider ? ANSWER_MS * TIMES_SLOWER : ANSWER_MS),
    )
    return provider
  }
  const [one, other] = [await start("one"), await start("other")]
  return {
    providers: one.entry + other.entry,
    settings: `routes: { auto: { candidates: [one/${ITS_MODEL}, other/${ITS_MODEL}] } }`,
    seconds: 15,
    close: async () => {
      await Promise.all([one.close(), other.close()])
    },
    run: async ({ gateway, seconds, key, note }) => {
      const body = { model: "auto", messages: [{ role: "user", content: text(200) }] }
      const request = post(chatAs(await key()), body, { markers: MARKERS_IN_ANSWER, stream: false })
      const load = openLoop(gateway().port, request, RATE, seconds)
      const third = (seconds * 1000) / 3
      /** Waits for a third of the time; returns the share of the calls in it that a provider got. */
      const shareOf = async (provider: () => Provider): Promise<number> => {
        const before = [one.calls(), other.calls()] as const
        await setTimeout(third)
        const [ones, others] = [one.calls() - before[0], other.calls() - before[1]]
        return (provider() === one ? ones : others) / (ones + others)
      }
      const well = await shareOf(() => preferred(one, other))
      const sick = preferred(one, other)
      slow = sick
      const [turned, later] = [await shareOf(() => sick), await shareOf(() => sick)]
      note(
        `its share ${percent(well)}, once slow ${percent(turned)} for ${third / 1000} s, then ${percent(later)}`,
      )
      return {
        ...deedsOf(await load),
        faults: later > MOST ? [`${percent(later)} of requests went to the slow provider in the end`] : [],
      }
    },
  }
}
