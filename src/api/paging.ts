import { Effect, Schema } from "effect"
import { DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT } from "../domain/bounds.ts"
import { integerFromText } from "./from-text.ts"
import { line } from "./shapes.ts"

/** Query parameters of every listing. */
export const pageParameters = {
  limit: integerFromText({
    minimum: 1,
    maximum: MAX_PAGE_LIMIT,
    default: DEFAULT_PAGE_LIMIT,
    description: "Rows per page",
  }).pipe(Schema.withDecodingDefaultTypeKey(Effect.succeed(DEFAULT_PAGE_LIMIT))),
  cursor: Schema.optionalKey(line.annotate({ description: "`next_cursor` of the previous page" })),
}

/** The last field of every listing. */
export const nextCursor = Schema.NullOr(Schema.String).annotate({
  description: "`cursor` of the next page; null on the last",
})
