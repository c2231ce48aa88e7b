/** `/v1/responses` as a WebSocket: each event of the client's is one request, and each of its answer's one message. */

import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Context, Deferred, Effect, Queue, Stream } from "effect"
import { HttpServerError, type HttpServerRequest, HttpServerResponse } from "effect/http"
import * as WebSocket from "effect/socket/Socket"
import { ofConfig } from "../config/of-config.ts"
import { Settings } from "../config/Settings.ts"
import { Conversation } from "../dialects/responses/Conversation.ts"
import { errorCatalogue, GatewayError } from "../domain/GatewayError.ts"
import { SharedPot } from "../domain/SharedPot.ts"
import { bodyBytesInFlight } from "../limits/body-bytes.ts"
import { requestDuration, requestOutcome, requests, updater } from "../observability/Metrics.ts"
import type { JsonObject } from "../platform/json.ts"
import type { GatewayResponse } from "../responses/response.ts"
import { attributionOf, makeNamedInHeaders } from "./attribution.ts"
import { type TakeBytes, tooLarge } from "./body.ts"
import { timeoutHeader } from "./client-deadline.ts"
import { whenClosed } from "./connections.ts"
import { apiKey } from "./credentials.ts"
import { errorResponse } from "./error-response.ts"
import { type InferenceCall, InferenceEndpoints, type ReadCall } from "./InferenceEndpoints.ts"
import { type InferenceRoute, makeJsonReader, makeRoutingHeaders } from "./inference-route.ts"
import { Readiness } from "./Readiness.ts"
import { Refusals } from "./Refusals.ts"
import { newRequestId } from "./request-id.ts"
import { sessionHeader } from "./session-header.ts"
import { ending, errorEvent, inLines, linesIn, refusalOf } from "./socket-lines.ts"

/** How long a WebSocket may be open, and without a request. A reference, so that a test need not wait. */
export const SocketTimes = Context.Reference("gateway/http/SocketTimes", {
  defaultValue: () => ({ openMs: 60 * 60_000, idleMs: 10 * 60_000 }),
})

/** Memory that a connection takes without a message. */
const CONNECTION_BYTES = 64 * 1024

/** Messages of a connection that may wait behind the one that is being answered. */
const MAX_WAITING = 64

/** Returns the bytes before those of a client's message that came in one frame (RFC 6455, 5.2). */
const headBytes = (length: number): number => 6 + (length > 65_535 ? 8 : length > 125 ? 2 : 0)

const ENDPOINT = "/v1/responses"

/** Tells a request that wants a WebSocket of its connection. */
export const opensSocket = ({ headers, method }: Pick<IncomingMessage, "headers" | "method">): boolean =>
  method === "GET" && headers.upgrade?.toLowerCase() === "websocket"

/** Makes the handler of `GET /v1/responses`, a path that only WebSockets have. */
export const makeResponsesSocket = ({
  decode,
  refuse,
  warmUp,
}: Omit<InferenceRoute, "endpoint"> & {
  /** Makes of a call one that asks nobody, and has its events in lines. */
  readonly warmUp: (call: InferenceCall) => InferenceCall
}) =>
  Effect.gen(function* () {
    const endpoints = yield* InferenceEndpoints
    const readiness = yield* Readiness
    const refusals = yield* Refusals
    const update = yield* updater
    const readJson = yield* makeJsonReader
    const routingHeaders = yield* makeRoutingHeaders
    const namedInHeaders = yield* makeNamedInHeaders
    const { openMs, idleMs } = yield* SocketTimes
    const settings = yield* Settings
    const { maxBodyBytes } = settings
    /** Bytes of messages that came and of responses that are kept. */
    const room = new SharedPot(0, 0)
    const resize = ofConfig(settings, ({ limits }) => {
      const { maxBodyBytesInFlight = bodyBytesInFlight(maxBodyBytes), maxKeyShare } = limits
      room.resize(maxBodyBytesInFlight, maxKeyShare)
    })

    const converse = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
      const credential = apiKey(request)
      const upgrade = yield* request.upgrade
      const { keyId } = yield* endpoints.authenticate(credential)
      if (request.headers["idempotency-key"] !== undefined) return yield* manyRequests
      const deadlineMs = yield* Effect.fromResult(timeoutHeader(request.headers))
      const named = yield* Effect.fromResult(namedInHeaders(request.headers))
      resize()
      if (readiness.phase() === "draining" || room.take(keyId, CONNECTION_BYTES) !== undefined) {
        return yield* noRoom
      }
      const { socket } = NodeHttpServerRequest.toIncomingMessage(request)
      const headers = routingHeaders(request)
      const session = sessionHeader(request)
      const conversation = new Conversation()
      const ended = Deferred.makeUnsafe<WebSocket.CloseEvent>()
      let taken = CONNECTION_BYTES
      /** Bytes that came and are not answered: of the message under way, and of what follows it. */
      let waiting = 0
      const onData = ({ length }: Buffer): void => {
        waiting += length
        if (!take(length)) Deferred.doneUnsafe(ended, Effect.succeed(NO_ROOM))
      }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          socket.off("data", onData)
          room.giveBack(keyId, taken)
        }),
      )

      const take = (bytes: number): boolean => {
        if (room.take(keyId, bytes) !== undefined) return false
        taken += bytes
        return true
      }
      /** Keeps room for what is left once a message is answered. */
      const settle = (message: Buffer): void => {
        waiting = Math.max(0, waiting - message.length - headBytes(message.length))
        const missing = CONNECTION_BYTES + waiting + conversation.bytes - taken
        if (missing > 0 && !take(missing)) conversation.forget()
        const unused = Math.max(0, taken - CONNECTION_BYTES - waiting - conversation.bytes)
        room.giveBack(keyId, unused)
        taken -= unused
      }

      const { pull } = yield* upgrade.reader
      const { write } = yield* upgrade.writer
      whenClosed(socket, () => Deferred.doneUnsafe(ended, Effect.succeed(GONE)))
      socket.on("data", onData)

      const send = (message: string) => Effect.andThen(write(message), drained(socket))

      /** Reads an event's request, which is one like any other from here on. */
      const read = (message: Buffer) => (takeBytes: TakeBytes) =>
        Effect.fromResult(takeBytes(message.length)).pipe(
          Effect.andThen(readJson(message, ({ json, source }) => conversation.ask(json, source))),
          Effect.tap((body) =>
            body.length > maxBodyBytes
              ? Effect.fail(tooLarge(maxBodyBytes))
              : Effect.fromResult(takeBytes(Math.max(0, body.length - message.length))),
          ),
          Effect.flatMap((body) => readJson(body, decode)),
          Effect.map(
            (call): ReadCall => ({
              call: conversation.warmsUp
                ? warmUp(call)
                : { ...call, stream: call.stream && inLines(call.stream) },
              attribution: attributionOf(named, call.task),
              claim: undefined,
              headers,
              session,
              deadlineMs,
            }),
          ),
        )

      /** Sends what was answered, and returns the response when there is a whole one. */
      const passOn = ({ body, status }: GatewayResponse) => {
        if (status !== 200) return Effect.as(send(refusalOf(status, body)), undefined)
        let last: JsonObject | undefined
        return linesIn(body).pipe(
          // Others keep a silent stream alive.
          Stream.filter((line) => line.startsWith("{")),
          Stream.runForEach((line) => {
            last = ending(line) ?? last
            return send(line)
          }),
          Effect.map(() => last),
        )
      }

      const turn = Effect.fnUntraced(function* (message: Buffer) {
        const held = refusals.heldForMs(socket)
        if (held > 0) yield* Effect.sleep(held)
        const over: Array<() => void> = []
        const startedAt = performance.now()
        let status: number = errorCatalogue.client_closed_request.status
        const served = endpoints.serve({
          requestId: newRequestId(),
          endpoint: ENDPOINT,
          credential,
          whenOver: (action) => over.push(action),
          turnedAway: () => refusals.add({ socket }),
          read: read(message),
          refuse,
        })
        const response = yield* Effect.matchEffect(served, {
          onSuccess: ({ response }) => {
            status = response.status
            return passOn(response)
          },
          onFailure: (error) => {
            status = error.status
            return Effect.as(send(errorEvent(error)), undefined)
          },
        }).pipe(
          Effect.ensuring(
            Effect.sync(() => {
              for (const action of over) action()
              update(requests(ENDPOINT, requestOutcome(status)), 1)
              update(requestDuration(ENDPOINT), performance.now() - startedAt)
            }),
          ),
        )
        conversation.answered(response)
      })

      const closesAt = performance.now() + openMs
      /** Returns why nothing more is read. */
      const until = Effect.suspend(() => {
        const leftMs = closesAt - performance.now()
        const timeUp = Effect.as(Effect.sleep(Math.min(leftMs, idleMs)), leftMs > idleMs ? IDLE : EXPIRED)
        return Effect.raceFirst(timeUp, Effect.as(readiness.draining, STOPPING))
      })

      const inbox = yield* Queue.dropping<Buffer>(MAX_WAITING)
      /** Takes messages as they come, so that how many wait is known: an empty one has no bytes to count. */
      const receive = Effect.forever(
        Effect.flatMap(pull, (messages) =>
          Effect.sync(() => {
            const isFull = !messages.every((each) => Queue.offerUnsafe(inbox, Buffer.from(each)))
            if (isFull) Deferred.doneUnsafe(ended, Effect.succeed(TOO_MANY))
          }),
        ),
      )
      const loop = Effect.gen(function* () {
        for (;;) {
          const message = yield* Effect.raceFirst(Queue.take(inbox), until)
          if (message instanceof WebSocket.CloseEvent) {
            if (message === EXPIRED) yield* send(errorEvent(tooOld))
            return message
          }
          yield* turn(message)
          settle(message)
        }
      })
      const end = yield* Effect.raceFirst(Effect.raceFirst(loop, receive), Deferred.await(ended))
      if (end !== GONE) yield* write(end)
      // Who floods would go on while its end is waited for.
      if (end === TOO_MANY) socket.destroySoon()
    })

    return (request: HttpServerRequest.HttpServerRequest) =>
      Effect.scoped(converse(request)).pipe(
        Effect.as(HttpServerResponse.empty()),
        Effect.catchTags({
          // The client left, or sent what no WebSocket has: there is nobody to tell.
          SocketError: () => Effect.succeed(HttpServerResponse.empty()),
          // The server keeps no connection on which an upgrade was asked for.
          GatewayError: (error) =>
            Effect.succeed(
              HttpServerResponse.setHeader(errorResponse(error, request), "connection", "close"),
            ),
          // Not a WebSocket: as if the path had no GET.
          HttpServerError: () =>
            new HttpServerError.HttpServerError({ reason: new HttpServerError.RouteNotFound({ request }) }),
        }),
      )
  })

const manyRequests = new GatewayError({
  code: "invalid_idempotency_key",
  detail: "A WebSocket has many requests. Send one with an Idempotency-Key by POST.",
})

const noRoom = new GatewayError({
  code: "overloaded",
  detail: "The gateway has no room for another WebSocket of this API key, or it stops. Retry shortly.",
  retryAfterMs: 1_000,
})

const tooOld = new GatewayError({
  code: "websocket_connection_limit_reached",
  detail: "This WebSocket has been open for as long as one may be. Open another one.",
})

const GONE = new WebSocket.CloseEvent(1000)
const IDLE = new WebSocket.CloseEvent(1000, "idle")
const EXPIRED = new WebSocket.CloseEvent(1000, "too old")
const STOPPING = new WebSocket.CloseEvent(1001, "the gateway stops")
const TOO_MANY = new WebSocket.CloseEvent(1008, "too many messages wait to be answered")
const NO_ROOM = new WebSocket.CloseEvent(1013, "too many bytes wait to be answered")

/** Waits until the client has taken what was sent, but for a little. */
const drained = (socket: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = () => resume(Effect.void)
    if (!socket.writableNeedDrain) return done()
    socket.once("drain", done)
    return Effect.sync(() => socket.off("drain", done))
  })
