/** Server-sent events that the gateway writes itself. */

export const EVENT_STREAM = "text/event-stream; charset=utf-8"

/** JSON has no line breaks of its own, so that one data line always holds it. */
export const sseEvent = (data: unknown): Buffer => Buffer.from(`data: ${JSON.stringify(data)}\n\n`)

export const DONE: Buffer = Buffer.from("data: [DONE]\n\n")
