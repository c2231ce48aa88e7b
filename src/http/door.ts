import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { GatewayError } from "../domain/GatewayError.ts"
import { errorFormatOf, storedError } from "./error-response.ts"
import { FairTurns } from "./FairTurns.ts"
import type { Refusals } from "./Refusals.ts"
import { newRequestId } from "./request-id.ts"

/** About two milliseconds' work. */
const REQUESTS_PER_TURN = 32

/**
 * Requests that a connection may have sent behind one that is not answered yet. Common clients send none; each costs some
 * kilobytes until its turn comes, whoever sent it.
 */
const MAX_PIPELINED = 32

/**
 * Stands before everything else that looks at requests. They begin a few in each turn of the event loop, each party's in a
 * line of its own (`FairTurns`): a party with thousands of connections delays the others by one request at a time.
 *
 * While `saturation` says so it refuses them: routing, middleware and authentication would cost each of many refusals as
 * much as some answers cost. It guards POSTs to `paths`: probes and operators get through, and so do web pages, whose
 * refusal has to name their origin.
 *
 * A request on a connection that is held back waits here. Not reading the connection would do the same, but libuv reads
 * thousands of busy ones many times over before anything else gets a turn that could stop it.
 */
export const guardDoor = (
  server: Server,
  paths: ReadonlySet<string>,
  saturation: () => GatewayError | undefined,
  refusals: Refusals["Service"],
): void => {
  const emit = server.emit.bind(server)
  const turns = new FairTurns(REQUESTS_PER_TURN)
  /** Number of responses that wait for those before them. */
  const pipelined = new WeakMap<Socket, number>()

  const refuse = (error: GatewayError, url: string, response: ServerResponse): void => {
    refusals.add(response)
    const { status, headers, body } = storedError(error, newRequestId(), errorFormatOf(url))
    response.writeHead(status, headers)
    response.end(body)
  }

  const admit = (event: string, request: IncomingMessage, response: ServerResponse): void => {
    const { headers, httpVersion, method, url = "" } = request
    // Node would answer both itself, and has no lines for that.
    if (httpVersion === "1.1" && headers.host === undefined) {
      response.shouldKeepAlive = false
      refuse(noHost, url, response)
      return
    }
    if (event === "checkExpectation") {
      refusals.add(response)
      response.writeHead(417).end()
      return
    }
    const guarded = method === "POST" && headers.origin === undefined && paths.has(url)
    const error = guarded ? saturation() : undefined
    if (error === undefined) emit(event, request, response)
    else refuse(error, url, response)
  }

  const queue = (event: string, request: IncomingMessage, response: ServerResponse): void => {
    const begins = turns.take(partyOf(request), () => {
      // A response behind another one has no part in its connection's end.
      if (!response.destroyed && !request.socket.destroyed) admit(event, request, response)
    })
    if (!begins) refuse(tooManyWait, request.url ?? "", response)
  }

  // Else Node answers what it asks for itself.
  server.on("checkExpectation", () => {})
  server.emit = (event: string, ...args: Array<unknown>): boolean => {
    if (!REQUESTS.has(event)) return emit(event, ...args)
    // Node's own arguments of these events.
    const [request, response] = args as [IncomingMessage, ServerResponse]
    // Node gives a response its connection when those before it have ended.
    if (response.socket === null && isBeyond(pipelined, request.socket, response)) {
      cutOff(request.socket)
      return true
    }
    const heldMs = refusals.heldForMs(request.socket)
    if (heldMs === 0) queue(event, request, response)
    else setTimeout(queue, heldMs, event, request, response)
    return true
  }
}

/** Events that tell of a request. */
const REQUESTS: ReadonlySet<string> = new Set(["request", "checkContinue", "checkExpectation"])

/** Node's parser, as far as it is needed to end its work. */
interface Parser {
  incoming: IncomingMessage | null
  onIncoming: () => number
}

/** Has it stop, as before another protocol. */
const stopHere = () => 2

/** Ends a connection. Node would go on with all that it has read of it, which may be thousands of requests. */
const cutOff = (socket: Socket & { readonly parser?: Parser | null }): void => {
  const { parser } = socket
  if (parser) {
    parser.incoming = null
    parser.onIncoming = stopHere
  }
  socket.destroy()
}

const noHost = new GatewayError({ code: "invalid_request", detail: "Send a Host header field." })

/** Counts a response among those that wait on its connection. True: they are too many. */
const isBeyond = (pipelined: WeakMap<Socket, number>, socket: Socket, response: ServerResponse): boolean => {
  const count = (pipelined.get(socket) ?? 0) + 1
  if (count > MAX_PIPELINED) return true
  pipelined.set(socket, count)
  response.once("close", () => pipelined.set(socket, (pipelined.get(socket) ?? 1) - 1))
  return false
}

/** Whoever sends a credential is told apart by it, be it right or wrong; the others by their address. */
const partyOf = ({ headers, socket }: IncomingMessage): string => {
  const key = headers["x-api-key"] ?? headers.authorization
  return typeof key === "string" ? key : (socket.remoteAddress ?? "")
}

const tooManyWait = new GatewayError({
  code: "overloaded",
  detail: "More requests wait for their turn than the gateway can begin. Retry shortly.",
  retryAfterMs: 1_000,
})
