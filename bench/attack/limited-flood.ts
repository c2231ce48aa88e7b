/** A key of one request a minute sends bodies of 2 MB as fast as it can: what does each refusal cost? */
import { closedLoop } from "../load.ts"
import { chat } from "../requests.ts"
import { type Attack, deedsOf } from "./arena.ts"
import { chatAs } from "./keys.ts"

const CONNECTIONS = 16
const BODY_BYTES = 2_000_000
const HANGS_MS = 5_000

export const limitedFlood = (): Attack => ({
  run: async ({ gateway, seconds, key }) => {
    const request = chat(chatAs(await key(1)), BODY_BYTES)
    return deedsOf(await closedLoop(gateway().port, request, CONNECTIONS, seconds, HANGS_MS))
  },
})
