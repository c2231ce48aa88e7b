import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { GatewayError } from "../domain/GatewayError.ts"
import { errorFormatOf, storedError } from "./error-response.ts"
import type { Refusals } from "./Refusals.ts"
import { newRequestId } from "./request-id.ts"

/**
 * Stands before everything else that looks at requests. While `saturation` says so it refuses them: routing, middleware
 * and authentication would cost each of many refusals as much as some answers cost. It guards POSTs to `paths`: probes and
 * operators get through, and so do web pages, whose refusal has to name their origin.
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
  const admit = (event: string, request: IncomingMessage, response: ServerResponse): boolean => {
    const { headers: sent, method, url = "" } = request
    const guarded = method === "POST" && sent.origin === undefined && paths.has(url)
    const error = guarded ? saturation() : undefined
    if (error === undefined) return emit(event, request, response)
    refusals.add(response)
    const { status, headers, body } = storedError(error, newRequestId(), errorFormatOf(url))
    response.writeHead(status, headers)
    response.end(body)
    return true
  }
  server.emit = (event: string, ...args: Array<unknown>): boolean => {
    if (event !== "request" && event !== "checkContinue") return emit(event, ...args)
    // Node's own arguments of these two events.
    const [request, response] = args as [IncomingMessage, ServerResponse]
    const heldMs = refusals.heldForMs(request.socket)
    if (heldMs === 0) return admit(event, request, response)
    setTimeout(() => {
      if (!response.destroyed) admit(event, request, response)
    }, heldMs)
    return true
  }
}
