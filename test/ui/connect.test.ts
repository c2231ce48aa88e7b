import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { clients } from "../../ui/clients.ts"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { openScreen, overflowOf } from "./open-screen.ts"

let gateway: GatewayInProcess
let browser: Browser

const signedIn = (path: string, options: { readonly width?: number; readonly dark?: boolean } = {}) =>
  openScreen(browser, gateway, path, { role: "viewer", ...options })

describe.skipIf(noBrowser !== undefined)("setting clients up", () => {
  beforeAll(async () => {
    gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
    browser = await Browser.start()
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
  })

  it("shows one at a time, which stands in the address, with this gateway's own", async () => {
    const { faults, page } = await signedIn("/ui/connect?client=codex")
    await page.getByRole("heading", { level: 2, name: "Codex CLI" }).waitFor()
    await page.getByText(`base_url = "${gateway.url}/v1"`).waitFor()
    await page.getByText("export GATEWAY_KEY=gwk_…").waitFor()
    await page.getByRole("link", { name: "Claude Code" }).click()
    await page.getByText(`export ANTHROPIC_BASE_URL=${gateway.url}`).waitFor()
    assert.strictEqual(page.url(), `${gateway.url}/ui/connect?client=claude-code`)
    await page.goBack()
    await page.getByRole("heading", { level: 2, name: "Codex CLI" }).waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("has every client filled in, and none with what would be code in its place", async () => {
    const { faults, page } = await signedIn("/ui/connect")
    await page.getByLabel("Model or route").fill(`"; rm -rf ~ #`)
    await page.getByLabel("Address").fill("https://evil.example/$(id)")
    await page.getByText("An address is like").waitFor()
    for (const { name } of clients) {
      await page.getByRole("link", { name, exact: true }).click()
      await page.getByRole("heading", { level: 2, name, exact: true }).waitFor()
      const codes = (await page.locator(".snippet code").allTextContents()).join("\n")
      assert.notMatch(codes, /undefined|rm -rf|\$\(id\)/)
      assert.include(codes, gateway.url)
    }
    assert.deepStrictEqual(faults, [])
  })

  it("hides a key until one asks to see it, and copies it all the same", async () => {
    const { key } = await gateway.createKey()
    const { faults, page } = await signedIn("/ui/connect?client=aider")
    await page.getByLabel("API key").fill(key)
    await page.getByRole("combobox", { name: "Model or route" }).selectOption("thrift-1")
    const code = page.locator(".snippet code")
    assert.notInclude((await code.textContent()) ?? "", key)
    await page.getByRole("button", { name: "Copy" }).click()
    await page.getByText("Copied").waitFor()
    const copied = await page.evaluate<string>("navigator.clipboard.readText()")
    assert.include(copied, `OPENAI_API_KEY=${key}\naider --model openai/thrift-1`)
    await page.getByRole("button", { name: "Show the key" }).click()
    assert.strictEqual(await code.textContent(), copied)
    await page.getByRole("button", { name: "Hide the key" }).click()
    assert.notInclude(await page.content(), key)
    // It goes along to where it is asked with.
    await page.getByRole("link", { name: "Playground", exact: true }).click()
    assert.strictEqual(await page.getByLabel("API key").inputValue(), key)
    assert.deepStrictEqual(faults, [])
  })

  it.each([{}, { dark: true }, { width: 390 }])("keeps nobody out: %o", async (options) => {
    const { faults, page } = await signedIn("/ui/connect?client=claude-code", options)
    await page.getByRole("heading", { level: 2, name: "Claude Code" }).waitFor()
    assert.deepStrictEqual(await barriers(page), [])
    assert.strictEqual(await overflowOf(page), 0)
    assert.deepStrictEqual(faults, [])
  })
})
