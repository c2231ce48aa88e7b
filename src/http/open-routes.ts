/** What routes that ask for no credential may cost: places of their own, and few. */
import type { Socket } from "node:net"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { GatewayError } from "../domain/GatewayError.ts"
import { whenClosed } from "./connections.ts"
import { errorResponse } from "./error-response.ts"

type Answer<R> = Effect.Effect<HttpServerResponse.HttpServerResponse, never, R>

const full = new GatewayError({
  code: "overloaded",
  detail: "As many clients ask for this as may at a time. Retry shortly.",
  retryAfterMs: 1_000,
})

/** Makes a function that lets an answer be made and sent while fewer than `places` are under way. */
export const withPlaces = (places: number) => {
  let taken = 0
  return <R>(answer: Answer<R>): Answer<R | HttpServerRequest.HttpServerRequest> =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      if (taken >= places) return Effect.succeed(errorResponse(full, request))
      taken += 1
      whenClosed(NodeHttpServerRequest.toServerResponse(request), () => {
        taken -= 1
      })
      return answer
    })
}

/**
 * The same for large answers: at most `places` connections have one that is not read yet. A response is over when the
 * kernel has its last byte, which of some megabytes can be at once, so a place given back then would bound nothing. Here
 * the connection ends with the answer, from our side first, and when the client ends it too it has read it all. One that
 * has not after `lingerMs` is cut off.
 */
export const withPlacesUntilRead = (places: number, lingerMs: number) => {
  const taken = new Set<Socket>()
  return <R>(answer: Answer<R>): Answer<R | HttpServerRequest.HttpServerRequest> =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const { socket } = NodeHttpServerRequest.toIncomingMessage(request)
      if (!taken.has(socket)) {
        if (taken.size >= places) return Effect.succeed(errorResponse(full, request))
        taken.add(socket)
        whenClosed(socket, () => taken.delete(socket))
        closeWhenRead(socket, lingerMs)
      }
      return Effect.map(answer, HttpServerResponse.setHeader("connection", "close"))
    })
}

/** Changes what Node does after the connection's last response, which is to close it with whatever is still unread. */
const closeWhenRead = (socket: Socket, lingerMs: number): void => {
  socket.destroySoon = () => {
    socket.end()
    const cut = setTimeout(() => socket.resetAndDestroy(), lingerMs)
    socket.once("close", () => clearTimeout(cut))
  }
}
