import { Duration, Option } from "effect"
import { Flag } from "effect/cli"

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** `45s`, `30m`, `12h` or `30d`; never nothing. */
export const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const seconds = SECONDS[unit ?? ""]
  return seconds === undefined || Number(amount) === 0
    ? Option.none()
    : Option.some(Duration.seconds(Number(amount) * seconds))
}

/** A flag that takes a length of time. */
export const durationFlag = (name: string): Flag.Flag<Duration.Duration> =>
  Flag.String(name).pipe(
    Flag.filterMap(parseDuration, (text) => `Expected 45s, 30m, 12h or 30d, got ${text}`),
  )
