/** 500 requests with Idempotency-Keys for a slow model, each left by its client at once; the work goes on. */
import { randomUUID } from "node:crypto"
import { setTimeout } from "node:timers/promises"
import { MARKERS_IN_ANSWER } from "../answers.ts"
import { Connection } from "../connection.ts"
import { closedLoop } from "../load.ts"
import { chat, post, text } from "../requests.ts"
import type { Attack } from "./arena.ts"
import { chatAs } from "./keys.ts"
import { answerLater, ITS_MODEL, startProvider } from "./provider.ts"

const REQUESTS = 500
const SLOW_MS = 20_000
/** Enough for the requests to arrive. */
const LEAVES_AFTER_MS = 200

export const keyedAbandoned = async (): Promise<Attack> => {
  const provider = await startProvider("slow", (response) => answerLater(response, SLOW_MS))
  return {
    providers: provider.entry,
    bystander: { keyed: true },
    close: provider.close,
    run: async ({ gateway, seconds, affordable, key, note }) => {
      const owner = await key()
      // A key that has to be checked first would keep the requests waiting until their clients have left.
      await closedLoop(gateway().port, chat(chatAs(owner), 1_000), 1, 0.5)
      const connections = Array.from({ length: affordable(REQUESTS, 2) }, () => {
        const connection = new Connection(gateway().port, 4_096)
        const body = { model: ITS_MODEL, messages: [{ role: "user", content: text(200) }] }
        const address = chatAs(owner, { "idempotency-key": randomUUID() })
        connection.send(post(address, body, { markers: MARKERS_IN_ANSWER, stream: false }), () => {})
        return connection
      })
      await setTimeout(LEAVES_AFTER_MS)
      for (const connection of connections) connection.close()
      await setTimeout(seconds * 1000 - LEAVES_AFTER_MS)
      note(`the provider was asked ${provider.calls()} times`)
      return { sent: connections.length, statuses: {} }
    },
  }
}
