import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { Config, ConfigProvider, Console, Effect, Layer, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { settingsFault } from "../config/checks.ts"
import { Settings } from "../config/Settings.ts"
import { diagnose } from "../doctor/diagnose.ts"
import type { Finding } from "../domain/Finding.ts"
import { oneLine } from "../domain/one-line.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { instantFlag } from "./instant.ts"
import { makeProgress } from "./progress.ts"
import { root } from "./root.ts"

/**
 * Reading the settings of an embedded installation makes its admin secret, and a check must make nothing: where that
 * secret was never made, one that is not kept stands in for it.
 */
const standIn = Effect.gen(function* () {
  const provider = yield* ConfigProvider.ConfigProvider
  const given = (name: string) => Effect.map(Effect.option(Config.String(name)), Option.getOrUndefined)
  const dataDir = (yield* given("DATA_DIR")) ?? "./data"
  return (yield* given("DATABASE_URL")) !== undefined || existsSync(join(dataDir, "admin-jwt-secret"))
    ? provider
    : ConfigProvider.orElse(
        provider,
        ConfigProvider.fromUnknown({ ADMIN_JWT_SECRET: randomBytes(32).toString("base64url") }),
      )
})

const settingsOnly = Settings.layerNoDeps.pipe(
  Layer.provide(Layer.unwrap(Effect.map(standIn, ConfigProvider.layer))),
)
const TEXT = 14

const asText = (findings: ReadonlyArray<Finding>): string =>
  findings
    .flatMap(({ check, status, summary, examples, next }) => [
      `${status.padEnd(8)}${check.padEnd(TEXT)}  ${summary}`,
      ...examples.map((example) => `${" ".repeat(TEXT + 10)}- ${example}`),
      ...(next === null ? [] : [`${" ".repeat(TEXT + 10)}next: ${next}`]),
    ])
    .map(oneLine)
    .join("\n")

export const doctor = Command.make(
  "doctor",
  {
    from: instantFlag("from").pipe(
      Flag.withDescription(
        "Start of the hours and days of the ledger to check; 24 hours before --to when absent",
      ),
      Flag.optional,
    ),
    to: instantFlag("to").pipe(Flag.withDescription("Their end; now when absent"), Flag.optional),
  },
  Effect.fn(function* ({ from, to }) {
    const { json } = yield* root
    const [fromMs, toMs] = [Option.getOrUndefined(from), Option.getOrUndefined(to)]
    if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs) {
      return yield* new CommandFailed({ message: "--from must be before --to." })
    }
    const progress = yield* makeProgress
    const { span, findings } = yield* diagnose({ fromMs, toMs, progress }).pipe(
      Effect.provide(settingsOnly),
      Effect.catchTag("SettingsError", ({ faults }) =>
        Effect.succeed({ span: undefined, findings: [settingsFault(faults)] }),
      ),
    )
    const count = (status: Finding["status"]) => findings.filter((each) => each.status === status).length
    const [failed, warned, skipped] = [count("fail"), count("warn"), count("skipped")]
    yield* Console.log(
      json
        ? oneLine(
            JSON.stringify({
              ok: failed === 0,
              from: span === undefined ? null : new Date(span.fromMs).toISOString(),
              to: span === undefined ? null : new Date(span.toMs).toISOString(),
              findings,
            }),
          )
        : asText(findings),
    )
    if (failed > 0) {
      return yield* new CommandFailed({
        message: `${failed} failed, ${warned} warned, ${skipped} skipped of ${findings.length} checks.`,
      })
    }
  }),
).pipe(
  Command.withDescription(
    "Check settings, database, ledger and journal, and say what is off and what to do. Changes nothing; works beside " +
      "a running gateway. Exit code 0 when nothing failed. Requests and rollups are checked by whole hours and days " +
      "around the span; without --from each of these checks ends after two minutes",
  ),
  Command.withShortDescription("Check settings, database, ledger and journal; changes nothing"),
  Command.withExamples([
    { command: "llm-gateway doctor", description: "The last 24 hours" },
    {
      command: "llm-gateway doctor --from 2026-11-01 --to 2026-12-01 --json",
      description: "All of November (UTC), for a script",
    },
  ]),
)
