import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { LOOKS, openScreen, overflowOf } from "./open-screen.ts"

let gateway: GatewayInProcess
let browser: Browser

const setBudget = (budget: Record<string, unknown>) =>
  gateway.admin("/admin/budgets", { method: "PUT", body: JSON.stringify(budget) })

describe.skipIf(noBrowser !== undefined)("budgets on the page", () => {
  beforeAll(async () => {
    gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
    browser = await Browser.start()
    await gateway.admin("/admin/teams", { method: "POST", body: JSON.stringify({ name: "search" }) })
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
  })

  it("makes, changes and deletes a budget", async () => {
    const { id } = await gateway.createKey({ name: "nightly" })
    const { faults, page } = await openScreen(browser, gateway, "/ui/budgets")
    const dialog = page.getByRole("dialog")
    await page.getByText("There are no budgets yet").waitFor()
    await page.getByRole("button", { name: "Create a budget" }).click()
    await dialog.getByLabel("Whose spending").selectOption("key")
    await dialog.getByLabel("Which key").selectOption(id)
    await dialog.getByLabel("Window").selectOption("week")
    await dialog.getByLabel("Limit in USD").fill("12")
    await dialog.getByLabel("Alert at percent").fill("80, 101")
    await dialog.getByRole("button", { name: "Create" }).click()
    await dialog.getByText("alert_percents").waitFor()
    // What a browser logs of any refusal.
    assert.lengthOf(faults.splice(0), 1)
    await dialog.getByLabel("Alert at percent").fill("50, 80")
    await dialog.getByLabel("Time zone").fill("Europe/Berlin")
    await dialog.getByRole("button", { name: "Create" }).click()

    const row = page.getByRole("row", { name: "nightly" })
    for (const text of ["$0.00 of $12.00/week", "50% 80%", "Europe/Berlin"])
      await row.getByText(text).waitFor()
    await row.getByRole("button", { name: /^Change/ }).click()
    await dialog.getByLabel("Limit in USD").fill("8.5")
    await dialog.getByRole("button", { name: "Save" }).click()
    for (const text of ["$0.00 of $8.50/week", "50% 80%", "Europe/Berlin"])
      await row.getByText(text).waitFor()

    await row.getByRole("button", { name: /^Delete/ }).click()
    await page.locator("button:focus", { hasText: "Cancel" }).waitFor()
    await dialog.getByRole("button", { name: "Delete" }).click()
    await page.getByText("There are no budgets yet").waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("has first what is nearest to its end, narrows by scope, and forgets what was spent", async () => {
    const { id, key } = await gateway.createKey({ name: "spender", team: "search" })
    await setBudget({ scope: "key", subject: id, window: "total", limit_usd: 0.01 })
    await setBudget({ scope: "team", subject: "search", window: "month", limit_usd: 500 })
    await setBudget({ scope: "user", subject: "ada", window: "day", limit_usd: 0.2 })
    const answer = await gateway.infer(key, { model: "auto", prompt: "Say hello", max_tokens: 20 })
    assert.strictEqual(answer.status, 200)
    await gateway.ledger(1)

    const { faults, page } = await openScreen(browser, gateway, "/ui/budgets")
    const row = page.getByRole("row", { name: "spender" })
    await row.waitFor()
    await page.getByRole("row").nth(1).getByText("spender").waitFor()
    assert.strictEqual(await row.getByText("$0.00 of").count(), 0)
    await row.getByRole("button", { name: /^Reset/ }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Reset" }).click()
    await row.getByText("$0.00 of $0.010 in all").waitFor()

    await page.getByRole("button", { name: "Users" }).click()
    await page.waitForURL(`${gateway.url}/ui/budgets?scope=user`)
    await page.getByRole("row", { name: "ada" }).waitFor()
    await row.waitFor({ state: "detached" })
    assert.deepStrictEqual(faults, [])
  })

  it("keeps nobody out, in any look, and a viewer from changing something", async () => {
    const hostile = "<b>\u202e\u001b[31m".padEnd(10_000, "x")
    for (const look of LOOKS) {
      const { faults, page } = await openScreen(browser, gateway, "/ui/budgets", { ...look, role: "viewer" })
      await page.getByText("ada", { exact: true }).waitFor()
      assert.deepStrictEqual(await barriers(page), [])
      assert.deepStrictEqual(await page.locator("main").getByRole("button").allInnerTexts(), [
        "All",
        "Gateway",
        "Teams",
        "Keys",
        "Users",
        "Tags",
      ])
      const { data } = (await (await gateway.admin("/admin/budgets?scope=user")).json()) as { data: [object] }
      await page.route("**/admin/budgets?*", (route) =>
        route.fulfill({ json: { data: [{ ...data[0], subject: hostile }], next_cursor: null } }),
      )
      await page.reload()
      await page.getByText("<b>␦␛[31mxxx").waitFor()
      assert.isAtMost(await overflowOf(page), 0)
      assert.deepStrictEqual(faults, [])
    }
  })
})
