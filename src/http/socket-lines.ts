/** An answer of `/v1/responses` as messages of a WebSocket: each event is a line of its data alone. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Result, Stream } from "effect"
import type { GatewayError } from "../domain/GatewayError.ts"
import { isObject, type JsonObject, objectAt, parseJson } from "../platform/json.ts"
import { ReplayableBody } from "../responses/ReplayableBody.ts"
import type { GatewayResponse } from "../responses/response.ts"
import { openAiFormat } from "./error-response.ts"
import { newRequestId } from "./request-id.ts"
import type { StreamWriter } from "./StreamedResponse.ts"

/** Makes the event of an error. */
export const errorEvent = (error: GatewayError): string =>
  JSON.stringify({
    type: "error",
    status: error.status,
    ...errorOf(openAiFormat.body(error, newRequestId())),
  })

/** Makes the event of an error as HTTP has it. */
export const refusalOf = (status: number, body: GatewayResponse["body"]): string =>
  JSON.stringify({ type: "error", status, ...errorOf(parseJson(textOf(body))) })

const errorOf = (body: unknown): JsonObject => (isObject(body) ? body : {})

const textOf = (body: GatewayResponse["body"]): string =>
  body instanceof ReplayableBody ? "" : Buffer.from(body).toString()

/** Reads the lines of a body as they come. */
export const linesIn = (body: GatewayResponse["body"]): Stream.Stream<string> => {
  if (!(body instanceof ReplayableBody)) return Stream.splitLines(Stream.succeed(textOf(body)))
  const answer = body.read()
  return NodeStream.fromReadable<Uint8Array>({ evaluate: () => answer }).pipe(
    Stream.orDie,
    Stream.decodeText(),
    Stream.splitLines,
  )
}

/** Writes each event as a line of its data alone. */
export const inLines = (writer: StreamWriter): StreamWriter => {
  let isNative = false
  return {
    ...writer,
    chunk: (chunk) => {
      isNative ||= chunk.dialect === "responses"
      const events = writer.chunk(chunk)
      return events && linesOf(events)
    },
    end: (outcome) =>
      isNative && Result.isFailure(outcome.result)
        ? Buffer.from(`${errorEvent(outcome.result.failure)}\n`)
        : linesOf(writer.end(outcome)),
  }
}

const linesOf = (events: Uint8Array): Buffer => {
  const lines = Buffer.from(events)
    .toString()
    .split(/\r\n\r\n|\n\n|\r\r/)
    .map((event) =>
      event.split(/\r\n|\n|\r/).flatMap((line) => (line.startsWith("data:") ? [line.slice(5).trim()] : [])),
    )
  return Buffer.from(lines.map((data) => (data.length === 0 ? "" : `${data.join(" ")}\n`)).join(""))
}

/** Returns the response of the event that ends one which can be gone on from. */
export const ending = (line: string): JsonObject | undefined => {
  if (!/"response\.(?:completed|incomplete)"/.test(line)) return undefined
  const event = parseJson(line)
  if (!isObject(event) || (event.type !== "response.completed" && event.type !== "response.incomplete")) {
    return undefined
  }
  return objectAt(event, "response")
}
