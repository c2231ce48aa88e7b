#!/usr/bin/env node
import "effect/schema/SchemaJITCompiler/enable"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { commands } from "./app/commands.ts"
import { exitCode, reportFailure } from "./app/report-failure.ts"
import { layerEnvironment } from "./config/environment.ts"
import { version } from "./config/version.ts"
import { layerLogging } from "./observability/Logging.ts"

NodeRuntime.runMain(
  Command.run(commands, { version }).pipe(
    Effect.provide(layerEnvironment),
    Effect.tapCause(reportFailure),
    Effect.provide([layerLogging, NodeServices.layer]),
  ),
  { disableErrorReporting: true, teardown: exitCode },
)
