import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { ConfigProvider, Effect, FileSystem, Layer, type Option, Record } from "effect"
import { SettingsError } from "./SettingsError.ts"

/**
 * Provider of flat names: a name without a value of its own is unknown here. Without this an environment variable
 * such as `HOST_NAME`, which reads as a group under `HOST`, would hide the `HOST` of a `.env` file.
 */
const flat = (provider: ConfigProvider.ConfigProvider): ConfigProvider.ConfigProvider =>
  ConfigProvider.make((path) =>
    Effect.map(provider.load(path), (node) => (node?.value === undefined ? undefined : node)),
  )

/**
 * Settings that are files, as Docker and Kubernetes mount secrets: `OPENAI_API_KEY_FILE` names the file that holds
 * `OPENAI_API_KEY`. It is read each time that the setting is.
 */
const withFiles = (
  provider: ConfigProvider.ConfigProvider,
  fs: FileSystem.FileSystem,
): ConfigProvider.ConfigProvider =>
  ConfigProvider.make((path) =>
    Effect.gen(function* () {
      const [name] = path
      const file = `${name}_FILE`
      const found = yield* provider.load(path)
      if (path.length !== 1) return found
      const named = (yield* provider.load([file]))?.value?.trim()
      if (!named) return found
      if (found?.value?.trim()) return yield* unread(`must not be set beside ${file}`)
      const contents = yield* Effect.mapError(fs.readFileString(named), () =>
        unread(`cannot be read from the file that ${file} names`),
      )
      return ConfigProvider.makeValue(contents.trim())
    }),
  )

const unread = (message: string) => new ConfigProvider.SourceError({ message })

const readDotEnv = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const contents = yield* fs.readFileString(".env")
  return flat(ConfigProvider.fromDotEnvContents(contents))
}).pipe(
  Effect.catch((error) =>
    error.reason._tag === "NotFound"
      ? Effect.undefined
      : Effect.fail(new SettingsError({ faults: [".env is present but cannot be read"] })),
  ),
)

const load = Effect.gen(function* () {
  const environment = flat(ConfigProvider.fromEnv())
  const dotEnv = yield* readDotEnv
  const fs = yield* FileSystem.FileSystem
  return withFiles(dotEnv === undefined ? environment : ConfigProvider.orElse(environment, dotEnv), fs)
})

/** Source of settings: the environment, then `.env` in the working directory. An empty value is unset. */
export const layerEnvironment: Layer.Layer<never, SettingsError> = ConfigProvider.layer(load).pipe(
  Layer.provide(NodeFileSystem.layer),
)

/** Says settings in place of the environment, which has all those that are none here. */
export const layerSettings = (
  settings: Readonly<Record<string, Option.Option<string>>>,
): Layer.Layer<never> =>
  ConfigProvider.layer(
    Effect.map(ConfigProvider.ConfigProvider, (environment) =>
      ConfigProvider.orElse(ConfigProvider.fromUnknown(Record.getSomes(settings)), environment),
    ),
  )
