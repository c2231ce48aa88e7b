import { Schema } from "effect"

/** An instant in an answer, as text. */
export const InstantText = Schema.String.annotate({ format: "date-time" })

/** An instant in an answer, written from a `DateTime`. */
export const Timestamp = InstantText.pipe(Schema.decodeTo(Schema.DateTimeUtcFromString))
