#!/usr/bin/env node
import "effect/schema/SchemaJITCompiler/enable"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Runtime } from "effect"
import { Command } from "effect/cli"
import { operatorDatabase, operatorKeys, operatorLedger, operatorTokens, serve } from "./app/App.ts"
import { exitCode, reportFailure } from "./app/report-failure.ts"
import { admin } from "./cli/admin.ts"
import { config } from "./cli/config.ts"
import { costs } from "./cli/costs.ts"
import { doctor } from "./cli/doctor.ts"
import { keys } from "./cli/keys.ts"
import { loadTest } from "./cli/load-test.ts"
import { migrate } from "./cli/migrate.ts"
import { root } from "./cli/root.ts"
import { route } from "./cli/route.ts"
import { layerEnvironment } from "./config/environment.ts"
import { version } from "./config/version.ts"
import { layerLogging } from "./observability/Logging.ts"

const serveCommand = Command.make("serve", {}, () => serve).pipe(
  Command.withDescription("Run the gateway; what `npm start` does"),
)

const cli = root.pipe(
  Command.withSubcommands([
    serveCommand,
    migrate.pipe(Command.provide(operatorDatabase)),
    keys.pipe(Command.provide(operatorKeys)),
    admin.pipe(Command.provide(operatorTokens)),
    route,
    costs.pipe(Command.provide(operatorLedger)),
    doctor,
    loadTest,
    config,
  ]),
)

NodeRuntime.runMain(
  Command.run(cli, { version }).pipe(
    Effect.provide(layerEnvironment),
    Effect.tapCause(reportFailure),
    Effect.provide([layerLogging, NodeServices.layer]),
  ),
  {
    disableErrorReporting: true,
    // A service that is told to stop ends well; a command that was cut off did not do its work.
    teardown: process.argv.includes("serve") ? exitCode : Runtime.defaultTeardown,
  },
)
