import { availableParallelism } from "node:os"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, Layer, Redacted, Result, Schema, SchemaTransformation } from "effect"
import { presets } from "../catalog/vendors.ts"
import { matching, numberBetween, textThat, wholeNumber } from "../domain/rules.ts"
import { ADMIN_JWT_SECRET_MIN_BYTES, isGuessable, readOrCreateAdminJwtSecret } from "./admin-jwt-secret.ts"
import { BaseUrl } from "./base-url.ts"
import { builtinVendors, vendors } from "./builtin-providers.ts"
import type { GatewayConfig, GatewayFile } from "./GatewayConfig.ts"
import { emptyFile, inFile, readGatewayFile } from "./GatewayFile.ts"
import { logFormat, logLevel } from "./LogSettings.ts"
import { mergeGatewayConfig } from "./merge-gateway-config.ts"
import { OriginList } from "./origins.ts"
import { AttributePairs, HeaderPairs } from "./pairs.ts"
import { presetSettings } from "./presets.ts"
import { readPriceUpdate } from "./price-update.ts"
import { SettingsError } from "./SettingsError.ts"
import { samplerNames } from "./samplers.ts"
import {
  ApiKey,
  FilePath,
  Host,
  makeReader,
  number,
  oneOfAnyCase,
  onOrOff,
  secret,
  text,
  urlOf,
  type Values,
} from "./setting.ts"
import { anthropicUrl, geminiUrl, openAiUrl } from "./vendor-urls.ts"

const WebhookSecret = textThat("must have at least 24 characters", (value) => value.length >= 24)

/** As many as there are processors for `auto`. */
const Workers = textThat(
  "must be auto or a whole number from 1 to 256",
  (value) => value === "auto" || (/^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= 256),
).pipe(
  Schema.decodeTo(
    Schema.Number,
    SchemaTransformation.transform({
      decode: (value: string) => (value === "auto" ? availableParallelism() : Number(value)),
      encode: String,
    }),
  ),
)

const ServiceName = matching("must be a line of at most 255 characters", /^[^\p{Cc}]{1,255}$/u)

/**
 * Names, rules and defaults of the settings that the process has as they are. `.env.example` and `docs/settings.md` repeat
 * them for people; a test compares the former.
 */
const table = {
  host: text("HOST", Host, "127.0.0.1"),
  /** 0 = any free port. */
  port: number("PORT", wholeNumber(0, 65_535), 8_000),
  /** Absent = the operators' routes are on `port`. 0 = any free one. */
  adminPort: number("ADMIN_PORT", wholeNumber(0, 65_535), undefined),
  docs: onOrOff("DOCS", true),
  metrics: onOrOff("METRICS", true),
  ui: onOrOff("UI", true),
  /** Absent = no page of another origin may use the API. */
  corsOrigins: text("CORS_ORIGINS", OriginList, undefined),
  /** Absent = embedded database under `dataDir`. */
  databaseUrl: secret("DATABASE_URL", urlOf("postgres", "postgresql")),
  dataDir: text("DATA_DIR", FilePath, "./data"),
  redisUrl: secret("REDIS_URL", urlOf("redis", "rediss")),
  /** Absent = alerts are log lines and a metric alone. */
  alertWebhookUrl: secret("ALERT_WEBHOOK_URL", urlOf("http", "https")),
  /** Absent = messages are not signed. */
  alertWebhookSecret: secret("ALERT_WEBHOOK_SECRET", WebhookSecret),
  maxBodyBytes: number("MAX_BODY_BYTES", wholeNumber(1, 104_857_600), 33_554_432),
  /** Single requests are kept this long, rollups for ever. Absent = requests too. */
  retentionDays: number("RETENTION_DAYS", wholeNumber(1, 36_500), undefined),
  workers: text("WORKERS", Workers, 1),
  /** Absent = no telemetry is sent, and none is made for it. */
  otlpEndpoint: text("OTEL_EXPORTER_OTLP_ENDPOINT", BaseUrl, undefined),
  otlpHeaders: secret("OTEL_EXPORTER_OTLP_HEADERS", HeaderPairs),
  otelServiceName: text("OTEL_SERVICE_NAME", ServiceName, undefined),
  otelResourceAttributes: text("OTEL_RESOURCE_ATTRIBUTES", AttributePairs, undefined),
  /** Absent = `parentbased_always_on`. */
  otelTracesSampler: text("OTEL_TRACES_SAMPLER", oneOfAnyCase(samplerNames), undefined),
  /** Of samplers by a ratio. Absent = 1. */
  otelTracesSamplerArg: number("OTEL_TRACES_SAMPLER_ARG", numberBetween(0, 1), undefined),
}

const ADMIN_JWT_SECRET_RULE = `must have at least ${ADMIN_JWT_SECRET_MIN_BYTES} bytes`
const adminJwtSecret = secret(
  "ADMIN_JWT_SECRET",
  textThat(ADMIN_JWT_SECRET_RULE, (value) => Buffer.byteLength(value) >= ADMIN_JWT_SECRET_MIN_BYTES).check(
    Schema.makeFilter((value) => !isGuessable(value), {
      message: "must be random, not a few characters or a pattern repeated: openssl rand -base64 32",
    }),
  ),
)
const gatewayFile = text("GATEWAY_CONFIG", FilePath, undefined)
const baseUrls = { openai: openAiUrl, gemini: geminiUrl, anthropic: anthropicUrl }

type Reader = ReturnType<typeof makeReader>

/** Reads the API keys of all known vendors and of every provider in the file, by environment variable. */
const readApiKeys = Effect.fnUntraced(function* (file: GatewayFile, { read, wrong }: Reader) {
  const variables = new Set([
    ...vendors.map((vendor) => builtinVendors[vendor].apiKeyEnv),
    ...presets.flatMap(({ apiKeyEnv }) => apiKeyEnv ?? []),
    ...file.providers.flatMap((provider) =>
      "simulation" in provider
        ? []
        : [provider.apiKeyEnv ?? [], (provider.apiKeys ?? []).map(({ env }) => env)].flat(),
    ),
  ])
  const apiKeys = new Map<string, Redacted.Redacted>()
  for (const variable of variables) {
    const key = yield* read(secret(variable, ApiKey))
    // A wrong key has its own line already; it must not be reported as unset too.
    if (key !== undefined || wrong.has(variable)) apiKeys.set(variable, key ?? Redacted.make(""))
  }
  return apiKeys
})

/** Reads what else presets have in the environment, by variable. */
const readVariables = Effect.fnUntraced(function* ({ read }: Reader) {
  const variables = new Map<string, string>()
  for (const setting of presetSettings) {
    const value = yield* read(setting)
    if (value !== undefined) variables.set(setting.name, value)
  }
  return variables
})

/** Returns undefined, with faults reported, when the file is wrong or does not fit the environment. */
const readGateway = Effect.fnUntraced(function* (reader: Reader, dataDir: string) {
  const environment = yield* reader.readAll(baseUrls)
  const name = yield* reader.read(gatewayFile)
  const file = name === undefined ? Result.succeed(emptyFile) : yield* Effect.result(readGatewayFile(name))
  const apiKeys = yield* readApiKeys(
    Result.getOrElse(file, () => emptyFile),
    reader,
  )
  const variables = yield* readVariables(reader)
  if (Result.isFailure(file)) {
    reader.faults.push(...file.failure.faults)
    return undefined
  }
  const update = yield* readPriceUpdate(dataDir)
  const merged = mergeGatewayConfig(file.success, {
    apiKeys,
    baseUrls: environment,
    variables,
    ...(update !== undefined && { prices: update.prices }),
  })
  if (Result.isSuccess(merged)) return merged.success
  reader.faults.push(...inFile(name ?? "GATEWAY_CONFIG", merged.failure).faults)
  return undefined
})

const readAdminJwtSecret = Effect.fnUntraced(function* (reader: Reader, dataDir: string, embedded: boolean) {
  const given = yield* reader.read(adminJwtSecret)
  if (given !== undefined || reader.wrong.has(adminJwtSecret.name)) return given
  if (!embedded) {
    // A generated one would differ from replica to replica.
    reader.faults.push(`${adminJwtSecret.name} ${ADMIN_JWT_SECRET_RULE}; it is required with DATABASE_URL`)
    return undefined
  }
  const generated = yield* Effect.result(readOrCreateAdminJwtSecret(dataDir))
  if (Result.isSuccess(generated)) return generated.success
  reader.faults.push(...generated.failure.faults)
  return undefined
})

/** Reads again what `gateway` is made of: the file, its keys and the prices that an update brought. */
export const loadGateway = Effect.fnUntraced(function* (dataDir: string) {
  const reader = makeReader()
  const gateway = yield* readGateway(reader, dataDir)
  if (reader.faults.length > 0 || gateway === undefined) {
    return yield* new SettingsError({ faults: reader.faults })
  }
  return gateway
})

const load = Effect.gen(function* () {
  const reader = makeReader()
  // Only for their faults: the log reads them before there are settings.
  yield* reader.readAll({ logLevel, logFormat })
  const settings = yield* reader.readAll(table)
  if (settings.adminPort === settings.port && settings.port !== 0) {
    reader.faults.push(`${table.adminPort.name} must be another port than ${table.port.name}`)
  }
  const embedded = settings.databaseUrl === undefined && !reader.wrong.has(table.databaseUrl.name)
  const gateway = yield* readGateway(reader, settings.dataDir)
  const adminJwtSecret = yield* readAdminJwtSecret(reader, settings.dataDir, embedded)
  if (reader.faults.length > 0 || gateway === undefined || adminJwtSecret === undefined) {
    return yield* new SettingsError({ faults: reader.faults })
  }
  const configFile = yield* reader.read(gatewayFile)
  return { ...settings, gateway, adminJwtSecret, ...(configFile !== undefined && { configFile }) }
})

/** Every setting of the process, read once at start; `GatewayReload` replaces `gateway`, and nobody else. */
export class Settings extends Context.Service<
  Settings,
  Values<typeof table> & {
    /** From the environment or generated in `dataDir`; at least 32 bytes. */
    readonly adminJwtSecret: Redacted.Redacted
    readonly gateway: GatewayConfig
    /** Absent = everything in it is as built in. */
    readonly configFile?: string
  }
>()("gateway/config/Settings") {
  /** Reads whatever `ConfigProvider` is in the context. */
  static readonly layerNoDeps = Layer.effect(Settings, load)

  /** Reads them from the `ConfigProvider` that the front doors give (`layerEnvironment`) and the files that it names. */
  static readonly layer: Layer.Layer<Settings, SettingsError> = this.layerNoDeps.pipe(
    Layer.provide(NodeServices.layer),
  )

  /** Defaults with the simulated providers on and any free port; reads and writes nothing. */
  static readonly layerTest = (overrides: Partial<Context.Service.Shape<typeof Settings>> = {}) =>
    Layer.sync(Settings, () => ({
      host: table.host.unset,
      port: 0,
      docs: table.docs.unset,
      metrics: table.metrics.unset,
      ui: table.ui.unset,
      dataDir: table.dataDir.unset,
      workers: table.workers.unset,
      adminJwtSecret: Redacted.make("only-for-tests-and-known-to-everybody"),
      maxBodyBytes: table.maxBodyBytes.unset,
      gateway: Result.getOrThrow(
        mergeGatewayConfig(emptyFile, {
          apiKeys: new Map(),
          baseUrls: {
            openai: baseUrls.openai.unset,
            gemini: baseUrls.gemini.unset,
            anthropic: baseUrls.anthropic.unset,
          },
          variables: new Map(),
        }),
      ),
      ...overrides,
    }))
}
