import "effect/schema/SchemaJITCompiler/enable"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { serve } from "./app/App.ts"
import { exitCode, reportFailure } from "./app/report-failure.ts"
import { layerLogging } from "./observability/Logging.ts"

NodeRuntime.runMain(serve.pipe(Effect.tapCause(reportFailure), Effect.provide(layerLogging)), {
  disableErrorReporting: true,
  teardown: exitCode,
})
