import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { ConfigProvider, Console, Effect, Runtime } from "effect"
import { Command } from "effect/cli"
import { commands } from "../../src/app/commands.ts"
import { reportFailure } from "../../src/app/report-failure.ts"
import { version } from "../../src/config/version.ts"
import { layerLoggingNoDeps } from "../../src/observability/Logging.ts"
import { capturedConsole } from "../support/captured-console.ts"
import { processEnv } from "../support/process-env.ts"

const cli = join(import.meta.dirname, "../../src/cli.ts")

interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface CliRun {
  readonly process: ChildProcess
  readonly ended: Promise<CliResult>
}

/** Starts the command line as an operator does: a process of its own, with nothing in its environment but `env`. */
export const startCli = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  cwd: string,
): CliRun => {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...processEnv, LOG_FORMAT: "json", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const output = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text
    })
  }
  return { process: child, ended: once(child, "close").then(([code]) => ({ code, ...output })) }
}

/** Runs the command line in this process, in an environment that holds nothing but `env`. */
export const runCli = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Effect.Effect<CliResult> =>
  Effect.suspend(() => {
    const { console, output } = capturedConsole()
    const settings = ConfigProvider.fromUnknown({ LOG_FORMAT: "json", DATA_DIR: join(cwd, "data"), ...env })
    return Command.runWith(commands, { version })(args).pipe(
      Effect.tapCause(reportFailure),
      Effect.provide([layerLoggingNoDeps, NodeServices.layer], { local: true }),
      Effect.provideService(ConfigProvider.ConfigProvider, settings),
      Effect.provideService(Console.Console, console),
      Effect.exit,
      Effect.flatMap((exit) =>
        Effect.callback<CliResult>((resume) =>
          Runtime.defaultTeardown(exit, (code) => resume(Effect.succeed({ code, ...output }))),
        ),
      ),
    )
  })
