import { Clock, Console, Effect, FileSystem, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { SqlClient } from "effect/sql"
import type { ProviderConfig } from "../config/GatewayConfig.ts"
import { readReportAccess } from "../config/report-access.ts"
import { Settings } from "../config/Settings.ts"
import { hasSchema } from "../database/migrations.ts"
import { oneLine } from "../domain/one-line.ts"
import { DAY_MS, type TimeRange } from "../domain/TimeRange.ts"
import { type ReportVendor, reportVendors } from "../reconciliation/CostReport.ts"
import { fetchReport, reportApis } from "../reconciliation/fetch-report.ts"
import { readLedgerCosts } from "../reconciliation/ledger-costs.ts"
import { readReport } from "../reconciliation/read-report.ts"
import { reconcile as compare } from "../reconciliation/reconcile.ts"
import { CommandFailed } from "./CommandFailed.ts"
import { asJson, asText } from "./costs-reconcile/report.ts"
import { instantFlag } from "./instant.ts"
import { makeProgress } from "./progress.ts"
import { root } from "./root.ts"

const fail = (message: string) => Effect.fail(new CommandFailed({ message: oneLine(message) }))

/** A flag that takes the start of a UTC day, in epoch milliseconds. */
const dayFlag = (name: string) =>
  instantFlag(name).pipe(
    Flag.filter(
      (ms) => ms % DAY_MS === 0,
      () => "Expected a whole UTC day such as 2026-11-23: vendors add up costs by UTC day",
    ),
  )

/** Returns whose report tells what a provider charged, where its kind or address says so. */
const vendorOf = (provider: ProviderConfig | undefined): ReportVendor | undefined => {
  if (provider === undefined || provider.kind === "simulated") return undefined
  if (provider.kind === "openai") return "openai"
  const host = new URL(provider.baseUrl).hostname
  return reportVendors.find((vendor) => host === `api.${vendor}.com`)
}

/** A report of years has a few megabytes. */
const MAX_FILE_BYTES = 268_435_456

const readFile = Effect.fnUntraced(function* (file: string, vendor: ReportVendor | undefined) {
  const fs = yield* FileSystem.FileSystem
  const { size } = yield* Effect.catch(fs.stat(file), () => fail(`--file cannot be read: ${file}`))
  if (size > MAX_FILE_BYTES) return yield* fail(`--file has more than ${MAX_FILE_BYTES} bytes: ${file}`)
  const text = yield* Effect.catch(fs.readFileString(file), () => fail(`--file cannot be read: ${file}`))
  const report = yield* Effect.catchTag(readReport(text), "CostReportError", ({ message }) =>
    fail(`${file}: ${message}`),
  )
  return vendor === undefined || vendor === report.vendor
    ? report
    : yield* fail(`${file} is ${report.vendor}'s report, and --vendor says ${vendor}.`)
})

const askForReport = Effect.fnUntraced(function* (vendor: ReportVendor | undefined, span: TimeRange) {
  if (vendor === undefined) {
    return yield* fail(
      "Neither kind nor address of the provider says whose report tells what it charged: give " +
        `--vendor ${reportVendors.join(" or --vendor ")}, or --file.`,
    )
  }
  const { adminKey, baseUrl } = yield* readReportAccess(vendor)
  const { keyVariable, keysPage } = reportApis[vendor]
  if (adminKey === undefined) {
    return yield* fail(
      `${keyVariable} is not set. Make an admin key at ${keysPage} and set it for this command, or give --file.`,
    )
  }
  return yield* Effect.catchTag(
    fetchReport(vendor, { adminKey, baseUrl }, span),
    "CostReportError",
    ({ message }) => fail(message),
  )
})

export const reconcile = Command.make(
  "reconcile",
  {
    provider: Flag.String("provider").pipe(
      Flag.withDescription("The provider's name in the configuration and in the ledger"),
    ),
    from: dayFlag("from").pipe(Flag.withDescription("First UTC day")),
    to: dayFlag("to").pipe(Flag.withDescription("UTC day after the last one")),
    file: Flag.String("file").pipe(
      Flag.withDescription(
        "The vendor's CSV export of costs, or a saved answer of its cost API; else that is asked",
      ),
      Flag.optional,
    ),
    vendor: Flag.Literals("vendor", reportVendors).pipe(
      Flag.withDescription("Whose report it is, where the provider's kind and address do not say it"),
      Flag.optional,
    ),
  },
  Effect.fn(function* ({ provider: name, from: fromMs, to: toMs, ...flags }) {
    const { json } = yield* root
    if (fromMs >= toMs) return yield* fail("--from must be before --to.")
    const span = { fromMs, toMs }
    const { gateway } = yield* Settings
    const sql = yield* SqlClient.SqlClient
    if (!(yield* hasSchema)) {
      return yield* fail("The database schema is not up to date. Run: llm-gateway migrate")
    }
    const provider = gateway.providers.find((each) => each.name === name)
    const vendor = Option.getOrUndefined(flags.vendor)
    const names = gateway.providers.map((each) => each.name).join(", ")
    const unknown = `No provider is called ${name} (there are: ${names})`
    if (provider === undefined && vendor === undefined && Option.isNone(flags.file)) {
      return yield* fail(`${unknown}. For one that is gone give --vendor or --file.`)
    }
    const report = yield* Option.match(flags.file, {
      onNone: () => askForReport(vendor ?? vendorOf(provider), span),
      onSome: (file) => readFile(file, vendor),
    })
    const progress = yield* makeProgress
    const ledger = yield* readLedgerCosts(sql, name, span, (done, total) => progress(done, total, "days"))
    if (provider === undefined && ledger.costs.length === 0) {
      return yield* fail(`${unknown}, and the ledger has no call to one in these days.`)
    }
    const result = compare(report, ledger, span, yield* Clock.currentTimeMillis)
    const source = Option.isSome(flags.file) ? ("file" as const) : ("api" as const)
    const done = { provider: name, vendor: report.vendor, source, fromMs, toMs, result }
    yield* Console.log(json ? oneLine(asJson(done)) : asText(done))
  }),
).pipe(
  Command.withDescription(
    "Compare what the ledger says that a provider's calls cost with what its vendor says that it charged, by model and " +
      "UTC day, and name the largest differences. The report is asked of the vendor, with OPENAI_ADMIN_KEY or " +
      "ANTHROPIC_ADMIN_KEY, or read from --file. Changes nothing",
  ),
  Command.withShortDescription("Compare the ledger with a vendor's own cost report"),
  Command.withExamples([
    {
      command: "llm-gateway costs reconcile --provider openai --from 2026-11-01 --to 2026-12-01",
      description: "November, asked of OpenAI with OPENAI_ADMIN_KEY",
    },
    {
      command:
        "llm-gateway costs reconcile --provider claude --from 2026-11-23 --to 2026-11-24 --file claude_api_cost.csv --json",
      description: "A day of what Anthropic's console exported, for a script",
    },
  ]),
)
