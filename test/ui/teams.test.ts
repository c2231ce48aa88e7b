import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { LOOKS, openScreen, overflowOf } from "./open-screen.ts"

let gateway: GatewayInProcess
let browser: Browser

describe.skipIf(noBrowser !== undefined)("teams on the page", () => {
  beforeAll(async () => {
    gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
    browser = await Browser.start()
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
  })

  it("makes, changes and deletes a team, which the gateway refuses while it is in use", async () => {
    const { faults, page } = await openScreen(browser, gateway, "/ui/teams")
    const dialog = page.getByRole("dialog")
    await page.getByText("There are no teams yet").waitFor()
    await page.getByRole("button", { name: "Create a team" }).click()
    await dialog.getByLabel("Name").fill("search")
    await dialog.getByLabel("Requests per minute").fill("6000")
    await dialog.getByRole("button", { name: "Create" }).click()
    const row = page.getByRole("row", { name: "search" })
    await row.getByText("6,000 requests/min").waitFor()

    await row.getByRole("button", { name: "Change the limits of search" }).click()
    await dialog.getByLabel("Requests per minute").fill("")
    await dialog.getByLabel("Requests in flight").fill("12")
    await dialog.getByRole("button", { name: "Save" }).click()
    await row.getByText("12 in flight").waitFor()
    assert.strictEqual(await row.getByText("requests/min").count(), 0)

    const { id } = await gateway.createKey({ team: "search" })
    await row.getByRole("button", { name: "Delete search" }).click()
    await dialog.getByRole("button", { name: "Delete" }).click()
    await dialog.getByText(`Keys belong to the team: ${id}.`).waitFor()
    // What a browser logs of any refusal.
    assert.lengthOf(faults.splice(0), 1)
    await gateway.admin(`/admin/keys/${id}/revoke`, { method: "POST" })
    await dialog.getByRole("button", { name: "Delete" }).click()
    await page.getByText("There are no teams yet").waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("bounds what a team spends", async () => {
    await gateway.admin("/admin/teams", { method: "POST", body: JSON.stringify({ name: "support" }) })
    const { faults, page } = await openScreen(browser, gateway, "/ui/teams")
    await page.getByRole("button", { name: "Add a budget of support" }).click()
    const dialog = page.getByRole("dialog")
    await dialog.getByLabel("Limit in USD").fill("500")
    await dialog.getByRole("button", { name: "Create" }).click()
    const row = page.getByRole("row", { name: "support" })
    await row.getByText("$0.00 of $500.00/month").waitFor()
    await row.getByRole("link", { name: "Manage the budgets of support" }).click()
    await page.waitForURL(`${gateway.url}/ui/budgets?scope=team&subject=support`)
    await page.getByText("$0.00 of $500.00/month").waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("keeps nobody out, in any look, and a viewer from changing something", async () => {
    await gateway.admin("/admin/teams", { method: "POST", body: JSON.stringify({ name: "a".repeat(64) }) })
    for (const look of LOOKS) {
      const { faults, page } = await openScreen(browser, gateway, "/ui/teams", { ...look, role: "viewer" })
      await page.getByText("a".repeat(64)).waitFor()
      assert.deepStrictEqual(await barriers(page), [])
      assert.isAtMost(await overflowOf(page), 0)
      assert.strictEqual(await page.locator("main").getByRole("button").count(), 0)
      assert.deepStrictEqual(faults, [])
    }
  })
})
