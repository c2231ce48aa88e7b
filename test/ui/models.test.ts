import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { openScreen, overflowOf } from "./open-screen.ts"

/** A name that may stand in a file of settings, and would do harm as markup. */
const HOSTILE = `<img/src=x/onerror=document.title='hurt'>${"y".repeat(100)}`

let upstream: FakeUpstream
let gateway: GatewayInProcess
let browser: Browser

describe.skipIf(noBrowser !== undefined)("the models", () => {
  beforeAll(async () => {
    upstream = await FakeUpstream.start()
    gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: providersYaml(
        [upstream, upstream],
        `  - name: vendor
    kind: openai-compatible
    base_url: ${upstream.openAiBaseUrl}
    models:
      - name: "${HOSTILE}"`,
      ),
    })
    browser = await Browser.start()
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
    await upstream?.stop()
  })
  beforeEach(() => upstream.reset())

  it("shows what each costs and takes, and what it is called as text", async () => {
    const { faults, page } = await openScreen(browser, gateway, "/ui/models")
    const first = page.getByRole("region", { name: "Models of p0" })
    await first.getByRole("cell", { name: "healthy" }).waitFor()
    for (const cell of ["$2.00", "test 2026-11-01", "8,000 4,000 out"]) {
      await first.getByRole("cell", { name: cell, exact: true }).waitFor()
    }
    const vendor = page.getByRole("region", { name: "Models of vendor" })
    await vendor.getByText("No price: costs are unknown").waitFor()
    await vendor.getByTitle(HOSTILE).waitFor()
    assert.notStrictEqual(await page.title(), "hurt")

    await page.getByLabel("Filter by name").fill("p1")
    await first.waitFor({ state: "detached" })
    assert.strictEqual(page.url(), `${gateway.url}/ui/models?q=p1`)
    await page.getByLabel("Filter by name").fill("nothing like it")
    await page.getByRole("button", { name: "Show all" }).click()
    await first.waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("shows who is left alone and why, until an admin resets it", async () => {
    const { key } = await gateway.createKey()
    upstream.enqueue(failure("quotaExhausted"))
    await gateway.infer(key, { model: "p0/m", prompt: "hi" })
    const { faults, page } = await openScreen(browser, gateway, "/ui/models")
    const first = page.getByRole("region", { name: "Models of p0" })
    await first.getByText("tripped").waitFor()
    await page.getByRole("heading", { name: "p0 1 model, 1 in trouble" }).waitFor()

    await page.getByRole("button", { name: "Reset p0" }).click()
    const dialog = page.getByRole("dialog", { name: "Reset this provider?" })
    await dialog.getByRole("button", { name: "Leave it" }).click()
    await first.getByText("tripped").waitFor()
    await page.getByRole("button", { name: "Reset p0" }).click()
    assert.deepStrictEqual(await barriers(page), [])
    await dialog.getByRole("button", { name: "Reset" }).click()
    await first.getByRole("cell", { name: "healthy" }).waitFor()
    await page.getByRole("heading", { name: "p0 1 model", exact: true }).waitFor()
    // Where one was before.
    await page.locator("button:focus", { hasText: "Reset p0" }).waitFor()
    const audit = await gateway.admin("/admin/audit?action=provider.reset")
    assert.include(await audit.text(), '"p0"')
    assert.deepStrictEqual(faults, [])
  })

  it("tells a viewer who would be asked, and why the others would not", async () => {
    const { faults, page } = await openScreen(browser, gateway, "/ui/models", { role: "viewer" })
    const show = page.getByRole("button", { name: "Show", exact: true })
    await page.getByLabel("A prompt").fill("Hello there")
    await show.click()
    const candidates = page.getByRole("region", { name: "Candidates, best first" })
    await candidates.getByRole("cell", { name: "m p0" }).waitFor()
    assert.deepStrictEqual(await candidates.getByRole("columnheader").allTextContents(), [
      "Rank",
      "Model",
      "State",
      "Time",
      "Cost",
      "Tokens",
      "Score",
    ])
    await page.getByLabel("Max tokens").fill("4001")
    await page.getByLabel("Model or route").fill("m")
    await show.click()
    await page.getByRole("alert").waitFor()
    assert.deepStrictEqual(await barriers(page), [])
    assert.deepStrictEqual(upstream.calls, [])
    // What a browser logs of a refusal.
    assert.lengthOf(faults.splice(0), 1)
  })

  it("has nothing for a viewer that changes something", async () => {
    const { faults, page } = await openScreen(browser, gateway, "/ui/models", { role: "viewer" })
    await page.getByRole("region", { name: "Models of p0" }).waitFor()
    assert.strictEqual(await page.getByRole("button", { name: /^Reset/ }).count(), 0)
    assert.deepStrictEqual(faults, [])
  })

  it.each([{}, { dark: true }, { width: 390 }])("keep nobody out: %o", async (options) => {
    const { faults, page } = await openScreen(browser, gateway, "/ui/models", options)
    await page.getByRole("region", { name: "Models of p0" }).waitFor()
    assert.deepStrictEqual(await barriers(page), [])
    assert.strictEqual(await overflowOf(page), 0)
    assert.deepStrictEqual(faults, [])
  })
})
