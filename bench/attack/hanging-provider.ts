/** Of two providers of route `auto` the preferred one takes requests and answers no more: who has to wait for it? */
import { MARKERS_IN_ANSWER } from "../answers.ts"
import { openLoop } from "../load.ts"
import { post, text } from "../requests.ts"
import { type Attack, deedsOf } from "./arena.ts"
import { chatAs } from "./keys.ts"
import { answerLater, ITS_MODEL, type Provider, preferred, startProvider } from "./provider.ts"

const RATE = 30
const ANSWER_MS = 30
const HANGS_MS = 10_000

export const hangingProvider = async (): Promise<Attack> => {
  let hanging: Provider | undefined
  const start = async (name: string): Promise<Provider> => {
    const provider = await startProvider(name, (response) => {
      if (hanging !== provider) answerLater(response, ANSWER_MS)
    })
    return provider
  }
  const [one, other] = [await start("one"), await start("other")]
  return {
    providers: one.entry + other.entry,
    settings: `routes: { auto: { candidates: [one/${ITS_MODEL}, other/${ITS_MODEL}] } }`,
    bystander: { model: "auto" },
    close: async () => {
      await Promise.all([one.close(), other.close()])
    },
    run: async ({ gateway, seconds, key, note }) => {
      const sick = preferred(one, other)
      const well = sick === one ? other : one
      hanging = sick
      const [sickBefore, wellBefore] = [sick.calls(), well.calls()]
      const body = { model: "auto", messages: [{ role: "user", content: text(200) }] }
      const request = post(chatAs(await key()), body, { markers: MARKERS_IN_ANSWER, stream: false })
      const load = await openLoop(gateway().port, request, RATE, seconds, { hangsMs: HANGS_MS })
      note(
        `calls to the hanging provider ${sick.calls() - sickBefore}, to the other ${well.calls() - wellBefore}`,
      )
      return deedsOf(load)
    },
  }
}
