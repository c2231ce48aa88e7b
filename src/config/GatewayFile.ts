import { Effect, FileSystem, Result, Schema, SchemaIssue } from "effect"
import { Yaml } from "effect/encoding"
import { oneLine, SettingsError } from "./SettingsError.ts"
import { BASE_URL_RULE, isBaseUrl } from "./setting.ts"

/**
 * The YAML file that `GATEWAY_CONFIG` names, as written: snake_case, optional almost everywhere, no secret in it
 * (keys are named by environment variable). Here only its shape and single values are checked; what names what,
 * and every default, is the business of `merge-gateway-config.ts`.
 *
 * Faults read `path rule`, e.g. `routes.auto.weights.cost must be a number from 0 to 1`, and never quote a value.
 */

const number = (message: string, accepts: (value: number) => boolean) =>
  // Not Finite: its own check would speak before the message, and every rule here has bounds, which NaN is outside of.
  // @effect-diagnostics-next-line schemaNumber:off
  Schema.Number.annotate({ message }).check(Schema.makeFilter(accepts, { message }))

const text = (message: string, accepts: RegExp | ((value: string) => boolean)) =>
  Schema.String.annotate({ message }).check(
    Schema.makeFilter(typeof accepts === "function" ? accepts : (value: string) => accepts.test(value), {
      message,
    }),
  )

const mapping = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct(fields).annotate({ message: "must be a mapping" })

const list = <S extends Schema.Constraint>(item: S) =>
  Schema.Array(item).annotate({ message: "must be a list" })

const filled = <S extends Schema.Constraint>(item: S) => {
  const message = "must be a list with at least one entry"
  return Schema.Array(item)
    .annotate({ message })
    .check(Schema.makeFilter((items: ReadonlyArray<unknown>) => items.length > 0, { message }))
}

const wholeNumber = (min: number, max: number) =>
  number(`must be a whole number from ${min} to ${max}`, (n) => Number.isInteger(n) && n >= min && n <= max)

const numberUpTo = (max: number) => number(`must be a number from 0 to ${max}`, (n) => n >= 0 && n <= max)

/** Timers of the platform break above 2^31 - 1 ms; an hour is long for any of these. */
const milliseconds = wholeNumber(1, 3_600_000)
const pause = wholeNumber(0, 3_600_000)
const tokens = wholeNumber(1, 1_000_000_000)
const share = numberUpTo(1)

/**
 * The highest price for which the cost of the largest accepted usage (10^9 tokens each way) is still a safe
 * integer of nano-dollars.
 */
const MAX_USD_PER_1M = 4_000

/** Decimal notation reads back to the same number only with at most nine decimals: whole nano-dollars. */
const isNanoExact = (usd: number): boolean => Math.round(usd * 1e9) / 1e9 === usd

const usdPer1M = number(
  `must be a price from 0 to ${MAX_USD_PER_1M} USD with at most 9 decimals`,
  (usd) => usd >= 0 && usd <= MAX_USD_PER_1M && isNanoExact(usd),
)

const DAY = /^\d{4}-\d{2}-\d{2}$/

const isDay = (value: string): boolean => {
  if (!DAY.test(value)) return false
  const time = Date.parse(`${value}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value)
}

const priceFields = {
  input_usd_per_1m: usdPer1M,
  /** Absent = the input price. */
  cached_input_usd_per_1m: Schema.optionalKey(usdPer1M),
  output_usd_per_1m: usdPer1M,
  source: text("must say in 1 to 100 printable characters where the price comes from", /^[ -~]{1,100}$/),
  as_of: text("must be a day as YYYY-MM-DD", isDay),
}

/** Provider names also become metric labels and the part before the slash in `provider/model`. */
const providerName = text("must be 1 to 64 of a-z, 0-9 and -", /^[a-z0-9-]{1,64}$/)
const modelName = text("must be 1 to 200 printable characters without spaces", /^[!-~]{1,200}$/)
const candidate = text("must be provider/model", /^[a-z0-9-]{1,64}\/[!-~]{1,200}$/)

const MODEL_KIND_RULE = "must be chat or embedding"

const model = mapping({
  name: modelName,
  kind: Schema.optionalKey(Schema.Literals(["chat", "embedding"]).annotate({ message: MODEL_KIND_RULE })),
  context_window: Schema.optionalKey(tokens),
  max_output_tokens: Schema.optionalKey(tokens),
  price: Schema.optionalKey(mapping(priceFields)),
})

const url = text(BASE_URL_RULE, isBaseUrl)
const variableName = text(
  "must be the name of an environment variable (A-Z, 0-9, _)",
  /^[A-Z_][A-Z0-9_]{0,127}$/,
)

const vendorFields = {
  name: providerName,
  base_url: Schema.optionalKey(url),
  api_key_env: Schema.optionalKey(variableName),
  models: Schema.optionalKey(filled(model)),
}

const provider = Schema.Union([
  mapping({ kind: Schema.Literal("openai"), ...vendorFields }),
  mapping({ kind: Schema.Literal("gemini"), ...vendorFields }),
  mapping({
    kind: Schema.Literal("openai-compatible"),
    name: providerName,
    base_url: url,
    api_key_env: Schema.optionalKey(variableName),
    models: filled(model),
  }),
  mapping({
    kind: Schema.Literal("simulated"),
    name: providerName,
    simulation: Schema.optionalKey(
      mapping({
        median_ms: Schema.optionalKey(milliseconds),
        p95_ms: Schema.optionalKey(milliseconds),
        ms_per_output_token: Schema.optionalKey(numberUpTo(10_000)),
        server_error_rate: Schema.optionalKey(share),
        rate_limit_rate: Schema.optionalKey(share),
        content_filter_rate: Schema.optionalKey(share),
        mid_stream_error_rate: Schema.optionalKey(share),
        retry_after_ms: Schema.optionalKey(pause),
        outage: Schema.optionalKey(mapping({ every_ms: milliseconds, down_ms: milliseconds })),
      }),
    ),
    models: filled(model),
  }),
]).annotate({
  message: "must be a mapping whose kind is openai, gemini, openai-compatible or simulated",
})

const route = mapping({
  /** May be left out for `auto` alone, which has default candidates. */
  candidates: Schema.optionalKey(filled(candidate)),
  larger_context: Schema.optionalKey(list(candidate)),
  weights: Schema.optionalKey(
    mapping({ latency: share, cost: share }).check(
      Schema.makeFilter(({ latency, cost }) => Math.abs(latency + cost - 1) <= 1e-6, {
        message: "must sum to 1",
      }),
    ),
  ),
  exploration: Schema.optionalKey(numberUpTo(0.5)),
  hysteresis: Schema.optionalKey(share),
})

const GatewayFile = mapping({
  providers: Schema.optionalKey(list(provider)),
  prices: Schema.optionalKey(list(mapping({ provider: providerName, model: modelName, ...priceFields }))),
  routes: Schema.optionalKey(Schema.Record(Schema.String, route).annotate({ message: "must be a mapping" })),
  timeouts: Schema.optionalKey(
    mapping({
      connect_ms: Schema.optionalKey(milliseconds),
      headers_ms: Schema.optionalKey(milliseconds),
      body_ms: Schema.optionalKey(milliseconds),
      deadline_ms: Schema.optionalKey(milliseconds),
      stream_ms: Schema.optionalKey(milliseconds),
      first_token_ms: Schema.optionalKey(milliseconds),
      keep_alive_ms: Schema.optionalKey(milliseconds),
      client_stall_ms: Schema.optionalKey(milliseconds),
      drain_ms: Schema.optionalKey(milliseconds),
    }),
  ),
  limits: Schema.optionalKey(
    mapping({
      max_attempts: Schema.optionalKey(wholeNumber(1, 20)),
      retry_ratio: Schema.optionalKey(share),
      requests_per_minute: Schema.optionalKey(wholeNumber(1, 1_000_000)),
      max_in_flight: Schema.optionalKey(wholeNumber(1, 100_000)),
      max_event_loop_delay_ms: Schema.optionalKey(milliseconds),
      max_upstream_bytes: Schema.optionalKey(wholeNumber(1_024, 1_073_741_824)),
    }),
  ),
  ledger: Schema.optionalKey(
    mapping({
      journal: Schema.optionalKey(
        Schema.Literals(["file", "memory"]).annotate({ message: "must be file or memory" }),
      ),
      journal_max_bytes: Schema.optionalKey(wholeNumber(16_777_216, 1_099_511_627_776)),
    }),
  ),
})

export type GatewayFile = typeof GatewayFile.Type
export type FilePrice = NonNullable<FileModel["price"]>
export type FileModel = NonNullable<FileProvider["models"]>[number]
export type FileProvider = NonNullable<GatewayFile["providers"]>[number]
export type FileRoute = NonNullable<GatewayFile["routes"]>[string]

const decode = Schema.decodeUnknownResult(GatewayFile, { errors: "all", onExcessProperty: "error" })

/** Takes one fault of the file: where, and the rule that is broken there. */
export type ReportFault = (path: ReadonlyArray<PropertyKey>, rule: string) => void

const PLAIN_KEY = /^[A-Za-z0-9_-]+$/

/** `["routes", "auto", "candidates", 0]` as `routes.auto.candidates[0]`. */
export const showPath = (path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>((shown, key) => {
    if (typeof key === "number") return `${shown}[${key}]`
    const name = String(key)
    if (!PLAIN_KEY.test(name)) return `${shown}[${oneLine(JSON.stringify(name))}]`
    return shown === "" ? name : `${shown}.${name}`
  }, "")

const describe = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "is missing"
    if (issue._tag === "UnexpectedKey") return "is not a known setting"
    return SchemaIssue.defaultLeafHook(issue)
  },
})

/** A document's text to its checked shape, or every fault in it. */
export const parseGatewayFile = (source: string): Result.Result<GatewayFile, ReadonlyArray<string>> =>
  Result.try({
    try: () => Yaml.parse(source),
    catch: (error) => [
      `is not valid YAML: ${oneLine(error instanceof Error ? error.message : String(error))}`,
    ],
  }).pipe(
    Result.flatMap((document) =>
      // A file of comments only says that everything is default.
      Result.mapError(decode(document ?? {}), (error) =>
        describe(error.issue).issues.map(({ path = [], message }) =>
          `${showPath(path.map((key) => (typeof key === "object" ? key.key : key)))} ${message}`.trim(),
        ),
      ),
    ),
  )

/** Puts the file's name before each fault found in it. */
export const inFile = (file: string, faults: ReadonlyArray<string>): SettingsError =>
  new SettingsError({ faults: faults.map((fault) => `${oneLine(file)}: ${fault}`) })

export const readGatewayFile = (
  file: string,
): Effect.Effect<GatewayFile, SettingsError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const source = yield* Effect.mapError(
      fs.readFileString(file),
      () =>
        new SettingsError({ faults: [`GATEWAY_CONFIG names a file that cannot be read: ${oneLine(file)}`] }),
    )
    return yield* Effect.mapError(Effect.fromResult(parseGatewayFile(source)), (faults) =>
      inFile(file, faults),
    )
  })
