import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure, ok } from "../support/fake-upstream-behaviours.ts"
import { streamThenCut, streamThenHang } from "../support/fake-upstream-streams.ts"
import { ADMIN_JWT_SECRET, GatewayClient, issueAdminToken } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { eventually } from "../support/process-watch.ts"
import { openScreen, overflowOf } from "./open-screen.ts"

let upstream: FakeUpstream
let gateway: GatewayInProcess
let browser: Browser
let key: string

const signedIn = (
  at: GatewayClient,
  options: { readonly width?: number; readonly dark?: boolean; readonly role?: "admin" | "viewer" } = {},
) => openScreen(browser, at, "/ui/playground", options)

describe.skipIf(noBrowser !== undefined)("the playground", () => {
  beforeAll(async () => {
    upstream = await FakeUpstream.start()
    gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: providersYaml([upstream]),
    })
    key = (await gateway.createKey()).key
    browser = await Browser.start()
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
    await upstream?.stop()
  })
  beforeEach(() => upstream.reset())

  it("asks by a key, and says who answered, what it took and cost, and why this one was asked", async () => {
    upstream.enqueue(ok({ text: "Hello yourself" }), ok({ text: "Good bye" }))
    const { faults, page } = await signedIn(gateway)
    await page.getByLabel("API key").fill(key)
    // The names come with the key.
    await page.getByRole("combobox", { name: "Model or route" }).selectOption("p0/m")
    await page.getByLabel("System").fill("Be short.")
    await page.getByLabel("User").fill("Hello there")
    await page.getByLabel("Temperature").fill("0.5")
    await page.getByLabel("Max tokens").fill("50")
    await page.getByRole("button", { name: "Send" }).click()
    await page.locator(".answer").filter({ hasText: "Hello yourself" }).waitFor()
    await page.getByRole("heading", { name: "How it was routed" }).waitFor()
    await page.getByText("as the only one that can take it").waitFor()
    const [call] = upstream.calls
    assert.deepInclude(call?.json, {
      temperature: 0.5,
      max_tokens: 50,
      stream: true,
      messages: [
        { role: "system", content: "Be short." },
        { role: "user", content: "Hello there" },
      ],
    })
    for (const title of ["Answered by", "First token", "Latency", "Cost", "Tokens"]) {
      await page.getByRole("term").filter({ hasText: title }).waitFor()
    }
    const [row] = await gateway.ledger(1)
    await page.getByRole("link", { name: String(row?.request_id) }).waitFor()

    await page.getByRole("button", { name: "Go on from this answer" }).click()
    assert.strictEqual(
      await page.getByRole("textbox", { name: "Assistant 2" }).inputValue(),
      "Hello yourself",
    )
    await page.keyboard.type("And now?")
    await page.keyboard.press("Control+Enter")
    await page.locator(".answer").filter({ hasText: "Good bye" }).waitFor()
    assert.lengthOf(upstream.calls, 2)
    assert.deepStrictEqual(faults, [])
  })

  it("keeps what was asked for as long as somebody is signed in, and in memory alone", async () => {
    const { faults, page } = await signedIn(gateway)
    await page.getByLabel("API key").fill(key)
    await page.getByLabel("User").fill("my secret question")
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByText("Answered", { exact: true }).waitFor()
    await page.getByRole("link", { name: "Connect", exact: true }).click()
    await page.getByRole("heading", { level: 1, name: "Connect" }).waitFor()
    await page.getByRole("link", { name: "Playground", exact: true }).click()
    assert.strictEqual(await page.getByLabel("User").inputValue(), "my secret question")
    await page.getByText("echo: my secret question").first().waitFor()
    const kept = await page.evaluate<string>("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert.notInclude(kept, key)
    assert.notInclude(kept, "my secret question")

    await page.getByRole("button", { name: "Sign out" }).click()
    await page
      .getByLabel("Admin token")
      .fill(await issueAdminToken(ADMIN_JWT_SECRET, { name: "Eve", role: "viewer" }))
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByRole("heading", { level: 1, name: "Playground" }).waitFor()
    assert.strictEqual(await page.getByLabel("User").inputValue(), "")
    assert.strictEqual(await page.getByLabel("API key").inputValue(), "")
    assert.deepStrictEqual(faults, [])
  })

  it("shows the answer while it comes, and stops it", async () => {
    upstream.enqueue(streamThenHang(2, { text: "one two three four" }))
    const { faults, page } = await signedIn(gateway)
    await page.getByLabel("API key").fill(key)
    await page.getByLabel("User").fill("Count")
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByText("Answering…").waitFor()
    await page.locator(".answer").filter({ hasText: /^one/ }).waitFor()
    await page.getByRole("button", { name: "Stop" }).click()
    await page.getByText("Stopped.").waitFor()
    await upstream.until(({ calls: [call] }) => call?.outcome === "lost")
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByText("echo: Count").first().waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("tells a failure in the gateway's words, before the answer and within it", async () => {
    const { faults, page } = await signedIn(gateway)
    await page
      .getByLabel("API key")
      .fill("gwk_000000000000_0000000000000000000000000000000000000000000000000")
    await page.getByText("The API key is unknown, revoked, expired or mistyped.").waitFor()
    await page.getByLabel("API key").fill(key)
    await page.getByLabel("User").fill("Hello")
    upstream.enqueue(streamThenCut(1, { text: "one two three four" }))
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByRole("alert").waitFor()
    await page.locator(".answer").filter({ hasText: /^one/ }).waitFor()
    await page.getByText("Failed", { exact: true }).waitFor()

    upstream.respond(failure("overloaded"))
    await page.getByLabel("Stream").uncheck()
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByText(/status 50[23]/).waitFor()
    // What a browser logs of answers with a status of an error: to the wrong key, and to the last call.
    assert.lengthOf(faults.splice(0), 2)
  })

  it("writes the same call for others, who bring a key of their own", async () => {
    const { faults, page } = await signedIn(gateway)
    await page.getByLabel("API key").fill(key)
    const said = `It's "quoted" \\ $HOME \u202egnp.exe`
    await page.getByLabel("User").fill(said)
    const code = page.locator(".snippet code")
    const curl = (await code.textContent()) ?? ""
    assert.include(curl, `${gateway.url}/infer`)
    assert.include(curl, "It'\\''s \\\"quoted\\\" \\\\ $HOME \\u202egnp.exe")
    for (const [language, client] of [
      ["Python", `OpenAI(base_url="${gateway.url}/v1", api_key=os.environ["LLM_GATEWAY_KEY"])`],
      ["TypeScript", `new OpenAI({ baseURL: "${gateway.url}/v1", apiKey: process.env.LLM_GATEWAY_KEY })`],
    ] as const) {
      await page.getByRole("button", { name: language }).click()
      await code.filter({ hasText: client }).waitFor()
      assert.include((await code.textContent()) ?? "", `"It's \\"quoted\\" \\\\ $HOME \\u202egnp.exe"`)
    }
    await page.getByRole("button", { name: "Copy", exact: true }).click()
    await page.getByText("Copied").waitFor()
    const copied = await page.evaluate<string>("navigator.clipboard.readText()")
    assert.strictEqual(copied, await code.textContent())
    assert.notInclude(copied, key)
    assert.deepStrictEqual(faults, [])
  })

  it("shows an answer as text, whatever stands in it", async () => {
    const hostile = `<script>document.title = "hurt"</script><img src=x onerror="document.title='hurt'"> \u001b[31mred \u202egnp ${"x".repeat(10_000)}`
    upstream.respond(ok({ text: hostile }))
    const { faults, page } = await signedIn(gateway, { width: 390 })
    await page.getByLabel("API key").fill(key)
    await page.getByLabel("User").fill(hostile)
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByRole("heading", { name: "How it was routed" }).waitFor()
    assert.strictEqual(await page.locator(".answer").textContent(), hostile)
    assert.notStrictEqual(await page.title(), "hurt")
    assert.strictEqual(await overflowOf(page), 0)
    assert.deepStrictEqual(faults, [])
  })

  it.each([{}, { dark: true }, { width: 390 }])("keeps nobody out: %o", async (options) => {
    const { faults, page } = await signedIn(gateway, options)
    await page.getByRole("heading", { name: "Playground" }).waitFor()
    assert.deepStrictEqual(await barriers(page), [])
    await page.getByLabel("API key").fill(key)
    await page.getByLabel("User").fill("Hello")
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByRole("heading", { name: "How it was routed" }).waitFor()
    assert.deepStrictEqual(await barriers(page), [])
    assert.strictEqual(await overflowOf(page), 0)
    assert.deepStrictEqual(faults, [])
  })
})

describe.skipIf(noBrowser !== undefined)("the playground on the operators' port", () => {
  it("says that it cannot call, and writes the call for where one can", async () => {
    await using stack = new AsyncDisposableStack()
    const apart = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      env: { ADMIN_PORT: "0" },
    })
    stack.defer(() => apart.stop())
    browser = await Browser.start()
    stack.defer(() => browser.stop())
    const said = () => /operators {2}(http:\S+)/.exec(apart.stdout)?.[1]
    await eventually(() => said() !== undefined)
    const operators = new GatewayClient(said() ?? "", apart.adminToken)

    const { faults, page } = await signedIn(operators)
    await page.getByText("Applications reach this gateway on another port").waitFor()
    assert.strictEqual(await page.getByRole("button", { name: "Send" }).count(), 0)
    await page.locator(".snippet").filter({ hasText: "https://your-gateway.example/infer" }).waitFor()
    assert.deepStrictEqual(await barriers(page), [])
    await page.getByRole("link", { name: "Connect" }).last().click()
    await page.getByLabel("Address").fill("https://llm.example.com/gateway/")
    await page.locator(".snippet").filter({ hasText: "https://llm.example.com/gateway/infer" }).waitFor()
    assert.deepStrictEqual(faults, [])
  })
})
