import cluster from "node:cluster"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { ByteSize, Cause, Effect, Layer } from "effect"
import {
  HttpIncomingMessage,
  HttpMiddleware,
  HttpRouter,
  HttpServerError,
  HttpServerRequest,
  HttpServerResponse,
} from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { AdminApi } from "../api/GatewayApi.ts"
import { Settings } from "../config/Settings.ts"
import { errorCatalogue, GatewayError } from "../domain/GatewayError.ts"
import { Admission } from "../limits/Admission.ts"
import { requestDuration, requestOutcome, requests, type Update, updater } from "../observability/Metrics.ts"
import { passableTraceState, TraceState } from "../platform/trace-context.ts"
import { AnalyticsHandlers } from "./AnalyticsApi.ts"
import { AuditHandlers } from "./AuditApi.ts"
import { adminMiddleware } from "./admin-middleware.ts"
import { BudgetsHandlers } from "./BudgetsApi.ts"
import { ConfigHandlers } from "./ConfigApi.ts"
import { childKeysRoutes } from "./child-keys-routes.ts"
import { fromAdmission } from "./client-errors.ts"
import { watchConnections } from "./connections.ts"
import { type CrossOrigin, makeCrossOrigin } from "./cors.ts"
import { documentationRoutes } from "./documentation-routes.ts"
import { guardDoor } from "./door.ts"
import { commonHeaders, errorResponse } from "./error-response.ts"
import { takeHandedConnections } from "./handed-connections.ts"
import { inferRoute } from "./infer-route.ts"
import { KeysHandlers } from "./KeysApi.ts"
import { inferencePaths, type KnownPath, type KnownPaths, pathsOfPorts } from "./known-paths.ts"
import { messagesRoutes } from "./messages-routes.ts"
import { OperatorsUrl } from "./OperatorsUrl.ts"
import { openAiRoutes } from "./openai-routes.ts"
import { ProvidersHandlers } from "./ProvidersApi.ts"
import { Refusals } from "./Refusals.ts"
import { RoutesHandlers } from "./RoutesApi.ts"
import { requestIdOf } from "./request-id.ts"
import { responsesRoutes } from "./responses-routes.ts"
import { opensSocket } from "./responses-socket.ts"
import { SessionHandlers } from "./SessionApi.ts"
import { SystemHandlers } from "./SystemApi.ts"
import { TeamsHandlers } from "./TeamsApi.ts"
import { longestUploadMs, UploadGraceMs } from "./Uploads.ts"
import { uiRoutes } from "./ui-routes.ts"

/** Streams and slow models hold sockets for long; only the arrival of the request itself is timed here. */
const HEADERS_TIMEOUT_MS = 10_000
const CONNECTIONS_CHECK_MS = 2_000
const KEEP_ALIVE_MS = 65_000

/** A WebSocket that ends here may be read for so long before its client ends it too. */
const CLOSING_MS = 3_000

/** Status of an exchange whose client left; never sent. */
const CLIENT_LEFT = errorCatalogue.client_closed_request.status

/** The path behind a request as it was sent, before anything made another of it. */
const pathOf = (paths: KnownPaths, request: HttpServerRequest.HttpServerRequest): KnownPath | undefined =>
  paths.find(NodeHttpServerRequest.toIncomingMessage(request).url ?? "")

/**
 * Outermost middleware: every exchange has an id, and whatever was not answered by a handler becomes a problem
 * document. A defect is logged with its cause and the id, and the client learns only the id.
 *
 * What is not one of the port's paths, in their one spelling, does not reach the router, which understands more: a
 * proxy's rule for a path would not hold for its other spellings.
 */
const exchange = (paths: KnownPaths, { crossOrigin, traced }: ExchangeOptions) =>
  HttpRouter.middleware(
    (app) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        const path = pathOf(paths, request)
        const preflight = crossOrigin?.preflight(request, path)
        const here = path === undefined ? notHere(paths) : app
        const answer = traced ? tracedExchange(here, request, path) : here
        const complete = (response: HttpServerResponse.HttpServerResponse) => {
          const completed = withCommonHeaders(response, request)
          return crossOrigin === undefined ? completed : crossOrigin.expose(completed, request, path)
        }
        return Effect.matchCauseEffect(preflight === undefined ? answer : Effect.succeed(preflight), {
          onSuccess: (response) => Effect.succeed(complete(response)),
          onFailure: (cause) =>
            Cause.hasInterruptsOnly(cause)
              ? Effect.failCause(cause)
              : Effect.map(unhandled(cause, request, paths), complete),
        })
      }),
    { global: true },
  )

interface ExchangeOptions {
  readonly crossOrigin: CrossOrigin | undefined
  readonly traced: boolean
}

/** Says of the exchange's span what it is, and keeps the client's `tracestate` for the calls that are made for it. */
const tracedExchange = <A, E, R>(
  answer: Effect.Effect<A, E, R>,
  request: HttpServerRequest.HttpServerRequest,
  path: KnownPath | undefined,
): Effect.Effect<A, E, R> =>
  Effect.matchEffect(Effect.currentSpan, {
    onSuccess: (span) => {
      if (path !== undefined) span.attribute("http.route", path.template)
      span.attribute("gateway.request_id", requestIdOf(request))
      const isContinued = span.parent._tag === "Some" && span.parent.value._tag === "ExternalSpan"
      const state = isContinued ? passableTraceState(request.headers.tracestate) : undefined
      return state === undefined ? answer : Effect.provideService(answer, TraceState, state)
    },
    onFailure: () => answer,
  })

/** Adds what every response has, where its route did not. */
const withCommonHeaders = (
  response: HttpServerResponse.HttpServerResponse,
  request: HttpServerRequest.HttpServerRequest,
): HttpServerResponse.HttpServerResponse => {
  const { headers } = response
  return headers["x-content-type-options"] === undefined
    ? HttpServerResponse.setHeaders(response, commonHeaders(headers["x-request-id"] ?? requestIdOf(request)))
    : response
}

/** Counts and times an exchange that is over. */
const measure =
  (update: Update, paths: KnownPaths) =>
  ({ url = "" }: IncomingMessage, { headersSent, statusCode }: ServerResponse, startedAt: number): void => {
    const endpoint = paths.find(url)?.template ?? "unmatched"
    update(requests(endpoint, requestOutcome(headersSent ? statusCode : CLIENT_LEFT)), 1)
    update(requestDuration(endpoint), performance.now() - startedAt)
  }

const unhandled = Effect.fnUntraced(function* (
  cause: Cause.Cause<unknown>,
  request: HttpServerRequest.HttpServerRequest,
  paths: KnownPaths,
) {
  const defect = Cause.squash(cause)
  if (HttpServerError.isHttpServerError(defect) && defect.reason._tag === "RouteNotFound")
    return yield* notHere(paths)
  yield* Effect.annotateLogs(Effect.logError("A request failed unexpectedly", cause), {
    request_id: requestIdOf(request),
  })
  return errorResponse(
    new GatewayError({
      code: "internal_error",
      detail: "An unexpected error happened; it was logged under this request_id.",
    }),
    request,
  )
})

/** Returns the address of a screen of the page that somebody ended with a slash. */
const screenOf = (paths: KnownPaths, url: string): string | undefined => {
  const [, path = "", query = ""] = /^(\/ui(?:\/[^?]*?)?)\/(\?.*)?$/.exec(url) ?? []
  return paths.find(path) === undefined ? undefined : path + query
}

/**
 * 404, or 405 with Allow when the path exists under another method. No route of its own: the router would take it for
 * every HEAD, which it answers by the path's GET otherwise.
 */
const notHere = Effect.fnUntraced(function* (paths: KnownPaths) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const { method } = request
  const screen =
    method === "GET" ? screenOf(paths, NodeHttpServerRequest.toIncomingMessage(request).url ?? "") : undefined
  if (screen !== undefined) return HttpServerResponse.redirect(screen, { status: 308 })
  const allowed = pathOf(paths, request)?.methods ?? []
  // A known path under the right method is here because it cannot be decoded.
  if (allowed.length === 0 || allowed.includes(method)) {
    const hint = paths.find("/docs") === undefined ? "" : " GET /docs lists the routes."
    return errorResponse(
      new GatewayError({ code: "not_found", detail: `No route has this path.${hint}` }),
      request,
    )
  }
  const response = errorResponse(
    new GatewayError({
      code: "method_not_allowed",
      detail: `${method} is not one of: ${allowed.join(", ")}.`,
    }),
    request,
  )
  return HttpServerResponse.setHeader(response, "allow", allowed.join(", "))
})

const routes = (paths: KnownPaths, options: ExchangeOptions) =>
  Layer.mergeAll(
    inferRoute,
    openAiRoutes,
    messagesRoutes,
    responsesRoutes,
    childKeysRoutes,
    HttpApiBuilder.layer(AdminApi).pipe(
      Layer.provide([
        AnalyticsHandlers,
        AuditHandlers,
        KeysHandlers,
        TeamsHandlers,
        BudgetsHandlers,
        ProvidersHandlers,
        RoutesHandlers,
        ConfigHandlers,
        SessionHandlers,
        SystemHandlers,
      ]),
      Layer.provide(adminMiddleware),
    ),
    documentationRoutes,
    uiRoutes,
  ).pipe(Layer.provide(exchange(paths, options)))

/** A request cut at the end of the grace period leaves its keep-alive socket open; nothing may outlive the server. */
const closeSocketsLast = (server: Server) =>
  Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections())))

/** Longer than it takes to accept who is in the queue. */
export const QUEUE_EMPTIES = "100 millis"

/** Longer than it takes a supervisor to do so and to hand them over. */
const HANDED_OVER = "500 millis"

/**
 * Lets nobody into the queue of connections that are to be accepted any more: closing the port would reset who is in it,
 * with a request perhaps, whereas one that is not let in comes again and finds the port closed.
 */
const closeTheQueue = (
  server: Server & { readonly _handle?: { readonly listen?: (queue: number) => number } | null },
) =>
  Effect.andThen(
    Effect.sync(() => server._handle?.listen?.(0)),
    Effect.sleep(cluster.isWorker ? HANDED_OVER : QUEUE_EMPTIES),
  )

/** A server on one port. Stateful services must be provided to it from outside: `serve` builds its routes anew. */
const serverOn = (name: string, port: number, paths: KnownPaths, crossOrigin?: CrossOrigin) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { gateway, host, maxBodyBytes, otlpEndpoint } = yield* Settings
      const server = createServer({
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: HEADERS_TIMEOUT_MS + longestUploadMs(maxBodyBytes, yield* UploadGraceMs),
        connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        // The door's.
        requireHostHeader: false,
        // Java's client offers HTTP/2 with every request: it is one like any other, on a connection that is kept.
        shouldUpgradeCallback: (request) =>
          opensSocket(request) && paths.find(request.url ?? "")?.template === "/v1/responses",
      })
      if (cluster.isWorker) takeHandedConnections(server, name)
      // A variable, for the package's types lack one of the two.
      const websocket = { maxPayload: maxBodyBytes, closeTimeout: CLOSING_MS }
      watchConnections(server, gateway.timeouts.clientStallMs, measure(yield* updater, paths))
      const admission = yield* Admission
      const saturation = () => {
        const refusal = admission.saturation()
        return refusal && fromAdmission(refusal)
      }
      guardDoor(server, inferencePaths, saturation, yield* Refusals)
      const traced = otlpEndpoint !== undefined
      const serving = HttpRouter.serve(routes(paths, { crossOrigin, traced }), {
        disableLogger: true,
        disableListenLog: true,
        routerConfig: { caseSensitive: true },
      }).pipe(
        Layer.provide(
          Layer.mergeAll(
            Layer.succeed(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maxBodyBytes)),
            Layer.succeed(HttpMiddleware.TracerDisabledWhen, () => !traced),
            Layer.succeed(
              HttpMiddleware.SpanNameGenerator,
              (request) => `${request.method} ${pathOf(paths, request)?.template ?? "unmatched"}`,
            ),
          ),
        ),
        Layer.provideMerge(
          NodeHttpServer.layer(() => server, {
            host,
            port,
            gracefulShutdownTimeout: gateway.timeouts.drainMs,
            websocket,
          }),
        ),
        Layer.provide(closeSocketsLast(server)),
      )
      return Layer.provideMerge(
        Layer.effectDiscard(Effect.addFinalizer(() => closeTheQueue(server))),
        serving,
      )
    }),
  )

/** The HTTP server, and with `ADMIN_PORT` the operators' beside it. */
export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { adminPort, corsOrigins, port, ...on } = yield* Settings
    const paths = pathsOfPorts({ ...on, ...(adminPort !== undefined && { adminPort }) })
    const open = serverOn("open", port, paths.open, corsOrigins && makeCrossOrigin(corsOrigins))
    return adminPort === undefined
      ? Layer.provideMerge(OperatorsUrl.layer, open)
      : Layer.merge(
          open,
          Layer.provide(OperatorsUrl.layer, serverOn("operators", adminPort, paths.operators)),
        )
  }),
)
