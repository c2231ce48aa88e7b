import { isUtf8 } from "node:buffer"
import type { Readable } from "node:stream"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Result } from "effect"
import type { HttpServerError, HttpServerRequest } from "effect/http"
import { GatewayError } from "../domain/GatewayError.ts"
import { parseExactJson } from "../platform/exact-json.ts"
import { pathAt } from "../platform/json-path.ts"
import { type JsonLimits, type JsonSource, scanJson } from "../platform/json-source.ts"
import type { LinkedSet } from "../platform/LinkedSet.ts"
import type { ReadTurns } from "../platform/ReadTurns.ts"
import { invalidField } from "./decode.ts"
import type { Upload } from "./Uploads.ts"

const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*(?:utf-?8|"utf-?8")\s*)?$/i

/** Chunks that may be of any size; of more the average must not be small, for each costs as much as some hundred bytes. */
const SOME_CHUNKS = 4_096
const SMALL_CHUNK_BYTES = 128

/** Takes room for more bytes of a body, until the request is over. */
export type TakeBytes = (bytes: number) => Result.Result<void, GatewayError>

/** What bounds the reading of a body. */
interface BodyBounds {
  readonly maxBytes: number
  readonly takeBytes: TakeBytes
  readonly uploads: LinkedSet<Upload>
  readonly readTurns: ReadTurns
}

/** Reads the bytes of a JSON request body. Refuses early what is not JSON, compressed, or too much. */
export const readBody = (
  request: HttpServerRequest.HttpServerRequest,
  bounds: BodyBounds,
): Effect.Effect<Buffer, GatewayError> => {
  const refused = refusal(request, bounds.maxBytes)
  if (refused !== undefined) return Effect.fail(refused)
  const declared = Number(request.headers["content-length"] ?? 0)
  const taken = bounds.takeBytes(declared)
  if (Result.isFailure(taken)) return Effect.fail(taken.failure)
  // A client that waits for it is told to go on.
  if (request.headers.expect !== undefined) NodeHttpServerRequest.toServerResponse(request).writeContinue()
  return collect(NodeHttpServerRequest.toIncomingMessage(request), declared, bounds)
}

/** Reads by the library's reader, which keeps the bytes for the next that asks the request for its body. */
export const keptBody = (
  request: HttpServerRequest.HttpServerRequest,
  maxBytes: number,
): Effect.Effect<Buffer, GatewayError> => {
  const refused = refusal(request, maxBytes)
  if (refused !== undefined) return Effect.fail(refused)
  return request.arrayBuffer.pipe(
    Effect.map((bytes) => Buffer.from(bytes)),
    Effect.mapError((error) => unreadable(error, maxBytes)),
  )
}

/** The refusal of a body by its headers alone; undefined when they are in order. */
const refusal = (
  { headers }: HttpServerRequest.HttpServerRequest,
  maxBytes: number,
): GatewayError | undefined => {
  if (!JSON_TYPE.test(headers["content-type"] ?? "")) {
    return new GatewayError({
      code: "unsupported_media_type",
      detail: "Send Content-Type: application/json.",
    })
  }
  const encoding = headers["content-encoding"]
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    return new GatewayError({
      code: "unsupported_media_type",
      detail: "Send the body without Content-Encoding.",
    })
  }
  return Number(headers["content-length"] ?? 0) > maxBytes ? tooLarge(maxBytes) : undefined
}

/**
 * Collects a body from the message's own events. The library's reader wraps every body in stream bookkeeping that costs
 * as much as parsing it; most bodies are one chunk, and the server interrupts the fiber of a client that leaves.
 */
const collect = (
  message: Readable,
  declared: number,
  { maxBytes, takeBytes, uploads, readTurns }: BodyBounds,
): Effect.Effect<Buffer, GatewayError> =>
  Effect.callback((resume) => {
    const chunks: Array<Buffer> = []
    const end = (result: Effect.Effect<Buffer, GatewayError>): void => {
      uploads.delete(link)
      // The server closes the connection of a request that was answered before its end.
      message.off("data", onData)
      resume(result)
    }
    const upload: Upload = {
      startedAt: performance.now(),
      bytes: 0,
      giveUp: () => end(Effect.fail(tooSlow)),
    }
    const link = uploads.add(upload)
    const onData = (chunk: Buffer): void => {
      upload.bytes += chunk.length
      chunks.push(chunk)
      const taken = upload.bytes <= declared ? undefined : takeBytes(chunk.length)
      if (upload.bytes > maxBytes) end(Effect.fail(tooLarge(maxBytes)))
      else if (chunks.length > SOME_CHUNKS && upload.bytes < chunks.length * SMALL_CHUNK_BYTES)
        end(Effect.fail(inCrumbs))
      else if (taken !== undefined && Result.isFailure(taken)) end(Effect.fail(taken.failure))
      else if (!readTurns.goesOn(chunk.length, resumeReading)) message.pause()
    }
    const resumeReading = (): void => void message.resume()
    message.on("data", onData)
    message.once("end", () =>
      end(Effect.succeed(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks))),
    )
    message.once("error", () => end(Effect.fail(unfinished())))
  })

const tooSlow = new GatewayError({
  code: "upload_too_slow",
  detail: "The body arrived too slowly. Send it again over a better connection, or a smaller one.",
})

const inCrumbs = new GatewayError({
  code: "invalid_request",
  detail: `The body came in more than ${SOME_CHUNKS} chunks of less than ${SMALL_CHUNK_BYTES} bytes. Send larger ones.`,
})

export const tooLarge = (maxBytes: number) =>
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

/**
 * Bounds that no sensible request reaches. They keep the work of a request in proportion to its bytes: a text of a megabyte
 * costs next to nothing, a megabyte of fields is a hundred thousand things to build.
 */
export const jsonLimits: JsonLimits = {
  // Far fewer than would exhaust the stack when it is written again.
  depth: 256,
  fields: 1_000,
  innerFields: 10_000,
  pieces: 250_000,
}

/** One JSON value, and the bytes it was read from when it is an object whose members can be changed in place. */
export interface JsonBody {
  readonly json: unknown
  readonly source: JsonSource | undefined
}

/** Reads JSON strictly: valid UTF-8, no byte order mark, one value, within the bounds. */
export const readJson = (bytes: Buffer): Result.Result<JsonBody, GatewayError> => {
  // Before anything is built of it.
  const { excess, longNumber, members } = scanJson(bytes, jsonLimits)
  if (excess !== undefined) return Result.fail(tooMuch(bytes, excess.of, excess.at))
  if (!isUtf8(bytes)) return Result.fail(invalidJson("The body is not valid UTF-8."))
  if (bytes.length === 0) return Result.fail(invalidJson("The body is empty."))
  try {
    const json = parseExactJson(bytes.toString("utf8"), longNumber)
    return Result.succeed({ json, source: members && { bytes, members } })
  } catch {
    // V8's message quotes the input, so it is not repeated.
    return Result.fail(invalidJson("The body is not one valid JSON value."))
  }
}

const tooMuch = (bytes: Buffer, of: keyof JsonLimits, at: number): GatewayError => {
  switch (of) {
    case "depth":
      return invalidJson(`The body is nested more than ${jsonLimits.depth} levels deep.`)
    case "fields":
    case "innerFields":
      return invalidField(pathAt(bytes, at), `Expected at most ${jsonLimits[of]} fields`)
    case "pieces":
      return invalidField([], `Expected at most ${jsonLimits.pieces} fields, lists and objects in all`)
  }
}

const invalidJson = (detail: string) => new GatewayError({ code: "invalid_json", detail })
