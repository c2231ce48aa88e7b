/**
 * 500 clients ask for much and read none of it, half of them streams: what does each cost beyond what it has not read,
 * and when is it cut? Whole answers are given out as there is room for them, and their clients cannot be told from good ones
 * before. The connections are counted where the gateway sees them, for a client that does not read does not learn that
 * it was cut.
 */
import type { ServerResponse } from "node:http"
import { setTimeout } from "node:timers/promises"
import { residentMiB } from "../proc.ts"
import { post, text } from "../requests.ts"
import type { Attack } from "./arena.ts"
import { chatAs } from "./keys.ts"
import { ITS_MODEL, startProvider } from "./provider.ts"
import { openUnread } from "./unread.ts"
import { clientsOf } from "./watch.ts"

const CONNECTIONS = 500
const STALL_MS = 6_000
/** More than a kernel takes for a client that does not read. */
const WHOLE_BYTES = 4 * 2 ** 20
const PIECE_BYTES = 16_384
const PIECES = 512
const LOOK_EVERY_MS = 200

const whole = Buffer.from(
  JSON.stringify({
    id: "x",
    object: "chat.completion",
    created: 1,
    model: ITS_MODEL,
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "x".repeat(WHOLE_BYTES) },
        finish_reason: "stop",
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  }),
)
const piece = `data: ${JSON.stringify({
  id: "x",
  object: "chat.completion.chunk",
  created: 1,
  model: ITS_MODEL,
  choices: [{ index: 0, delta: { content: "x".repeat(PIECE_BYTES) }, finish_reason: null }],
})}\n\n`

export const slowReaders = async (): Promise<Attack> => {
  let [wholeBytes, streamBytes] = [0, 0]
  const stream = async (response: ServerResponse): Promise<void> => {
    response.setHeader("content-type", "text/event-stream")
    for (let i = 0; i < PIECES && !response.destroyed; i++) {
      await new Promise((resolve) => {
        response.once("close", resolve)
        response.write(piece, () => {
          response.off("close", resolve)
          resolve(undefined)
        })
      })
      streamBytes += piece.length
    }
  }
  const provider = await startProvider("verbose", (response, body) => {
    if (body.includes('"stream":true')) return void stream(response)
    response.setHeader("content-type", "application/json")
    response.end(whole, () => {
      wholeBytes += whole.length
    })
  })
  return {
    providers: provider.entry,
    settings: `timeouts: { client_stall_ms: ${STALL_MS} }`,
    seconds: 20,
    close: provider.close,
    run: async ({ gateway, seconds, affordable, key, note }) => {
      const { pid, port } = gateway()
      const body = { model: ITS_MODEL, messages: [{ role: "user", content: text(200) }] }
      const address = chatAs(await key())
      const expected = { markers: 0, stream: false }
      const half = Math.floor(affordable(CONNECTIONS, 2) / 2)
      const [residentBefore, startedAt] = [residentMiB(pid), performance.now()]
      const groups = [
        { name: "whole", request: post(address, body, expected) },
        { name: "streams", request: post(address, { ...body, stream: true }, expected) },
      ].map(({ name, request }) => ({
        name,
        sockets: openUnread(port, request.bytes, half),
        left: half,
        /** The most that the kernel held for one on the mean. */
        kernelBytes: 0,
        /** Seconds after which one, half and all of them were cut. */
        cut: [1, half / 2, half].map((count) => ({ count, after: Number.NaN })),
      }))
      let most = 0
      while (performance.now() - startedAt < seconds * 1000) {
        await setTimeout(LOOK_EVERY_MS)
        most = Math.max(most, residentMiB(pid))
        const after = (performance.now() - startedAt) / 1000
        const clients = clientsOf(port)
        for (const group of groups) {
          const held = group.sockets.flatMap(({ localPort }) => clients.get(localPort ?? 0) ?? [])
          group.left = held.length
          group.kernelBytes = Math.max(group.kernelBytes, held.reduce((sum, bytes) => sum + bytes, 0) / half)
          // Opening them takes a moment.
          if (after < STALL_MS / 2000) continue
          for (const mark of group.cut) {
            if (Number.isNaN(mark.after) && half - group.left >= mark.count) mark.after = after
          }
        }
      }
      const sockets = groups.flatMap((group) => group.sockets)
      for (const socket of sockets) socket.destroy()
      const kiB = (bytes: number) => `${Math.round(bytes / 1024)} KiB`
      const grown = ((most - residentBefore) * 2 ** 20) / sockets.length
      const [kernelWhole = 0, kernelStream = 0] = groups.map(({ kernelBytes }) => kernelBytes)
      const unread = Math.max(0, wholeBytes / half - kernelWhole) / 2
      note(
        `each cost ${kiB(grown)} of resident memory, ${kiB(grown - unread)} beyond what whole answers have unread; ` +
          `the kernel held ${kiB(kernelWhole)} of ${kiB(wholeBytes / half)} of a whole answer and ${kiB(kernelStream)} ` +
          `of ${kiB(streamBytes / half)} that the provider sent of a stream`,
      )
      for (const { name, cut, left } of groups) {
        const [first, middle, last] = cut.map(({ after }) =>
          Number.isNaN(after) ? "never" : after.toFixed(1),
        )
        note(`${name}: cut after ${first} s (first), ${middle} (half), ${last} (all), ${left} left`)
      }
      const faults = groups.flatMap(({ cut: [first, , last], left, name }) => {
        const late = name === "streams" ? last : first
        return late === undefined || Number.isNaN(late.after)
          ? [`${left} of ${half} ${name} that nobody reads were there after ${seconds} s`]
          : []
      })
      return { sent: sockets.length, statuses: {}, faults }
    },
  }
}
