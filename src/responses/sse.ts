/** Server-sent events that the gateway writes itself. */

/** Proxies such as nginx would otherwise gather a stream before they send it on. */
export const STREAM_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "x-accel-buffering": "no",
} as const

/** JSON has no line breaks of its own, so that one data line always holds it. */
export const sseEvent = (data: unknown): Buffer => Buffer.from(`data: ${JSON.stringify(data)}\n\n`)

export const DONE: Buffer = Buffer.from("data: [DONE]\n\n")
