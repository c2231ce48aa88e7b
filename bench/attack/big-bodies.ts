/** 200 valid requests of one key at once, each as large as the gateway takes, again and again. */
import { closedLoop } from "../load.ts"
import { chat } from "../requests.ts"
import { type Attack, deedsOf } from "./arena.ts"
import { chatAs } from "./keys.ts"

const CONNECTIONS = 200
const TRIED_BYTES = 32 * 1024 * 1024
const ROOM_FOR_HEAD = 200
const HANGS_MS = 10_000

/** Returns the largest body that the gateway takes, up to 32 MiB: a 413 says what it would have taken. */
const largestBody = async (port: number, key: string): Promise<number> => {
  const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: "x".repeat(TRIED_BYTES),
  }).catch(() => undefined)
  const said = response?.status === 413 ? /may have (\d+) bytes/.exec(await response.text()) : null
  return said === null ? TRIED_BYTES : Number(said[1])
}

export const bigBodies = (): Attack => ({
  run: async ({ gateway, seconds, affordable, key, note }) => {
    const owner = await key()
    const { port } = gateway()
    const bytes = await largestBody(port, owner)
    note(`bodies of ${(bytes / 2 ** 20).toFixed(1)} MiB`)
    const request = chat(chatAs(owner), bytes - ROOM_FOR_HEAD)
    return deedsOf(await closedLoop(port, request, affordable(CONNECTIONS, 2), seconds, HANGS_MS))
  },
})
