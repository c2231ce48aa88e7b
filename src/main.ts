import "effect/schema/SchemaJITCompiler/enable"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { serve } from "./app/App.ts"
import { exitCode, reportFailure } from "./app/report-failure.ts"
import { layerEnvironment } from "./config/environment.ts"
import { layerLogging } from "./observability/Logging.ts"

NodeRuntime.runMain(
  serve.pipe(Effect.provide(layerEnvironment), Effect.tapCause(reportFailure), Effect.provide(layerLogging)),
  { disableErrorReporting: true, teardown: exitCode },
)
