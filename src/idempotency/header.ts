/**
 * The `Idempotency-Key` request header: a structured-field string in quotes (draft-ietf-httpapi-idempotency-key-header)
 * or, as many clients send it, the bare value. Both spellings of one value are the same key.
 */
import { Data, Result } from "effect"

/** The broken rule, for the client. The value itself is not repeated. */
class InvalidIdempotencyKey extends Data.TaggedError("InvalidIdempotencyKey")<{
  readonly message: string
}> {}

const MAX_LENGTH = 255
/** In quotes, with every character escaped and blanks around. */
const MAX_SENT = 1_024
const VISIBLE_ASCII = /^[\x21-\x7e]*$/
/** RFC 9651, 3.3.3, without parameters. What the quotes may hold is checked after unquoting. */
const QUOTED = /^"((?:[^"\\]|\\["\\])*)"$/

/**
 * `values` holds the header's value of each line that was sent; none means the request has no key. Lines that were
 * already joined with ", " are refused too, by the space.
 */
export const parseIdempotencyKey = (
  values: ReadonlyArray<string>,
): Result.Result<string | undefined, InvalidIdempotencyKey> => {
  const [first, ...others] = values
  if (first === undefined) return Result.succeed(undefined)
  if (others.length > 0) return invalid("Idempotency-Key was sent more than once. Send it once.")
  // Before anything is looked for in it: blanks within a long one take quadratic time.
  if (first.length > MAX_SENT) return invalid(`An Idempotency-Key has 1 to ${MAX_LENGTH} characters.`)
  const value = first.replace(/^[ \t]+|[ \t]+$/g, "")
  if (!value.startsWith('"')) return checked(value)
  const inner = QUOTED.exec(value)?.[1]
  if (inner === undefined) {
    return invalid('A quoted Idempotency-Key is one string in double quotes; only \\" and \\\\ are escapes.')
  }
  return checked(inner.replace(/\\(.)/g, "$1"))
}

const checked = (key: string): Result.Result<string, InvalidIdempotencyKey> => {
  if (!VISIBLE_ASCII.test(key))
    return invalid("An Idempotency-Key holds visible ASCII characters only, no spaces.")
  if (key.length === 0 || key.length > MAX_LENGTH) {
    return invalid(`An Idempotency-Key has 1 to ${MAX_LENGTH} characters.`)
  }
  return Result.succeed(key)
}

const invalid = (message: string) => Result.fail(new InvalidIdempotencyKey({ message }))
