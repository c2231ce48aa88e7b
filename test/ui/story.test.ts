import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { Browser, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure, ok } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { eventually } from "../support/process-watch.ts"
import { openScreen, overflowOf } from "./open-screen.ts"

let upstream: FakeUpstream
let spare: FakeUpstream
let gateway: GatewayInProcess
let browser: Browser

/** What somebody does on the first day, from one screen to the next. */
describe.skipIf(noBrowser !== undefined)("a first day with the page", () => {
  beforeAll(async () => {
    upstream = await FakeUpstream.start()
    spare = await FakeUpstream.start()
    gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: providersYaml(
        [upstream, spare],
        "routes:\n  fast: { candidates: [p0/m, p1/m], strategy: priority }",
        () => 2_000,
      ),
    })
    browser = await Browser.start()
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
    await upstream?.stop()
    await spare?.stop()
  })

  it("goes from a key to an answer, to why it came from there, to its cost, and to the end of the key", async () => {
    const { faults, page } = await openScreen(browser, gateway, "/ui/keys")
    const goTo = (screen: string) => page.getByRole("link", { name: screen, exact: true }).click()

    // A key with a budget.
    await page.getByRole("button", { name: "Create a key" }).first().click()
    const dialog = page.getByRole("dialog")
    await dialog.getByLabel("Name").fill("laptop")
    await dialog.getByLabel("Budget in USD").fill("100")
    await dialog.getByRole("button", { name: "Create", exact: true }).click()
    const key = (await dialog.getByText(/^gwk_/).textContent()) ?? ""
    await dialog.getByRole("button", { name: "Use in the playground" }).click()

    // An answer, by the second provider since the first one fails.
    upstream.respond(failure("serverError"))
    spare.respond(ok({ text: "Hello yourself, Ada" }))
    await page.getByRole("heading", { level: 1, name: "Playground" }).waitFor()
    await page.getByRole("combobox", { name: "Model or route" }).selectOption("fast")
    await page.getByLabel("User", { exact: true }).fill("Hello")
    await page.getByRole("button", { name: "Send" }).click()
    await page.locator(".answer").filter({ hasText: "Hello yourself, Ada" }).waitFor()
    await page.getByText("Answered", { exact: true }).waitFor()
    await gateway.ledger(1)

    // The overview counts it, the list has it, and the request tells the story.
    await goTo("Overview")
    await page.getByRole("link", { name: "p1/m" }).waitFor()
    await goTo("Requests")
    const row = page.getByRole("row").nth(1)
    await row.getByRole("link").first().waitFor()
    await row.getByRole("link").first().click()
    await page.waitForURL(/\/ui\/requests\/[0-9a-f-]{36}/)
    await page.getByText("server error").first().waitFor()
    await page
      .getByText(/priority/)
      .first()
      .waitFor()

    // The budget moved.
    await goTo("Budgets")
    await page
      .getByText(/of \$100/)
      .first()
      .waitFor()
    const spent = await page.getByRole("main").textContent()
    assert.notMatch(spent ?? "", /\$0\.00 of \$100/)

    // The key ends, and is refused in the playground.
    await goTo("Keys")
    await page.getByRole("link", { name: "laptop" }).click()
    await page.getByRole("button", { name: "Revoke" }).click()
    await page
      .getByRole("dialog")
      .getByRole("button", { name: /^Revoke/ })
      .click()
    await page.getByText("revoked").first().waitFor()
    // It ends within a second, everywhere.
    await eventually(async () => (await gateway.infer(key, { prompt: "Hi" })).status === 401)
    await goTo("Playground")
    await page.getByText("The API key is unknown, revoked, expired or mistyped.").waitFor()
    // What a browser logs of any 401; the policy and the scripts have no complaints.
    assert.deepStrictEqual(
      faults.filter((fault) => !/status of 401/.test(fault)),
      [],
    )
  })

  it("needs no more than 320 pixels", async () => {
    const [row] = await gateway.ledger(1)
    const { page } = await openScreen(browser, gateway, "/ui", { width: 320 })
    const screens = ["requests", `requests/${row?.request_id}`, "keys", "teams", "budgets", "models"]
    for (const path of ["", ...screens, "playground", "connect"]) {
      await page.goto(`${gateway.url}/ui/${path}`)
      await page.getByRole("heading", { level: 1 }).waitFor()
      await page.waitForLoadState("networkidle")
      assert.strictEqual(await overflowOf(page), 0, path)
    }
  })

  it("shows a viewer all of it, and nothing that changes something", async () => {
    const { faults, page } = await openScreen(browser, gateway, "/ui", { role: "viewer" })
    const screens = ["Overview", "Requests", "Keys", "Teams", "Budgets", "Models", "Connect"]
    for (const screen of screens) {
      await page.getByRole("link", { name: screen, exact: true }).click()
      await page.getByRole("heading", { level: 1, name: screen }).waitFor()
      await page.waitForLoadState("networkidle")
      const names = await page.getByRole("main").getByRole("button").allTextContents()
      assert.deepStrictEqual(
        names.filter((name) => /create|add|change|delete|reset|revoke|rotate/i.test(name)),
        [],
        screen,
      )
    }
    assert.deepStrictEqual(faults, [])
  })
})
