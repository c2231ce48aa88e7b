import { Schema } from "effect"
import { filledList, MAPPING_RULE, optional, required, snakeCased } from "../domain/fields.ts"
import { matching, numberBetween, oneOf, wholeNumber } from "../domain/rules.ts"
import { TimeZoneName } from "../domain/time-zone.ts"
import { usable } from "../domain/uses.ts"

/** A rule of a route that sends some of its requests to another route: those of which all that it says holds. */

const tokens = wholeNumber(0, 100_000_000)

const days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const
export type Day = (typeof days)[number]

const headerValue = matching("must be a text, or a list of texts", /^[!-~](?:[ -~]*[!-~])?$/u)

export const RouteCondition = snakeCased({
  route: required(matching("must be the name of a route", /^./u), "name of the route that takes the request"),
  inputTokensAbove: optional(tokens, "the prompt, as estimated, has more tokens"),
  inputTokensBelow: optional(tokens, "the prompt, as estimated, has fewer tokens"),
  maxOutputTokensAbove: optional(tokens, "the request may produce more tokens, as it says itself"),
  maxOutputTokensBelow: optional(tokens, "the request may produce fewer tokens, as it says itself"),
  uses: optional(
    filledList(oneOf(`must be one of ${usable.join(", ")}`, usable)),
    `the request uses all of these: ${usable.map((each) => `\`${each}\``).join(", ")}`,
  ),
  header: optional(
    Schema.Record(
      Schema.String,
      Schema.Union([headerValue, filledList(headerValue)]).annotate({
        message: "must be a text, or a list of texts",
      }),
    ).annotate({ message: MAPPING_RULE }),
    "header fields of the request, each with its exact value or a list of values",
  ),
  hours: optional(
    matching(
      "must be two times of day, such as 22:00-06:00",
      /^(?:[01]\d|2[0-3]):[0-5]\d-(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/u,
    ),
    "time of day, the end not included; may go over midnight",
  ),
  days: optional(
    filledList(oneOf(`must be one of ${days.join(", ")}`, days)),
    "`mon` to `sun`: the day, and with `hours` the one on which they begin",
  ),
  timeZone: optional(TimeZoneName, "of `hours` and `days`, such as `Europe/Berlin`; `UTC` when unset"),
  keys: optional(
    filledList(matching("must be the id of an API key", /^[0-9A-Za-z]{12}$/u)),
    "ids of the API keys that ask",
  ),
  asked: optional(
    filledList(Schema.String.annotate({ message: "must be the name of a route" })),
    "names of routes, one of which the client asked for, where several lead here",
  ),
  share: optional(numberBetween(0, 1), "share of the users, 0 to 1; a user is always on the same side"),
})
export type RouteCondition = typeof RouteCondition.Type

/** Tells a condition that every request meets. */
export const holdsAlways = ({ route: _, ...properties }: RouteCondition): boolean =>
  Object.keys(properties).length === 0

/** Lists a header condition's values by the field's name, which has no case. */
export const headersOf = (condition: RouteCondition): ReadonlyMap<string, ReadonlyArray<string>> =>
  new Map(
    Object.entries(condition.header ?? {}).map(([name, value]) => [
      name.toLowerCase(),
      typeof value === "string" ? [value] : value,
    ]),
  )

/** Lists the header fields that some condition asks for: the only ones that have to come as far as the router. */
export const headersInConditions = (
  routes: ReadonlyMap<string, { readonly when: ReadonlyArray<RouteCondition> }>,
): ReadonlyArray<string> => [
  ...new Set(
    [...routes.values()].flatMap(({ when }) => when.flatMap((condition) => [...headersOf(condition).keys()])),
  ),
]
