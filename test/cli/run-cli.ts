import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { Effect } from "effect"
import { processEnv } from "../support/process-env.ts"

/** The command line as an operator runs it: a process of its own, with nothing in its environment but what is given. */

const cli = join(import.meta.dirname, "../../src/cli.ts")

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliRun {
  readonly process: ChildProcess
  readonly ended: Promise<CliResult>
}

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

export const runCli = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  cwd: string,
): Effect.Effect<CliResult> => Effect.promise(() => startCli(args, env, cwd).ended)
