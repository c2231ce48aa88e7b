import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET, issueAdminToken } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { openScreen } from "./open-screen.ts"

let gateway: GatewayInProcess
let browser: Browser

describe.skipIf(noBrowser !== undefined)("signing in", () => {
  beforeAll(async () => {
    gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
    browser = await Browser.start()
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
  })

  it("takes an admin token, keeps it nowhere, and forgets who was signed in when asked to", async () => {
    const { faults, page } = await browser.open(`${gateway.url}/ui`)
    assert.deepStrictEqual(await barriers(page), [])
    await page.getByLabel("Admin token").fill("wrong")
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByText("token from `llm-gateway admin token`").waitFor()
    // What a browser logs of any 401.
    assert.lengthOf(faults.splice(0), 1)

    const token = await issueAdminToken(ADMIN_JWT_SECRET, { name: "Ada", role: "admin" })
    await page.getByLabel("Admin token").fill(token)
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByRole("button", { name: "Sign out" }).waitFor()
    const kept = await page.evaluate<string>(
      "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])",
    )
    assert.notInclude(kept, token)
    assert.notInclude(kept, "ey", "the cookie is out of reach of scripts")
    const [cookie] = await page.context().cookies()
    assert.match(cookie?.name ?? "", /^gateway_session_/)
    assert.deepInclude(cookie, { httpOnly: true, sameSite: "Strict" })

    await page.reload()
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.getByLabel("Admin token").waitFor()
    await page.reload()
    await page.getByLabel("Admin token").waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("says so where the gateway is away when one signs out, and does it then", async () => {
    const { page } = await openScreen(browser, gateway, "/ui/connect")
    await page.clock.install()
    await page.route("**/ui/session", (route) => route.abort())
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.getByText("Still signed in: The gateway does not answer").waitFor()
    await page.unroute("**/ui/session")
    // The session goes on for as long as somebody looks.
    const renewal = page.waitForRequest((request) => request.method() === "POST")
    await page.clock.fastForward("10:00")
    await (await renewal).response()
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.getByLabel("Admin token").waitFor()
  })

  it("shows what failed in place of a screen, and the other screens", async () => {
    const { page } = await openScreen(browser, gateway, "/ui/connect")
    // An answer as no gateway of this version gives it.
    await page.route("**/admin/models", (route) => route.fulfill({ json: { data: [null] } }))
    await page.getByRole("link", { name: "Models" }).click()
    await page.getByText("This screen failed: TypeError").waitFor()
    await page.getByRole("button", { name: "Load the page again" }).waitFor()
    await page.getByRole("link", { name: "Budgets" }).click()
    await page.getByRole("heading", { level: 1, name: "Budgets" }).waitFor()
    await page.unroute("**/admin/models")
    await page.getByRole("link", { name: "Models" }).click()
    await page.getByRole("heading", { level: 1, name: "Models" }).waitFor()
  })

  it("goes by a link whose token is gone from the address at once", async () => {
    const token = await issueAdminToken(ADMIN_JWT_SECRET, { name: "Ada", role: "admin" })
    const { faults, page } = await browser.open(`${gateway.url}/ui/keys#token=${token}`)
    await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor()
    assert.strictEqual(page.url(), `${gateway.url}/ui/keys`)
    assert.deepStrictEqual(faults, [])
  })
})
