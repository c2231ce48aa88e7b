import { Effect } from "effect"
import { SettingsError } from "./SettingsError.ts"
import { makeReader, oneOfAnyCase, text } from "./setting.ts"

/**
 * Level and format of the process's log. Apart from `Settings`, because logging must stand before the other settings are read:
 * their faults are printed through it.
 */
export interface LogSettings {
  readonly level: LogLevel
  /** Undefined = `pretty` on a terminal, `json` elsewhere. */
  readonly format: LogFormat | undefined
}

const levels = ["trace", "debug", "info", "warn", "error", "fatal", "none"] as const
const formats = ["pretty", "json"] as const

export type LogLevel = (typeof levels)[number]
type LogFormat = (typeof formats)[number]

export const logLevel = text("LOG_LEVEL", oneOfAnyCase(levels), "info")
export const logFormat = text("LOG_FORMAT", oneOfAnyCase(formats), undefined)

export const readLogSettings: Effect.Effect<LogSettings, SettingsError> = Effect.gen(function* () {
  const { faults, read } = makeReader()
  const settings = { level: yield* read(logLevel), format: yield* read(logFormat) }
  if (faults.length > 0) return yield* new SettingsError({ faults })
  return settings
})
