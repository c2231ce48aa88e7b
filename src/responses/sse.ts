/** Server-sent events that the gateway writes itself. */

/** Proxies such as nginx would otherwise gather a stream before they send it on. */
export const STREAM_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "x-accel-buffering": "no",
} as const

/** JSON has no line breaks of its own, so that one data line always holds it. */
export const sseEvent = (data: unknown): Buffer => Buffer.from(`data: ${JSON.stringify(data)}\n\n`)

export const DONE: Buffer = Buffer.from("data: [DONE]\n\n")

/** A comment: clients skip it, and proxies between them and the gateway see that the stream lives. */
export const KEEP_ALIVE: Uint8Array = Buffer.from(": keep-alive\n\n")
