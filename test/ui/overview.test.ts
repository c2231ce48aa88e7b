import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { openScreen, overflowOf } from "./open-screen.ts"

let upstream: FakeUpstream
let spare: FakeUpstream
let gateway: GatewayInProcess
let browser: Browser

const open = (path: string, options: { readonly width?: number; readonly dark?: boolean } = {}) =>
  openScreen(browser, gateway, path, { role: "viewer", ...options })

describe.skipIf(noBrowser !== undefined)("the overview", () => {
  beforeAll(async () => {
    upstream = await FakeUpstream.start()
    spare = await FakeUpstream.start()
    gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: providersYaml(
        [upstream, spare],
        "routes:\n  fast: { candidates: [p0/m, p1/m], strategy: priority }",
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

  it("says what to do where nothing was asked yet", async () => {
    const { faults, page } = await open("/ui")
    await page.getByText("No request has been counted yet").waitFor()
    await page.getByRole("link", { name: "playground", exact: true }).waitFor()
    assert.deepStrictEqual(await barriers(page), [])
    assert.deepStrictEqual(faults, [])
  })

  it("shows what was asked, what it cost, who answered and who is unwell", async () => {
    const { key } = await gateway.createKey({ name: "search <b>team</b>" })
    upstream.respond(ok({ text: "hello" }))
    for (let i = 0; i < 8; i++) await gateway.infer(key, { model: "fast", prompt: "Hi" })
    upstream.respond(status(401, { error: { message: "Incorrect API key", code: "invalid_api_key" } }))
    for (let i = 0; i < 2; i++) await gateway.infer(key, { model: "fast", prompt: "Hi" })
    await gateway.infer(key, { model: "nobody", prompt: "Hi" })
    await gateway.ledger(11)

    const { faults, page } = await open("/ui?span=24h")
    const tile = (title: string) =>
      page.locator(".tile", { has: page.getByText(title, { exact: true }) }).locator("strong")
    await tile("Requests").getByText("11").waitFor()
    assert.strictEqual(await tile("Errors").textContent(), "9.1%")
    await page.getByRole("link", { name: "search <b>team</b>" }).waitFor()
    const ranking = page.locator("section", { has: page.getByRole("heading", { name: "By provider" }) })
    assert.match((await ranking.getByRole("listitem").allTextContents()).join(), /^p0\$\S+ · 8,p1\$\S+ · 2$/)
    const health = page.getByRole("region", { name: "Health of providers" }).getByRole("row")
    const cells = await health.nth(1).getByRole("cell").allTextContents()
    assert.match(cells.join(), /^p0,m,tripped auth/)

    await page.getByText("As a table").first().click()
    await page.getByRole("columnheader", { name: "Spend" }).waitFor()
    await page.getByRole("button", { name: "7 days" }).click()
    await page.waitForURL(/span=7d/)
    await tile("Requests").getByText("11").waitFor()
    assert.deepStrictEqual(await barriers(page), [])
    assert.deepStrictEqual(faults, [])
  })

  it.each(["1h", "24h", "7d", "30d"])("has in the curve of %s what the tiles have", async (span) => {
    const { faults, page } = await open(`/ui?span=${span}`)
    const curve = page.locator("figure", { has: page.getByRole("heading", { name: "Requests and errors" }) })
    await curve.getByText("As a table").click()
    await curve.getByRole("row").nth(1).waitFor()
    const requests = await curve.locator("section tbody tr td:nth-child(2)").allTextContents()
    assert.strictEqual(
      requests.reduce((sum, text) => sum + Number(text), 0),
      11,
    )
    assert.deepStrictEqual(faults, [])
  })

  it("is narrowed to whoever is clicked, and leads to the requests", async () => {
    const { faults, page } = await open("/ui?span=24h")
    const tile = (title: string) =>
      page.locator(".tile", { has: page.getByText(title, { exact: true }) }).locator("strong")
    await page.getByRole("link", { name: "search <b>team</b>" }).click()
    await page.getByRole("button", { name: "Key: search <b>team</b>" }).waitFor()
    await page.getByRole("link", { name: "p1", exact: true }).click()
    await page.getByRole("button", { name: "Provider: p1" }).waitFor()
    await tile("Requests").getByText("2", { exact: true }).waitFor()
    await page.waitForURL(/\/ui\?span=24h&key_id=\w{12}&provider=p1$/)
    await page.getByRole("link", { name: "The requests" }).click()
    await page.waitForURL(/\/ui\/requests\?span=24h&key_id=\w{12}&provider=p1$/)
    await page.locator(".requests tbody tr").nth(1).waitFor()
    assert.strictEqual(await page.locator(".requests tbody tr").count(), 2)
    await page.goBack()
    await page.getByRole("button", { name: "Provider: p1" }).click()
    await page.getByRole("button", { name: "Key: search <b>team</b>" }).click()
    await tile("Requests").getByText("11", { exact: true }).waitFor()
    await page.goto(`${gateway.url}/ui?model=nobody-has-this`)
    await page.getByText("No such request has been counted").waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("goes on showing the values that somebody points at when newer ones come", async () => {
    const { page } = await open("/ui")
    const curve = page.locator("figure", { has: page.getByRole("heading", { name: "Requests and errors" }) })
    await curve.locator(".u-over").hover()
    const values = () => curve.locator(".u-legend .u-value").allTextContents()
    assert.notInclude(await values(), "--")
    await page.clock.install()
    // Begins its turns anew, by the clock that is not the machine's.
    await page.getByLabel("Live").uncheck()
    await page.getByLabel("Live").check()
    await curve.locator(".u-over").hover()
    const plot = await curve.locator(".uplot").elementHandle()
    const answered = page.waitForResponse(/analytics\/overview/)
    await page.clock.fastForward(10_000)
    await (await answered).finished()
    await page.locator("[aria-busy=true]").first().waitFor({ state: "detached" })
    const shown = await values()
    assert.isNotEmpty(shown)
    assert.notInclude(shown, "--")
    assert.isTrue(
      await plot?.evaluate((element: unknown) => (element as { isConnected: boolean }).isConnected),
    )
  })

  it("says what is wrong with a span that somebody wrote into the address", async () => {
    const { page } = await open("/ui?span=own&from=junk")
    await page.getByRole("alert").first().waitFor()
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor()
  })

  it.each([
    { dark: true, width: 1280 },
    { dark: false, width: 390 },
    { dark: true, width: 390 },
  ])("is for everybody, $width wide, dark $dark", async (options) => {
    const { faults, page } = await open("/ui", options)
    await page.locator(".uplot").first().waitFor()
    assert.deepStrictEqual(await barriers(page), [])
    assert.strictEqual(await overflowOf(page), 0, "the page does not scroll sideways")
    assert.deepStrictEqual(faults, [])
  })
})
