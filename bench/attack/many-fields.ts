/** Bodies of 2 MB that are nothing but 180,000 fields which nobody knows, one after the other on two connections. */

import { MARKERS_IN_ANSWER, MODEL } from "../answers.ts"
import { closedLoop } from "../load.ts"
import { post, text } from "../requests.ts"
import { type Attack, deedsOf } from "./arena.ts"
import { chatAs } from "./keys.ts"

const FIELDS = 180_000
const CONNECTIONS = 2
const HANGS_MS = 5_000

export const manyFields = (): Attack => ({
  run: async ({ gateway, seconds, key }) => {
    const fields = Object.fromEntries(Array.from({ length: FIELDS }, (_, i) => [`f${i}`, 1]))
    const request = post(
      chatAs(await key()),
      { model: MODEL, messages: [{ role: "user", content: text(60) }], ...fields },
      { markers: MARKERS_IN_ANSWER, stream: false },
    )
    return deedsOf(await closedLoop(gateway().port, request, CONNECTIONS, seconds, HANGS_MS))
  },
})
