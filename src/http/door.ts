import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { GatewayError } from "../domain/GatewayError.ts"
import { errorFormatOf, storedError } from "./error-response.ts"
import { newRequestId } from "./request-id.ts"

/**
 * Refuses requests before anything else looks at them, while `refusal` says so: routing, middleware and authentication
 * would cost each of many refusals as much as some answers cost. It guards POSTs to `paths`: probes and operators get
 * through, and so do web pages, whose refusal has to name their origin.
 */
export const guardDoor = (
  server: Server,
  paths: ReadonlySet<string>,
  refusal: () => GatewayError | undefined,
  turnedAway: (response: ServerResponse) => void,
): void => {
  const emit = server.emit.bind(server)
  server.emit = (event: string, ...args: Array<unknown>): boolean => {
    if (event !== "request" && event !== "checkContinue") return emit(event, ...args)
    // Node's own arguments of these two events.
    const [request, response] = args as [IncomingMessage, ServerResponse]
    const { headers: sent, method, url = "" } = request
    const guarded = method === "POST" && sent.origin === undefined && paths.has(url)
    const error = guarded ? refusal() : undefined
    if (error === undefined) return emit(event, ...args)
    turnedAway(response)
    const { status, headers, body } = storedError(error, newRequestId(), errorFormatOf(url))
    response.writeHead(status, headers)
    response.end(body)
    return true
  }
}
