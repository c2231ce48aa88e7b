import { DateTime, Option, Schema } from "effect"

/** A UTC day, or an instant with its zone: one without would mean something else on every machine. */
const FORM = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/

/** The rule in words, the same on every surface. */
export const EXPECTED_INSTANT = "Expected 2026-11-23 or an instant such as 2026-11-23T08:00:00Z"

/** Tells a day that its month has from one that would silently become a day of the next month. */
const isOnCalendar = (day: string): boolean =>
  Option.exists(DateTime.make(day), (at) => DateTime.formatIsoDateUtc(at) === day)

const isInstant = (text: string): boolean =>
  FORM.test(text) && isOnCalendar(text.slice(0, 10)) && Option.isSome(DateTime.make(text))

const InstantText = Schema.String.annotate({ message: EXPECTED_INSTANT }).check(
  Schema.makeFilter(isInstant, {
    message: EXPECTED_INSTANT,
    toJsonSchema: () => ({ format: "date-time" }),
  }),
)

/** A moment as every surface reads it (`/admin/keys`, `/analytics`, the command line), with words for its description. */
export const instant = (annotations: {
  readonly description?: string
  readonly examples?: ReadonlyArray<string>
}) => InstantText.annotate(annotations).pipe(Schema.decodeTo(Schema.DateTimeUtcFromString))

/** The same without a description. */
export const Instant = instant({})
