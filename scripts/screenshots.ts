/**
 * Takes the pictures of the page in `docs/screens`: starts a PostgreSQL, three vendors that answer on loopback, and a gateway
 * with two weeks of traffic behind it, and opens every screen in a Chromium.
 *
 *   node scripts/screenshots.ts [--only overview,request] [--into docs/screens]
 */
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import type { Page } from "playwright-core"
import { ledgerEntry } from "../src/ledger/ledger-entry.ts"
import { createDaysOf } from "../src/ledger/tables/partitions.ts"
import { rollUp } from "../src/ledger/tables/roll-up.ts"
import { writeBatch } from "../src/ledger/write-batch.ts"
import { Browser } from "../test/support/Browser.ts"
import { FakeUpstream } from "../test/support/FakeUpstream.ts"
import { failure, ok } from "../test/support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../test/support/GatewayInProcess.ts"
import { createPostgresServer } from "../test/support/postgres-server.ts"
import { type Asker, makeWeeks } from "./screenshots-week.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    into: { type: "string", default: "docs/screens" },
    help: { type: "boolean", default: false },
  },
})
if (values.help) {
  console.log("node scripts/screenshots.ts [--only overview,request] [--into docs/screens]")
  process.exit(0)
}

const CONFIG = `
routes:
  auto: { candidates: [openai/gpt-5.4-mini, gemini/gemini-3.8-flash, anthropic/claude-haiku-5-5] }
  support: { candidates: [anthropic/claude-sonnet-5-5, openai/gpt-5.4-mini], strategy: priority }
  search: { candidates: [gemini/gemini-3.8-flash, openai/gpt-5.4-mini] }
`

const ANSWER =
  "Your order left our warehouse this morning and should arrive on Thursday. You can follow it with the link in the mail that we sent you at 9:12."

const BATCH = 500

const server = await createPostgresServer()
const vendors = await Promise.all([FakeUpstream.start(), FakeUpstream.start(), FakeUpstream.start()])
let gateway: GatewayInProcess | undefined
let browser: Browser | undefined
try {
  await server.start()
  gateway = await startGateway()
  const secrets = await fillWeeks(gateway)
  await askALittle(gateway, secrets)
  browser = await Browser.start()
  await takePictures(browser, gateway, secrets[0] ?? "")
} finally {
  await browser?.stop()
  await gateway?.stop()
  await Promise.all(vendors.map((vendor) => vendor.stop()))
  await server.remove()
}

function startGateway(): Promise<GatewayInProcess> {
  const [openai, gemini, anthropic] = vendors
  openai?.respond(ok({ text: ANSWER, delayMs: 180, firstMs: 120, msBetween: 18 }))
  gemini?.respond(ok({ text: ANSWER, delayMs: 140, firstMs: 90, msBetween: 15 }))
  anthropic?.respond(ok({ text: ANSWER, delayMs: 210, firstMs: 150, msBetween: 20 }))
  return GatewayInProcess.start({
    databaseUrl: Redacted.make(server.url),
    config: CONFIG,
    env: {
      OPENAI_API_KEY: "sk-pictures",
      OPENAI_BASE_URL: openai?.openAiBaseUrl ?? "",
      GEMINI_API_KEY: "pictures",
      GEMINI_BASE_URL: gemini?.url ?? "",
      ANTHROPIC_API_KEY: "sk-ant-pictures",
      ANTHROPIC_BASE_URL: anthropic?.url ?? "",
    },
  })
}

/** Makes teams, keys and budgets through the API, and the weeks before. Returns the secrets of the keys. */
async function fillWeeks(gateway: GatewayInProcess): Promise<ReadonlyArray<string>> {
  const change = async <A>(method: string, path: string, body: object): Promise<A> => {
    const response = await gateway.admin(path, { method, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`)
    return (await response.json()) as A
  }
  for (const name of ["support", "search", "growth"])
    await change("POST", "/admin/teams", { name, tpm: 400_000 })
  const kinds = [
    ["support-bot", "support", ["prod", "eu"], 0.4, "support", "/v1/messages", 0.9],
    ["search-answers", "search", ["prod"], 0.35, "search", "/v1/chat/completions", 0.5],
    ["newsletter", "growth", ["batch"], 0.15, "auto", "/v1/responses", 0],
    ["ada-laptop", "search", ["dev"], 0.1, "auto", "/infer", 0.3],
  ] as const
  const askers: Array<Asker> = []
  const secrets: Array<string> = []
  for (const [name, team, tags, share, route, endpoint, streams] of kinds) {
    const made = await gateway.createKey({
      ...{ name, team, tags, rpm: 600, concurrency: 40 },
      ...(name === "newsletter" && { budget_usd: 40, budget_window: "month" }),
      ...(name === "ada-laptop" && { budget_usd: 5, budget_window: "day" }),
    })
    secrets.push(made.key)
    askers.push({ keyId: made.id, team, tags, share, route, endpoint, streams })
  }
  await change("PUT", "/admin/budgets", { scope: "team", subject: "support", window: "month", limit_usd: 60 })
  await change("PUT", "/admin/budgets", { scope: "team", subject: "search", window: "week", limit_usd: 30 })
  await change("PUT", "/admin/budgets", {
    scope: "gateway",
    window: "month",
    limit_usd: 250,
    alert_percents: [80, 95],
  })

  const records = makeWeeks(askers, Date.now())
  console.error(`writing ${records.length} requests`)
  const write = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    for (let at = 0; at < records.length; at += BATCH) {
      const entries = records.slice(at, at + BATCH).map(ledgerEntry)
      yield* createDaysOf(sql, `[${entries.map(({ line }) => line).join()}]`)
      yield* writeBatch(sql, entries)
    }
    yield* rollUp(sql)
    // Of what the weeks before came to, each budget has spent its share.
    yield* sql`
      INSERT INTO budget_windows (budget_id, starts_at, spent_nano_usd)
      SELECT id, date_trunc(period, now(), 'UTC'), limit_nano_usd * (0.31 + 0.57 * (id * 37 % 100) / 100)
      FROM budgets`
  })
  await Effect.runPromise(
    Effect.provide(write, PgClient.layer({ url: Redacted.make(server.url), prepare: false })),
  )
  return secrets
}

/** Asks through the gateway itself: the newest requests have a decision, attempts and costs of their own. */
async function askALittle(gateway: GatewayInProcess, secrets: ReadonlyArray<string>): Promise<void> {
  const [openai, , anthropic] = vendors
  let asked = 0
  const ask = (route: string, stream: boolean) =>
    gateway.infer(secrets[asked++ % secrets.length] ?? "", {
      model: route,
      stream,
      messages: [{ role: "user", content: "Where is my order? It should have been here on Monday." }],
    })
  for (let i = 0; i < 24; i++) await (await ask(i % 3 === 0 ? "search" : "auto", i % 4 === 0)).text()
  // One is down: its circuit opens, and the others answer.
  anthropic?.respond(failure("serverError"))
  for (let i = 0; i < 6; i++) await (await ask("support", i % 2 === 0)).text()
  openai?.respond(ok({ text: ANSWER, delayMs: 900, firstMs: 400, msBetween: 25 }))
  await (await ask("support", false)).text()
  await gateway.ledger(31)
}

async function takePictures(browser: Browser, gateway: GatewayInProcess, secret: string): Promise<void> {
  await mkdir(values.into, { recursive: true })
  const only = values.only?.split(",")
  for (const { act, dark, name, path, width } of screens(secret)) {
    if (only !== undefined && !only.includes(name)) continue
    const { faults, page } = await browser.open(`${gateway.url}${path}#token=${gateway.adminToken}`, {
      ...(width !== undefined && { width }),
      ...(dark !== undefined && { dark }),
    })
    await page.getByRole("heading", { level: 1 }).waitFor()
    await act?.(page)
    await page.waitForLoadState("networkidle")
    const file = join(values.into, `${name}.png`)
    await page.screenshot({ path: file })
    console.error(file)
    if (faults.length > 0) throw new Error(`${name}: ${faults.join("; ")}`)
    await page.context().close()
  }
}

interface Screen {
  readonly name: string
  readonly path: string
  readonly dark?: boolean
  readonly width?: number
  readonly act?: (page: Page) => Promise<unknown>
}

function screens(secret: string): ReadonlyArray<Screen> {
  return [
    { name: "overview", path: "/ui?span=7d", act: (page) => page.locator(".uplot").first().waitFor() },
    {
      name: "overview-dark",
      path: "/ui?span=7d",
      dark: true,
      act: (page) => page.locator(".uplot").first().waitFor(),
    },
    {
      name: "overview-phone",
      path: "/ui?span=7d",
      width: 390,
      act: (page) => page.locator(".uplot").first().waitFor(),
    },
    { name: "requests", path: "/ui/requests" },
    {
      name: "request",
      path: "/ui/requests?provider=openai",
      act: async (page) => {
        const failedOver = page.getByRole("row").filter({ hasText: "attempts" })
        await failedOver.first().getByRole("link").first().click()
        await page.getByRole("heading", { name: "Request", exact: true }).waitFor()
      },
    },
    { name: "keys", path: "/ui/keys" },
    { name: "teams", path: "/ui/teams" },
    { name: "budgets", path: "/ui/budgets" },
    { name: "models", path: "/ui/models" },
    {
      name: "playground",
      path: "/ui/playground",
      act: async (page) => {
        await page.getByLabel("API key").fill(secret)
        await page
          .getByLabel("User", { exact: true })
          .fill("Where is my order? It should have been here on Monday.")
        await page.getByRole("button", { name: "Send" }).click()
        await page.getByText("Answered", { exact: true }).waitFor()
      },
    },
    { name: "connect", path: "/ui/connect" },
  ]
}
