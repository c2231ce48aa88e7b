import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { afterAll, beforeAll, describe, it } from "vitest"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { eventually } from "../support/process-watch.ts"
import { LOOKS, openScreen, overflowOf } from "./open-screen.ts"

let gateway: GatewayInProcess
let browser: Browser

const shownKey = async (page: Page): Promise<string> =>
  (await page.getByRole("dialog").locator("pre").textContent()) ?? ""

const ask = (key: string) => gateway.infer(key, { model: "auto", prompt: "Say hello", max_tokens: 20 })

describe.skipIf(noBrowser !== undefined)("keys on the page", () => {
  beforeAll(async () => {
    gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
    browser = await Browser.start()
    await gateway.admin("/admin/teams", { method: "POST", body: JSON.stringify({ name: "search" }) })
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
  })

  it("keeps a key in sight that was just made, also when the session ends", async () => {
    const { page } = await openScreen(browser, gateway, "/ui/keys")
    const dialog = page.getByRole("dialog")
    await page.getByRole("button", { name: "Create a key" }).click()
    await dialog.getByLabel("Name").fill("late")
    await page.route("**/admin/keys?**", (route) =>
      route.fulfill({ status: 401, json: { code: "invalid_admin_token", detail: "The session is over." } }),
    )
    await dialog.getByRole("button", { name: "Create" }).click()
    await page.getByText("The session is over").first().waitFor()
    assert.strictEqual((await ask(await shownKey(page))).status, 200)
    await dialog.getByRole("button", { name: "I have stored it" }).click()
    await page.getByLabel("Admin token").waitFor()
  })

  it("makes a key, which is shown once and works", async () => {
    const { faults, page } = await openScreen(browser, gateway, "/ui/keys")
    const dialog = page.getByRole("dialog")
    await page.getByRole("button", { name: "Create a key" }).click()
    await dialog.getByLabel("Name").fill("crawler")
    await dialog.getByLabel("Team").selectOption("search")
    await dialog.getByLabel("Budget in USD").fill("2.5")
    await dialog.getByLabel("Budget window").selectOption("day")
    await dialog.getByLabel("Requests per minute").fill("600")
    await dialog.getByText("Tags, models").click()
    await dialog.getByLabel("Tags").fill("prod, eu")
    await dialog.getByLabel("Models").fill("no-such-model")
    await dialog.getByRole("button", { name: "Create" }).click()
    await dialog.getByText("models[0]").waitFor()
    // What a browser logs of any refusal.
    assert.lengthOf(faults.splice(0), 1)
    await dialog.getByLabel("Models").fill("auto")
    await dialog.getByRole("button", { name: "Create" }).click()

    await page.getByRole("heading", { name: "Store this key now" }).waitFor()
    const key = await shownKey(page)
    assert.match(key, /^gwk_/)
    await page.keyboard.press("Escape")
    await dialog.getByRole("button", { name: "Copy" }).click()
    await dialog.getByText("Copied").waitFor()
    assert.strictEqual(await page.evaluate("navigator.clipboard.readText()"), key)
    await dialog.getByRole("button", { name: "I have stored it" }).click()
    await dialog.waitFor({ state: "detached" })

    const row = page.getByRole("row", { name: "crawler" })
    for (const text of ["search", "prod", "eu", "600 requests/min", "$0.00 of $2.50/day", "active"])
      await row.getByText(text, { exact: text.length < 7 }).waitFor()
    assert.notInclude(await page.content(), key)
    assert.strictEqual((await ask(key)).status, 200)
    assert.deepStrictEqual(faults, [])
  })

  it("takes a new key to the playground, and nowhere else", async () => {
    const { faults, page } = await openScreen(browser, gateway, "/ui/keys")
    await page.getByRole("button", { name: "Create a key" }).click()
    await page.getByRole("dialog").getByLabel("Name").fill("to be tried")
    await page.getByRole("button", { name: "Create", exact: true }).click()
    const key = await shownKey(page)
    await page.getByRole("button", { name: "Use in the playground" }).click()
    await page.getByRole("heading", { level: 1, name: "Playground" }).waitFor()
    assert.strictEqual(page.url(), `${gateway.url}/ui/playground`)
    const kept = await page.evaluate<string>(
      "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, history.state])",
    )
    assert.notInclude(kept, key)
    assert.deepStrictEqual(faults, [])
  })

  it("changes what was changed alone", async () => {
    const { id } = await gateway.createKey({ name: "to be changed", rpm: 10, tpm: 500, tags: ["prod"] })
    const { faults, page } = await openScreen(browser, gateway, `/ui/keys/${id}`)
    await page.getByRole("button", { name: "Change", exact: true }).click()
    const dialog = page.getByRole("dialog")
    await dialog.getByLabel("Requests per minute").fill("90")
    await dialog.getByLabel("Tokens per minute").fill("")
    await dialog.getByLabel("May issue").check()
    const [request] = await Promise.all([
      page.waitForRequest((request) => request.method() === "PATCH"),
      dialog.getByRole("button", { name: "Save" }).click(),
    ])
    assert.deepStrictEqual(request.postDataJSON(), { rpm: 90, tpm: null, may_issue: true })
    await page.getByText("requests per minute: 10 → 90").waitFor()
    await page.getByText("tokens per minute: 500 → none").waitFor()
    await page.locator("button:focus", { hasText: "Change" }).waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("rotates a key with grace, and revokes it when asked twice", async () => {
    const { id, key: before } = await gateway.createKey({ name: "rotated" })
    const { faults, page } = await openScreen(browser, gateway, `/ui/keys/${id}`)
    const dialog = page.getByRole("dialog")
    await page.getByRole("button", { name: "Rotate" }).click()
    await dialog.getByLabel("works for another").fill("30")
    await dialog.getByLabel("Unit").selectOption("minutes")
    await dialog.getByRole("button", { name: "Rotate" }).click()
    await page.getByRole("heading", { name: "Store this key now" }).waitFor()
    const after = await shownKey(page)
    await dialog.getByRole("button", { name: "I have stored it" }).click()
    await page.getByText(/old secret ends in (29|30)m/).waitFor()
    for (const key of [before, after]) assert.strictEqual((await ask(key)).status, 200)

    await page.getByRole("button", { name: "Revoke" }).click()
    await page.locator("button:focus", { hasText: "Cancel" }).waitFor()
    await page.keyboard.press("Escape")
    await dialog.waitFor({ state: "detached" })
    await page.locator("button:focus", { hasText: "Revoke" }).waitFor()
    await page.getByText("active", { exact: true }).waitFor()
    await page.keyboard.press("Enter")
    await dialog.getByRole("button", { name: "Revoke for good" }).click()
    await page.getByText("revoked", { exact: true }).waitFor()
    assert.strictEqual(await page.getByRole("button", { name: "Rotate" }).count(), 0)
    await eventually(async () => (await ask(after)).status === 401, 5_000)
    assert.deepStrictEqual(faults, [])
  })

  it("shows what a key asked for, and leads to its requests", async () => {
    const { id, key } = await gateway.createKey({ name: "busy" })
    for (const _ of [1, 2, 3]) assert.strictEqual((await ask(key)).status, 200)
    await gateway.ledger(3)
    const { faults, page } = await openScreen(browser, gateway, `/ui/keys/${id}`)
    const tile = page.locator(".tile", { hasText: "Requests" })
    await tile.getByText("3", { exact: true }).waitFor()
    await tile.getByText("no errors").waitFor()
    await page.getByRole("button", { name: "7 days" }).click()
    await page.waitForURL(/\?span=7d$/)
    await tile.getByText("3", { exact: true }).waitFor()
    assert.strictEqual(
      await page.getByRole("link", { name: "Its requests" }).getAttribute("href"),
      `/ui/requests?key_id=${id}`,
    )
    assert.deepStrictEqual(faults, [])
  })

  it("has issued keys under the key that issued them, and finds keys by what is typed", async () => {
    const { id, key } = await gateway.createKey({ name: "issuer", may_issue: true, budget_usd: 1 })
    const issued = await fetch(`${gateway.url}/v1/keys`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": key },
      body: JSON.stringify({ name: "run-7", budget_usd: 0.1 }),
    })
    assert.strictEqual(issued.status, 200)
    const { faults, page } = await openScreen(browser, gateway, "/ui/keys")
    await page.getByRole("link", { name: "issuer" }).waitFor()
    assert.strictEqual(await page.getByRole("link", { name: "run-7" }).count(), 0)
    await page.getByRole("button", { name: "1 issued key" }).click()
    await page.getByRole("link", { name: "run-7" }).waitFor()
    await page.waitForURL(`${gateway.url}/ui/keys?issuer=${id}`)

    await page.getByLabel("Search by name").pressSequentially("RUN-7")
    await page.getByRole("link", { name: "issuer" }).waitFor({ state: "detached" })
    await page.getByText(`issued by ${id}`).waitFor()
    // Also among more keys than are loaded at once.
    for (let made = 0; made < 210; made += 30)
      await Promise.all(Array.from({ length: 30 }, (_, i) => gateway.createKey({ name: `bulk-${made + i}` })))
    await page.reload()
    await page.getByText(`issued by ${id}`).waitFor()
    await page.getByLabel("Search by name").fill("bulk")
    await page.getByRole("link", { name: "bulk-209" }).waitFor()
    await page.getByRole("button", { name: "Load 200 more" }).click()
    await page.getByRole("link", { name: "bulk-0", exact: true }).waitFor()
    await page.getByLabel("Search by name").fill("nothing is called so")
    await page.getByRole("button", { name: "Show all keys" }).click()
    await page.waitForURL(/state=all/)
    await page.getByRole("link", { name: "bulk-209" }).waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("says of a key that is not there what the gateway says", async () => {
    const { page } = await openScreen(browser, gateway, "/ui/keys/000000000000")
    await page.getByText("No API key has this id.").waitFor()
  })

  it("shows a viewer no way to change something", async () => {
    const { id } = await gateway.createKey({ name: "looked at", budget_usd: 1 })
    for (const path of ["/ui/keys", `/ui/keys/${id}`]) {
      const { faults, page } = await openScreen(browser, gateway, path, { role: "viewer" })
      await page.getByText("$0.00 of $1.00/month").first().waitFor()
      const buttons = await page.locator("main").getByRole("button").allInnerTexts()
      for (const button of buttons) assert.notMatch(button, /create|add|change|reset|delete|rotate|revoke/i)
      assert.deepStrictEqual(faults, [])
    }
  })

  it("keeps nobody out, in any look", async () => {
    const { id } = await gateway.createKey({ name: "looked at", budget_usd: 1, tags: ["prod"] })
    for (const look of LOOKS) {
      for (const path of ["/ui/keys", `/ui/keys/${id}`]) {
        const { faults, page } = await openScreen(browser, gateway, path, look)
        await page.getByText("looked at").first().waitFor()
        await page.getByText("$0.00 of $1.00/month").first().waitFor()
        assert.deepStrictEqual(await barriers(page), [], path)
        assert.isAtMost(await overflowOf(page), 0, path)
        assert.deepStrictEqual(faults, [])
      }
    }
  })

  it("keeps nobody out of its dialogs, which fit on a phone", async () => {
    const { id } = await gateway.createKey()
    for (const [path, button] of [
      ["/ui/keys", "Create a key"],
      [`/ui/keys/${id}`, "Rotate"],
      [`/ui/keys/${id}`, "Add a budget"],
    ] as const) {
      const { faults, page } = await openScreen(browser, gateway, path, { width: 390 })
      await page.getByRole("button", { name: button }).click()
      await page.getByRole("dialog").waitFor()
      assert.deepStrictEqual(await barriers(page), [], button)
      assert.isAtMost(await overflowOf(page), 0, button)
      assert.deepStrictEqual(faults, [])
    }
  })

  it("shows hostile names as text", async () => {
    const { id } = await gateway.createKey()
    const key = (await (await gateway.admin(`/admin/keys/${id}`)).json()) as object
    const names = {
      "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>":
        "<img src=x onerror=document.title='owned'>",
      "admin\u202egnp.exe": "admin␦gnp.exe",
      "\u001b[31mred\u001b[0m": "␛[31mred␛[0m",
      ["x".repeat(10_000)]: "x".repeat(48),
    }
    const hostile = Object.keys(names).map((name, nth) => ({
      ...key,
      id: `${id}${nth}`,
      name,
      tags: [name],
      models: [name],
      team: name,
    }))
    const { faults, page } = await openScreen(browser, gateway, "/ui/teams", { width: 390 })
    await page.route("**/admin/keys?*", (route) =>
      route.fulfill({ json: { data: hostile, next_cursor: null } }),
    )
    await page.goto(`${gateway.url}/ui/keys`)
    for (const shown of Object.values(names)) await page.getByRole("link", { name: shown }).first().waitFor()
    assert.isAtMost(await overflowOf(page), 0)
    for (const [nth, shown] of Object.values(names).entries()) {
      await page.route(`**/admin/keys/${id}${nth}`, (route) => route.fulfill({ json: hostile[nth] }))
      await page.goto(`${gateway.url}/ui/keys/${id}${nth}`)
      await page.getByRole("heading", { level: 1, name: shown }).waitFor()
      await page.getByText("Nothing was asked").waitFor()
      assert.isAtMost(await overflowOf(page), 0)
    }
    assert.strictEqual(await page.title(), "Keys · LLM Gateway")
    assert.deepStrictEqual(faults, [])
  })
})
