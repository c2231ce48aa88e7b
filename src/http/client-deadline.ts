/** How long the client waits, as its header fields say. */
import { Result } from "effect"
import { GatewayError } from "../domain/GatewayError.ts"

type Headers = Readonly<Record<string, string | undefined>>

const WHOLE = /^\d{1,15}$/

/** Reads `X-Gateway-Timeout-Ms`: milliseconds that the request may take, from its arrival on. */
export const timeoutHeader = (headers: Headers): Result.Result<number | undefined, GatewayError> => {
  const value = headers["x-gateway-timeout-ms"]
  if (value === undefined) return none
  const ms = WHOLE.test(value) ? Number(value) : 0
  return ms > 0 ? Result.succeed(ms) : Result.fail(invalid)
}

const none = Result.succeed(undefined)

const invalid = new GatewayError({
  code: "invalid_request",
  param: "x-gateway-timeout-ms",
  detail: "x-gateway-timeout-ms: Expected whole milliseconds, at least 1, sent once.",
})

const SECONDS = /^\d{1,7}(\.\d{1,9})?$/

/**
 * Reads when a client of OpenAI's or Anthropic's own package gives a whole answer up: it then aborts, and an answer would
 * be nobody's. Undefined where they say nothing of use.
 *
 * Their JavaScript packages send `X-Stainless-Timeout`, Anthropic's with every request (10 minutes unless it is set) and
 * OpenAI's with one that has a timeout of its own, in seconds whose fraction is cut off: 1.9 s is sent as 1, and below a
 * second it is 0, which tells nothing. Anthropic's in Python sends it too, with `NOT_GIVEN` or `None` in it, and both in
 * Python `X-Stainless-Read-Timeout`, exactly. A second more is late enough for all of them.
 *
 * Streams are not meant: their JavaScript packages wait so long for the response's head alone, and those in Python for
 * each piece of the body. Both are there before the first token when that takes long, as keep-alives begin the response.
 */
export const packageTimeout = (headers: Headers): number | undefined => {
  const read = headers["x-stainless-read-timeout"]
  const value = read !== undefined && SECONDS.test(read) ? read : headers["x-stainless-timeout"]
  if (value === undefined || !SECONDS.test(value)) return undefined
  const seconds = Number(value)
  return seconds > 0 ? Math.ceil((seconds + 1) * 1000) : undefined
}
