import { Console, Effect, Schedule } from "effect"
import { monotonicMs } from "../../platform/monotonic.ts"
import type { Measurements } from "./measurements.ts"
import { progressLine } from "./report.ts"

/** On a terminal the line is written over itself; elsewhere, such as in a file, it would fill that. */
const TERMINAL_EVERY = "250 millis"
const FILE_EVERY = "5 seconds"
const ERASE_LINE = "\r\u001B[K"

/** Says on stderr how far the test is, until it is interrupted. */
export const showProgress = (measurements: Measurements, totalSeconds: number): Effect.Effect<void> => {
  const line = Effect.map(monotonicMs, (nowMs) => progressLine(measurements.snapshot(nowMs), totalSeconds))
  if (!process.stderr.isTTY) {
    return Effect.andThen(Effect.sleep(FILE_EVERY), Effect.flatMap(line, Console.error)).pipe(Effect.forever)
  }
  const write = (text: string) => Effect.sync(() => process.stderr.write(text))
  return Effect.flatMap(line, (text) => write(`${ERASE_LINE}${text}`)).pipe(
    Effect.repeat(Schedule.spaced(TERMINAL_EVERY)),
    Effect.ensuring(write(ERASE_LINE)),
    Effect.asVoid,
  )
}
