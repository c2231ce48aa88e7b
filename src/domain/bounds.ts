import { Schema } from "effect"
import { wholeNumber } from "./rules.ts"

/** Bounds that hold wherever a value enters: in files, on the command line and on the wire. */

/** Requests a minute that one key may be allowed. */
export const RequestsPerMinute = wholeNumber(1, 1_000_000)

/** A name that an operator gives to a key. */
export const Name = Schema.NonEmptyString.check(Schema.isMaxLength(128))

/** Rows of one page of a list. */
export const PageLimit = wholeNumber(1, 1_000)
export const DEFAULT_PAGE_LIMIT = 100
