import type { Socket } from "node:net"
import { Context, Layer } from "effect"

/** Requests a second that are turned away without consequence for their connections. */
const FREE_PER_SECOND = 200
const HOLD_MS = 1_000

/**
 * Holds back connections whose requests are turned away. A client that comes again at once would have the process do
 * nothing but refuse, at the cost of those it serves; so, when there are many refusals, a connection that got one is not
 * heard for as long as its `Retry-After` says.
 */
export class Refusals extends Context.Service<
  Refusals,
  {
    readonly add: (response: { readonly socket: Socket | null }) => void
    /** Returns for how long a request that came on this connection has to wait. */
    readonly heldForMs: (socket: Socket) => number
  }
>()("gateway/http/Refusals") {
  static readonly layer = Layer.sync(Refusals, () => {
    const heldUntil = new WeakMap<Socket, number>()
    let second = 0
    let count = 0
    return Refusals.of({
      add: ({ socket }) => {
        const now = performance.now()
        const thisSecond = Math.floor(now / 1000)
        count = thisSecond === second ? count + 1 : 1
        second = thisSecond
        if (count > FREE_PER_SECOND && socket !== null) heldUntil.set(socket, now + HOLD_MS)
      },
      heldForMs: (socket) => {
        const until = heldUntil.get(socket)
        if (until === undefined) return 0
        const leftMs = until - performance.now()
        if (leftMs > 0) return leftMs
        heldUntil.delete(socket)
        return 0
      },
    })
  })
}
