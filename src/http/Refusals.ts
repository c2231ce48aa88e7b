import type { Socket } from "node:net"
import type { Writable } from "node:stream"
import { Context, Layer } from "effect"

type Response = Writable & { readonly socket: Socket | null }

/** Requests a second that are turned away without consequence for their connections. */
const FREE_PER_SECOND = 200
const HOLD_MS = 1_000

/**
 * Holds back connections whose requests are turned away. A client that comes again at once would have the process do
 * nothing but refuse, at the cost of those it serves; so, when there are many refusals, a connection that got one is not
 * read for as long as its `Retry-After` says.
 */
export class Refusals extends Context.Service<Refusals, { readonly add: (response: Response) => void }>()(
  "gateway/http/Refusals",
) {
  static readonly layer = Layer.sync(Refusals, () => {
    let second = 0
    let count = 0
    return Refusals.of({
      add: (response) => {
        const now = Math.floor(performance.now() / 1000)
        count = now === second ? count + 1 : 1
        second = now
        // Taken now: a response that is finished has let go of it.
        const { socket } = response
        if (count > FREE_PER_SECOND && socket !== null) response.once("finish", () => holdBack(socket))
      },
    })
  })
}

const holdBack = (socket: Socket): void => {
  // Not at once: Node reads on for what is left of the request.
  setImmediate(() => socket.pause())
  setTimeout(() => socket.resume(), HOLD_MS)
}
