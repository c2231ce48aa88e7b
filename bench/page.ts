/**
 * How long the page takes to open before a full ledger: a real Chromium opens each screen until it shows what it is for, once as on a
 * first visit and then as on later ones, and prints milliseconds. The database is one that `bench/analytics.ts --url` has filled.
 *
 *   node bench/page.ts --url postgres://… [--visits 9]
 *
 * Exits 1 when a screen's median is above a second.
 */
import { parseArgs } from "node:util"
import { Redacted } from "effect"
import type { BrowserContext } from "playwright-core"
import { Browser } from "../test/support/Browser.ts"
import { ADMIN_JWT_SECRET, issueAdminToken } from "../test/support/GatewayClient.ts"
import { GatewayInProcess } from "../test/support/GatewayInProcess.ts"
import { shown, spread } from "./statistics.ts"

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    visits: { type: "string", default: "9" },
    help: { type: "boolean", default: false },
  },
})
if (values.help || values.url === undefined) {
  console.log("node bench/page.ts --url postgres://… [--visits 9]")
  process.exit(values.help ? 0 : 2)
}

const GOAL_MS = 1_000

const CHART = ".uplot"
const ROWS = "main table tbody tr"
const ROWS_OR_NONE = `${ROWS}, main .notice`
/** A search that has found nothing in its time says how far it looked. */
const FOUND = `${ROWS_OR_NONE}, main .pages`

/** By address, what has to be there before a screen counts as open. */
const SCREENS = [
  ...["1h", "24h", "7d", "30d"].map((span) => [`/ui?span=${span}`, CHART] as const),
  ["/ui?span=7d&provider=openai", CHART],
  ["/ui/requests", ROWS],
  ["/ui/requests?span=30d", ROWS],
  ...["status_class=5", "tag=tag-7", "min_latency_ms=20000", "provider=other&team=team-3"].map(
    (filter) => [`/ui/requests?span=30d&${filter}`, FOUND] as const,
  ),
  ["/ui/keys", ROWS],
  ["/ui/teams", ROWS_OR_NONE],
  ["/ui/budgets", ROWS_OR_NONE],
  ["/ui/models", ROWS],
] as const

const gateway = await GatewayInProcess.start({ databaseUrl: Redacted.make(values.url) })
const browser = await Browser.start()
const token = await issueAdminToken(ADMIN_JWT_SECRET, { name: "Ada", role: "viewer" })
const { page: signedIn } = await browser.open(`${gateway.url}/ui#token=${token}`)
await signedIn.getByRole("heading", { level: 1 }).waitFor()
const known = signedIn.context()

const open = async (context: BrowserContext, path: string, ready: string): Promise<number> => {
  const page = await context.newPage()
  const startedMs = performance.now()
  await page.goto(gateway.url + path, { waitUntil: "commit" })
  await page.locator(ready).first().waitFor()
  const ms = performance.now() - startedMs
  await page.close()
  return ms
}

/** A visit with nothing in the browser's cache but the session. */
const firstVisit = async (path: string, ready: string): Promise<number> => {
  const context = await known.browser()?.newContext()
  if (context === undefined) throw new Error("the browser is gone")
  await context.addCookies(await known.cookies())
  const ms = await open(context, path, ready)
  await context.close()
  return ms
}

const repeat = async (visit: () => Promise<number>): Promise<ReadonlyArray<number>> => {
  const times: Array<number> = []
  for (let i = 0; i < Number(values.visits); i++) times.push(await visit())
  return times
}

console.log(`${"screen".padEnd(52)}${"first visit".padStart(24)}${"later ones".padStart(24)}`)
let isGood = true
for (const [path, ready] of SCREENS) {
  const first = spread(await repeat(() => firstVisit(path, ready)))
  const later = spread(await repeat(() => open(known, path, ready)))
  isGood &&= first.median <= GOAL_MS && later.median <= GOAL_MS
  console.log(`${path.padEnd(52)}${shown(first, 0).padStart(24)}${shown(later, 0).padStart(24)}`)
}
await browser.stop()
await gateway.stop()
process.exitCode = isGood ? 0 : 1
