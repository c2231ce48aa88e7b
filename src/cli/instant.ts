import { DateTime, Option } from "effect"
import { Flag } from "effect/cli"

/** A UTC day, or an instant with its zone: one without would mean something else on every machine. */
const FORM = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/

/** None for a day that its month does not have, which would otherwise become one of the next month. */
const parse = (text: string): Option.Option<number> => {
  const day = text.slice(0, 10)
  return FORM.test(text) && Option.exists(DateTime.make(day), (at) => DateTime.formatIsoDateUtc(at) === day)
    ? Option.map(DateTime.make(text), DateTime.toEpochMillis)
    : Option.none()
}

/** A flag that takes a moment, in epoch milliseconds. */
export const instantFlag = (name: string): Flag.Flag<number> =>
  Flag.String(name).pipe(
    Flag.filterMap(
      parse,
      (text) => `Expected 2026-11-23 or an instant such as 2026-11-23T08:00:00Z, got ${text}`,
    ),
  )
