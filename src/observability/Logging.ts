import { Effect, Formatter, Layer, Logger, References } from "effect"
import { layerEnvironment } from "../config/environment.ts"
import { type LogLevel, type LogSettings, readLogSettings } from "../config/LogSettings.ts"
import { oneLine } from "../domain/one-line.ts"

/**
 * Writes the log: always to stderr, since stdout belongs to what a command prints. Text from outside
 * (model names, user agents, upstream words) can hold line breaks and terminal codes; they come out escaped, so
 * that nobody writes a line of our log but us.
 */

const severities = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None",
} as const satisfies Record<LogLevel, unknown>

/** Writes one line for each entry. JSON itself escapes only the characters below U+0020. */
export const jsonLogger = Logger.map(Logger.formatJson, oneLine)

const show = (value: unknown): string =>
  oneLine(typeof value === "string" ? value : Formatter.formatJson(value))

/** Writes for people: time, level, words, then `key=value`; a cause follows indented, its line breaks kept. */
export const prettyLogger = Logger.map(Logger.formatStructured, (entry) => {
  const messages = Array.isArray(entry.message) ? entry.message : [entry.message]
  const pairs = Object.entries(entry.annotations).map(([key, value]) => `${oneLine(key)}=${show(value)}`)
  const spans = Object.entries(entry.spans).map(([label, ms]) => `${oneLine(label)}=${ms}ms`)
  const head = [
    entry.timestamp.slice(11, 23),
    entry.level.padEnd(5),
    ...messages.map(show),
    ...pairs,
    ...spans,
  ]
  const cause = entry.cause === undefined ? [] : entry.cause.split("\n").map((line) => `    ${oneLine(line)}`)
  return [head.join(" "), ...cause].join("\n")
})

const layerFor = (settings: LogSettings): Layer.Layer<never> => {
  const pretty = (settings.format ?? (process.stderr.isTTY ? "pretty" : "json")) === "pretty"
  return Layer.mergeAll(
    Logger.layer([Logger.withConsoleError(pretty ? prettyLogger : jsonLogger)]),
    Layer.succeed(References.MinimumLogLevel, severities[settings.level]),
    Layer.succeed(Logger.LogToStderr, true),
  )
}

/**
 * Sets logging up and never fails: with wrong log settings the defaults stand, and `Settings` reports the fault through
 * them.
 */
export const layerLoggingNoDeps: Layer.Layer<never> = Layer.unwrap(
  readLogSettings.pipe(
    Effect.orElseSucceed((): LogSettings => ({ level: "info", format: undefined })),
    Effect.map(layerFor),
  ),
)

export const layerLogging: Layer.Layer<never> = layerLoggingNoDeps.pipe(
  Layer.provide(layerEnvironment),
  Layer.catch(() => layerLoggingNoDeps),
)
