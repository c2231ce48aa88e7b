import { isUtf8 } from "node:buffer"
import type { Readable } from "node:stream"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect } from "effect"
import type { HttpServerError, HttpServerRequest } from "effect/http"
import { GatewayError } from "../domain/GatewayError.ts"
import { parseExactJson } from "../platform/exact-json.ts"

const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

/** The bytes of a JSON request body, refused early when they are not JSON, compressed, or too many. */
export const readBody = (
  request: HttpServerRequest.HttpServerRequest,
  maxBytes: number,
): Effect.Effect<Buffer, GatewayError> => {
  const { headers } = request
  if (!JSON_TYPE.test(headers["content-type"] ?? "")) {
    return Effect.fail(
      new GatewayError({ code: "unsupported_media_type", detail: "Send Content-Type: application/json." }),
    )
  }
  const encoding = headers["content-encoding"]
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    return Effect.fail(
      new GatewayError({ code: "unsupported_media_type", detail: "Send the body without Content-Encoding." }),
    )
  }
  if (Number(headers["content-length"] ?? 0) > maxBytes) return Effect.fail(tooLarge(maxBytes))
  // Only the library's reader tells a client that waits for it to go on.
  if (headers.expect === undefined) return collect(NodeHttpServerRequest.toIncomingMessage(request), maxBytes)
  return request.arrayBuffer.pipe(
    Effect.map((bytes) => Buffer.from(bytes)),
    Effect.mapError((error) => unreadable(error, maxBytes)),
  )
}

/**
 * The library's reader wraps every body in stream bookkeeping that costs as much as parsing it. Most bodies here are
 * one chunk, and the server interrupts the fiber of a client that leaves, so the events themselves are enough.
 */
const collect = (message: Readable, maxBytes: number): Effect.Effect<Buffer, GatewayError> =>
  Effect.callback((resume) => {
    const chunks: Array<Buffer> = []
    let length = 0
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      chunks.push(chunk)
      if (length <= maxBytes) return
      // The server closes the connection of a request that was answered before its end.
      message.off("data", onData)
      resume(Effect.fail(tooLarge(maxBytes)))
    }
    message.on("data", onData)
    message.once("end", () =>
      resume(Effect.succeed(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks))),
    )
    message.once("error", () => resume(Effect.fail(unfinished())))
  })

const tooLarge = (maxBytes: number) =>
  new GatewayError({
    code: "payload_too_large",
    detail: `A body may have ${maxBytes} bytes (MAX_BODY_BYTES).`,
  })

const unreadable = (error: HttpServerError.HttpServerError, maxBytes: number): GatewayError =>
  error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"
    ? tooLarge(maxBytes)
    : unfinished()

const unfinished = () =>
  new GatewayError({ code: "invalid_request", detail: "The body could not be read to its end." })

/** Deeper than any sensible request, and far from what would exhaust the stack when it is written again. */
const MAX_DEPTH = 256

/** Strict: valid UTF-8, no byte order mark, one JSON value, not nested without end. */
export const parseJson = (bytes: Buffer): Effect.Effect<unknown, GatewayError> => {
  if (isDeeperThan(bytes, MAX_DEPTH)) {
    return Effect.fail(invalidJson(`The body is nested more than ${MAX_DEPTH} levels deep.`))
  }
  if (!isUtf8(bytes)) return Effect.fail(invalidJson("The body is not valid UTF-8."))
  if (bytes.length === 0) return Effect.fail(invalidJson("The body is empty."))
  return Effect.try({
    try: () => parseExactJson(bytes.toString("utf8")),
    // V8's message quotes the input, so it is not repeated.
    catch: () => invalidJson("The body is not one valid JSON value."),
  })
}

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('"\\[]{}')

/** Over the bytes, so that nothing is built of what is refused. Of no interest for what is no JSON. */
const isDeeperThan = (bytes: Buffer, limit: number): boolean => {
  let depth = 0
  let inString = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (inString) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      depth++
      if (depth > limit) return true
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
  }
  return false
}

const invalidJson = (detail: string) => new GatewayError({ code: "invalid_json", detail })
