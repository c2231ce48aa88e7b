import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { afterAll, beforeAll, describe, it } from "vitest"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET, issueAdminToken } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { hostileNames } from "../support/hostile-names.ts"
import { openScreen, overflowOf } from "./open-screen.ts"

const provider = (name: string, simulation = "") => `
  - name: ${name}
    kind: simulated
    models:
      - name: m-${name}
        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }
    simulation: { median_ms: 1, p95_ms: 2, ms_per_output_token: 0 ${simulation} }`

let gateway: GatewayInProcess
let browser: Browser
let token: string
let key: { readonly id: string; readonly key: string }

const open = (path: string, options?: { readonly width?: number; readonly dark?: boolean }) =>
  openScreen(browser, gateway, path, { role: "viewer", ...options })

const rows = (page: Page) => page.locator(".requests tbody tr")

const ask = async (model: string, user: string, headers = {}) => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key.key, ...headers },
    body: JSON.stringify({ model, user, messages: [{ role: "user", content: "Hello" }], max_tokens: 20 }),
  })
  await response.text()
}

describe.skipIf(noBrowser !== undefined)("the screen of requests", () => {
  beforeAll(async () => {
    gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: `providers:${provider("good")}${provider("bad", ", server_error_rate: 1")}`,
    })
    browser = await Browser.start()
    token = await issueAdminToken(ADMIN_JWT_SECRET, { name: "Ada", role: "viewer" })
    key = await gateway.createKey({ name: "shop" })
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
  })

  it("says how to send a first request, and shows it as soon as it is there", async () => {
    const { faults, page } = await open("/ui/requests")
    await page.getByText("No request in this span").waitFor()
    assert.include((await page.locator("pre").textContent()) ?? "", `curl ${gateway.url}/infer`)
    assert.deepStrictEqual(await barriers(page), [])
    await ask("good/m-good", "ada")
    await rows(page).first().waitFor()
    assert.strictEqual(await rows(page).count(), 1)
    await rows(page).getByText("shop").waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("is narrowed by what is clicked and asked for, which stands in the address and can be taken back", async () => {
    await ask("good/m-good", "bo")
    await ask("bad/m-bad", "bo")
    await gateway.ledger(3)
    const { faults, page } = await open("/ui/requests?live=off")
    await rows(page).nth(2).waitFor()
    await page.getByRole("link", { name: "m-good" }).first().click()
    await page.waitForURL("**/ui/requests?live=off&model=m-good")
    await page.getByRole("button", { name: "Model: m-good" }).waitFor()
    await rows(page).nth(2).waitFor({ state: "detached" })

    const filter = page.getByRole("button", { name: "Filter…" })
    await filter.click()
    await page.getByLabel("User").fill("bo")
    await page.getByLabel("Key", { exact: true }).selectOption({ label: "shop" })
    await page.getByRole("button", { name: "Show", exact: true }).click()
    await rows(page).nth(1).waitFor({ state: "detached" })
    await page.getByRole("button", { name: "User: bo" }).waitFor()
    await page.getByRole("button", { name: "Key: shop" }).waitFor()
    assert.deepInclude(Object.fromEntries(new URL(page.url()).searchParams), { user: "bo", key_id: key.id })
    await page.locator("button:focus", { hasText: "Filter…" }).waitFor()

    await page.getByRole("button", { name: "User: bo" }).click()
    await rows(page).nth(1).waitFor()
    await page.locator("button:focus", { hasText: "Filter…" }).waitFor()
    await page.getByRole("button", { name: "Clear all" }).click()
    await rows(page).nth(2).waitFor()
    assert.strictEqual(new URL(page.url()).search, "?live=off")

    await page.getByRole("button", { name: "5xx" }).click()
    await rows(page).nth(1).waitFor({ state: "detached" })
    const failed = (await rows(page).textContent()) ?? ""
    assert.include(failed, "502")
    assert.include(failed, "upstream_error")
    await page.getByRole("button", { name: "2xx" }).click()
    await page.getByRole("button", { name: "Status: 2xx" }).waitFor()
    await page.goBack()
    await page.getByRole("button", { name: "Status: 5xx" }).waitFor()

    await page.getByRole("button", { name: "Status: 5xx" }).click()
    await rows(page).nth(2).waitFor()
    await filter.click()
    await page.getByLabel("Status", { exact: true }).last().fill("502")
    await page.getByLabel("Took at least (ms)").fill("0")
    await page.keyboard.press("Enter")
    await page.getByRole("button", { name: "Status: 502" }).waitFor()
    await page.getByRole("button", { name: "Took at least: 0 ms" }).waitFor()
    await rows(page).nth(1).waitFor({ state: "detached" })
    await page.getByRole("button", { name: "Clear all" }).click()
    await rows(page).nth(2).waitFor()
    await filter.click()
    await page.getByLabel("Cost at least (USD)").fill("1000")
    await page.keyboard.press("Enter")
    await page.getByText("No request in this span matches").waitFor()
    await page.getByRole("button", { name: "Cost at least: $1,000" }).click()
    await rows(page).nth(2).waitFor()

    await filter.click()
    await page.getByLabel("User").fill("nobody")
    await page.keyboard.press("Enter")
    await page.getByText("No request in this span matches").waitFor()
    await page.getByRole("button", { name: "Clear all filters" }).click()
    await rows(page).nth(2).waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("says in the gateway's words what cannot be asked for", async () => {
    const { faults, page } = await open("/ui/requests?error_code=nonsense")
    await page.getByText("Expected a code of docs/errors.md").waitFor()
    // What a browser logs of any 400.
    assert.lengthOf(faults, 1)
  })

  it("goes to older requests, and back to the newest", async () => {
    await Promise.all(Array.from({ length: 60 }, (_, i) => ask("good/m-good", `page-${i}`)))
    await gateway.ledger(63)
    const { faults, page } = await open("/ui/requests?live=off")
    await rows(page).nth(49).waitFor()
    // Names of keys come by a call of their own.
    await rows(page).first().getByText("shop").waitFor()
    const first = await rows(page).first().textContent()
    await page.getByRole("button", { name: "Older" }).click()
    await rows(page).nth(13).waitFor({ state: "detached" })
    assert.strictEqual(await rows(page).count(), 13)
    assert.strictEqual(await page.getByRole("button", { name: "Older" }).count(), 0)
    await page.getByRole("button", { name: "Newest" }).click()
    await rows(page).nth(49).waitFor()
    assert.strictEqual(await rows(page).first().textContent(), first)
    assert.deepStrictEqual(faults, [])

    await rows(page).first().locator("td").last().click()
    await page.waitForURL("**/ui/requests/*")
    await page.getByRole("heading", { level: 1, name: "Request", exact: true }).waitFor()
  })

  it("says how far it looked where a page of what is rare ends early, and looks further", async () => {
    const [row] = await gateway.ledger(1)
    const { faults, page } = await browser.open(`${gateway.url}/ui`)
    const looked = { from: "2026-11-01T00:00:00Z", to: "2026-11-02T00:00:00Z" }
    await page.route("**/analytics/requests?*", (route) =>
      route.fulfill({
        json: route.request().url().includes("cursor=further")
          ? { ...looked, data: [row], next_cursor: null, scanned_to: null }
          : { ...looked, data: [], next_cursor: "further", scanned_to: "2026-11-01T12:00:00Z" },
      }),
    )
    await page.goto(`${gateway.url}/ui/requests?min_cost_usd=1#token=${token}`)
    await page.getByText("None back to Nov 1, 2026").waitFor()
    await page.getByRole("button", { name: "Look further back" }).click()
    await rows(page).first().waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("keeps nobody out, in light, dark and on a phone", async () => {
    for (const options of [{}, { dark: true }, { width: 390 }]) {
      const { faults, page } = await open("/ui/requests?live=off&key_id=unknown-key", options)
      await page.getByText("No request in this span matches").waitFor()
      await page.getByRole("button", { name: "Clear all filters" }).click()
      await rows(page).first().waitFor()
      assert.deepStrictEqual(await barriers(page), [])
      await page.getByRole("button", { name: "Filter…" }).click()
      await page.getByRole("heading", { name: "Show only requests" }).waitFor()
      assert.deepStrictEqual(await barriers(page), [])
      assert.isAtMost(await overflowOf(page), 0)
      assert.deepStrictEqual(faults, [])
    }
  })

  it("shows any name as text", async () => {
    const [row] = await gateway.ledger(1)
    const { escapes, long, script, turned } = hostileNames
    const hostile = {
      ...row,
      provider: script,
      model: long,
      route: turned,
      endpoint: escapes,
      error_code: null,
    }
    for (const width of [1280, 390]) {
      const { faults, page } = await browser.open(`${gateway.url}/ui`, { width })
      await page.route("**/analytics/requests?*", (route) =>
        route.fulfill({
          json: {
            data: [
              hostile,
              { ...hostile, request_id: "other", model: script, error_code: script, status: 500 },
            ],
            next_cursor: null,
          },
        }),
      )
      await page.goto(`${gateway.url}/ui/requests?live=off&user=${encodeURIComponent(script)}#token=${token}`)
      await rows(page).nth(1).waitFor()
      const text = (await page.locator("main").textContent()) ?? ""
      assert.include(text, "<script>globalThis")
      assert.include(text, "\u2426gnp.exe\u2426 abc")
      assert.include(text, "\u241b[31mred\u241b[0m\u2407")
      assert.notInclude(text, "x".repeat(81))
      assert.strictEqual(await page.evaluate("globalThis.harmed"), undefined)
      assert.isAtMost(await overflowOf(page), 0)
      assert.deepStrictEqual(await barriers(page), [])
      assert.deepStrictEqual(faults, [])
    }
  })
})
