import { DateTime, Option, Schema } from "effect"
import { Flag } from "effect/cli"
import { EXPECTED_INSTANT, Instant } from "../domain/Instant.ts"

const decode = Schema.decodeUnknownOption(Instant)

/** Returns epoch milliseconds. */
export const parseInstant = (text: string): Option.Option<number> =>
  Option.map(decode(text), DateTime.toEpochMillis)

/** A flag that takes an instant, in epoch milliseconds. */
export const instantFlag = (name: string): Flag.Flag<number> =>
  Flag.String(name).pipe(Flag.filterMap(parseInstant, () => EXPECTED_INSTANT))
