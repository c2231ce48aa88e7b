import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, Layer, Redacted, Result } from "effect"
import { ADMIN_JWT_SECRET_MIN_BYTES, readOrCreateAdminJwtSecret } from "./admin-jwt-secret.ts"
import { builtinVendors, vendors } from "./builtin-providers.ts"
import { layerEnvironment } from "./environment.ts"
import type { GatewayConfig } from "./GatewayConfig.ts"
import { type GatewayFile, inFile, readGatewayFile } from "./GatewayFile.ts"
import { logFormat, logLevel } from "./LogSettings.ts"
import { mergeGatewayConfig } from "./merge-gateway-config.ts"
import { SettingsError } from "./SettingsError.ts"
import { apiKey, baseUrl, host, makeReader, path, secretOfBytes, secretUrl, wholeNumber } from "./setting.ts"

/** Names, defaults and rules of the settings. `.env.example` repeats them for people; a test compares the two. */
const table = {
  host: host("HOST", "127.0.0.1"),
  /** 0 = any free port. */
  port: wholeNumber("PORT", 0, 65_535, 8_000),
  databaseUrl: secretUrl("DATABASE_URL", ["postgres", "postgresql"]),
  dataDir: path("DATA_DIR", "./data"),
  redisUrl: secretUrl("REDIS_URL", ["redis", "rediss"]),
  openaiBaseUrl: baseUrl("OPENAI_BASE_URL", "https://api.openai.com/v1"),
  geminiBaseUrl: baseUrl("GEMINI_BASE_URL", "https://generativelanguage.googleapis.com"),
  adminJwtSecret: secretOfBytes("ADMIN_JWT_SECRET", ADMIN_JWT_SECRET_MIN_BYTES),
  gatewayFile: path("GATEWAY_CONFIG", undefined),
  maxBodyBytes: wholeNumber("MAX_BODY_BYTES", 1, 104_857_600, 2_097_152),
  retentionDays: wholeNumber("RETENTION_DAYS", 1, 36_500, undefined),
  otlpEndpoint: baseUrl("OTEL_EXPORTER_OTLP_ENDPOINT", undefined),
}

type Reader = ReturnType<typeof makeReader>

/** The API keys of both vendors and of every provider in the file, by environment variable. */
const readApiKeys = Effect.fnUntraced(function* (file: GatewayFile, { read, wrong }: Reader) {
  const variables = new Set([
    ...vendors.map((vendor) => builtinVendors[vendor].apiKeyEnv),
    ...(file.providers ?? []).flatMap((provider) =>
      provider.kind === "simulated" || provider.api_key_env === undefined ? [] : [provider.api_key_env],
    ),
  ])
  const apiKeys = new Map<string, Redacted.Redacted>()
  for (const variable of variables) {
    const key = yield* read(apiKey(variable))
    // A wrong key has its own line already; it must not be reported as unset too.
    if (key !== undefined || wrong.has(variable)) apiKeys.set(variable, key ?? Redacted.make(""))
  }
  return apiKeys
})

const noFile: GatewayFile = {}

/** Undefined with faults reported when the file, or what it says together with the environment, is wrong. */
const readGateway = Effect.fnUntraced(function* (reader: Reader) {
  const baseUrls = {
    openai: yield* reader.read(table.openaiBaseUrl),
    gemini: yield* reader.read(table.geminiBaseUrl),
  }
  const name = yield* reader.read(table.gatewayFile)
  const file = name === undefined ? Result.succeed(noFile) : yield* Effect.result(readGatewayFile(name))
  const apiKeys = yield* readApiKeys(
    Result.getOrElse(file, () => noFile),
    reader,
  )
  if (Result.isFailure(file)) {
    reader.faults.push(...file.failure.faults)
    return undefined
  }
  const merged = mergeGatewayConfig(file.success, { apiKeys, baseUrls })
  if (Result.isSuccess(merged)) return merged.success
  reader.faults.push(...inFile(name ?? "GATEWAY_CONFIG", merged.failure).faults)
  return undefined
})

const readAdminJwtSecret = Effect.fnUntraced(function* (reader: Reader, dataDir: string, embedded: boolean) {
  const given = yield* reader.read(table.adminJwtSecret)
  if (given !== undefined || reader.wrong.has(table.adminJwtSecret.name)) return given
  if (!embedded) {
    // A generated one would differ from replica to replica.
    reader.faults.push(`ADMIN_JWT_SECRET ${table.adminJwtSecret.rule}; it is required with DATABASE_URL`)
    return undefined
  }
  const generated = yield* Effect.result(readOrCreateAdminJwtSecret(dataDir))
  if (Result.isSuccess(generated)) return generated.success
  reader.faults.push(...generated.failure.faults)
  return undefined
})

const load = Effect.gen(function* () {
  const reader = makeReader()
  const { faults, wrong, read } = reader
  yield* read(logLevel)
  yield* read(logFormat)
  const databaseUrl = yield* read(table.databaseUrl)
  const redisUrl = yield* read(table.redisUrl)
  const otlpEndpoint = yield* read(table.otlpEndpoint)
  const retentionDays = yield* read(table.retentionDays)
  const dataDir = yield* read(table.dataDir)
  const embedded = databaseUrl === undefined && !wrong.has(table.databaseUrl.name)
  const settings = {
    host: yield* read(table.host),
    port: yield* read(table.port),
    dataDir,
    maxBodyBytes: yield* read(table.maxBodyBytes),
    ...(databaseUrl && { databaseUrl }),
    ...(redisUrl && { redisUrl }),
    ...(otlpEndpoint && { otlpEndpoint }),
    ...(retentionDays && { retentionDays }),
  }
  const gateway = yield* readGateway(reader)
  const adminJwtSecret = yield* readAdminJwtSecret(reader, dataDir, embedded)
  if (faults.length > 0 || gateway === undefined || adminJwtSecret === undefined) {
    return yield* new SettingsError({ faults })
  }
  return { ...settings, gateway, adminJwtSecret }
})

/** Every setting of the process, read once at start. */
export class Settings extends Context.Service<
  Settings,
  {
    readonly host: string
    readonly port: number
    /** Absent = embedded database under `dataDir`. */
    readonly databaseUrl?: Redacted.Redacted
    readonly dataDir: string
    readonly redisUrl?: Redacted.Redacted
    /** From the environment or generated in `dataDir`; at least 32 bytes. */
    readonly adminJwtSecret: Redacted.Redacted
    readonly maxBodyBytes: number
    /** Single requests are kept this long, rollups for ever. Absent = requests too. */
    readonly retentionDays?: number
    readonly otlpEndpoint?: string
    readonly gateway: GatewayConfig
  }
>()("gateway/config/Settings") {
  /** Reads whatever `ConfigProvider` is in the context. */
  static readonly layerNoDeps = Layer.effect(Settings, load)

  /** The environment, then `.env`. */
  static readonly layer: Layer.Layer<Settings, SettingsError> = this.layerNoDeps.pipe(
    Layer.provide([layerEnvironment, NodeServices.layer]),
  )

  /** Defaults with the simulated providers on and any free port; reads and writes nothing. */
  static readonly layerTest = (overrides: Partial<Context.Service.Shape<typeof Settings>> = {}) =>
    Layer.sync(Settings, () => ({
      host: "127.0.0.1",
      port: 0,
      dataDir: table.dataDir.unset,
      adminJwtSecret: Redacted.make("only-for-tests-only-for-tests-only-for-tests"),
      maxBodyBytes: table.maxBodyBytes.unset,
      gateway: Result.getOrThrow(
        mergeGatewayConfig(noFile, {
          apiKeys: new Map(),
          baseUrls: { openai: table.openaiBaseUrl.unset, gemini: table.geminiBaseUrl.unset },
        }),
      ),
      ...overrides,
    }))
}
