import { Effect, Layer, Redacted } from "effect"
import { layerEnvironment } from "../../src/config/environment.ts"
import { Settings } from "../../src/config/Settings.ts"

// Run as a process of its own: prints what `Settings.layer` over `layerEnvironment` makes of this environment and working directory.
const print = (value: unknown) => process.stdout.write(JSON.stringify(value))

await Effect.runPromise(
  Settings.use((found) =>
    Effect.sync(() =>
      print({ ...found, databaseUrl: found.databaseUrl && Redacted.value(found.databaseUrl) }),
    ),
  ).pipe(
    Effect.provide(Settings.layer.pipe(Layer.provide(layerEnvironment))),
    Effect.catchTag("SettingsError", ({ faults }) => Effect.sync(() => print({ faults }))),
  ),
)
