import { DateTime, Option, Schema } from "effect"
import { Flag } from "effect/cli"
import { EXPECTED_INSTANT, Instant } from "../domain/Instant.ts"

const decode = Schema.decodeUnknownOption(Instant)

/** A flag that takes an instant, in epoch milliseconds. */
export const instantFlag = (name: string): Flag.Flag<number> =>
  Flag.String(name).pipe(
    Flag.filterMap(
      (text) => Option.map(decode(text), DateTime.toEpochMillis),
      () => EXPECTED_INSTANT,
    ),
  )
