import { DateTime, Option } from "effect"
import { textThat } from "./rules.ts"

/** Tells the name of a time zone of the IANA's list. An offset such as `+02:00` is none: it knows no summer. */
const isTimeZone = (name: string): boolean =>
  /^[A-Za-z]/.test(name) && Option.isSome(DateTime.zoneMakeNamed(name))

const TIME_ZONE_RULE = "must be a time zone of the IANA database, such as Europe/Berlin"

export const TimeZoneName = textThat(TIME_ZONE_RULE, isTimeZone)
