import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { Browser, barriers, noBrowser } from "../support/Browser.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET, issueAdminToken } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { hostileNames } from "../support/hostile-names.ts"
import { openScreen, overflowOf } from "./open-screen.ts"

const provider = (name: string, price: number, simulation = "") => `
  - name: ${name}
    kind: simulated
    models:
      - name: m-${name}
        max_output_tokens: ${1000 * price}
        price: { input_usd_per_1m: ${price}, output_usd_per_1m: ${2 * price}, source: test, as_of: 2026-11-01 }
    simulation: { median_ms: 1, p95_ms: 2, ms_per_output_token: 0 ${simulation} }`

const CONFIG = `
providers:${provider("bad", 2, ", server_error_rate: 1")}${provider("good", 3)}${provider("small", 1)}${provider("broken", 4, ", mid_stream_error_rate: 1")}
routes:
  auto: { candidates: [good/m-good] }
  backed: { strategy: priority, candidates: [bad/m-bad, good/m-good, small/m-small] }
  front: { candidates: [small/m-small], when: [{ route: backed, max_output_tokens_above: 1000 }] }
`

let gateway: GatewayInProcess
let browser: Browser
let token: string
let key: { readonly id: string; readonly key: string }

/** Asks, and returns the request's id once it is in the ledger. */
const ask = async (body: object, headers = {}): Promise<string> => {
  const before = await gateway.ledger(0)
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key.key, ...headers },
    body: JSON.stringify({ messages: [{ role: "user", content: "Hello" }], ...body }),
  })
  await response.text()
  await gateway.ledger(before.length + 1)
  return response.headers.get("x-request-id") ?? ""
}

const open = (id: string, options?: { readonly width?: number; readonly dark?: boolean }) =>
  openScreen(browser, gateway, `/ui/requests/${id}`, { role: "viewer", ...options })

describe.skipIf(noBrowser !== undefined)("the screen of a request", () => {
  beforeAll(async () => {
    gateway = await GatewayInProcess.start({
      databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      config: CONFIG,
    })
    browser = await Browser.start()
    token = await issueAdminToken(ADMIN_JWT_SECRET, { name: "Ada", role: "viewer" })
    key = await gateway.createKey({ name: "shop" })
  })
  afterAll(async () => {
    await browser?.stop()
    await gateway?.stop()
  })

  it("says why it went where it went, who was asked when, and what it cost", async () => {
    const id = await ask(
      { model: "front", max_tokens: 1500 },
      { "x-gateway-user": "ada", "x-gateway-tags": "prod" },
    )
    const { faults, page } = await open(id)
    await page.getByRole("heading", { name: "Why it went there" }).waitFor()
    const text = ((await page.locator("main").textContent()) ?? "").replace(/\s+/g, " ")
    assert.include(
      text,
      "Route backed, where front sent it by front.when[0]: max_output_tokens_above, goes by priority",
    )
    assert.include(text, "bad/m-bad came first, by its place in the route.")
    assert.include(text, "In the end good/m-good answered.")
    assert.include(text, "small/m-small: max_output_tokens: 1500 asked, at most 1000 possible")

    const attempts = page.locator(".timeline li:not(.axis)")
    const outcomes = (await attempts.allTextContents()).map((each) => each.replace(/\d.*/, ""))
    assert.include(outcomes[0] ?? "", "m-badbadserver error")
    assert.include(outcomes.at(-1) ?? "", "m-goodgoodanswered")
    // Later attempts stand further to the right.
    const lefts = await attempts.locator("rect").evaluateAll((all) => all.map((bar) => bar.getAttribute("x")))
    const places = lefts.map((left) => Number.parseFloat(left ?? ""))
    assert.deepStrictEqual(
      places,
      places.toSorted((a, b) => a - b),
    )

    assert.include(text, "$3.00")
    assert.include(text, "$6.00")
    await page.getByRole("link", { name: "shop" }).waitFor()
    await page.getByRole("button", { name: "Copy id" }).click()
    assert.strictEqual(await page.evaluate("navigator.clipboard.readText()"), id)
    await page.getByRole("link", { name: "ada" }).click()
    await page.waitForURL("**/ui/requests?user=ada")
    assert.deepStrictEqual(faults, [])
  })

  it("marks the first token of a stream", async () => {
    const id = await ask({ model: "auto", stream: true })
    const { faults, page } = await open(id)
    await page.getByText("first token at").waitFor()
    assert.strictEqual(await page.locator(".first-token").count(), 1)
    assert.deepStrictEqual(faults, [])
  })

  it("says that an answer broke off", async () => {
    const id = await ask({ model: "broken/m-broken", stream: true })
    const { faults, page } = await open(id)
    await page.getByText("Its answer broke off.").waitFor()
    await page.locator(".head").getByText("upstream_").waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("shows a request that was refused before anybody was asked", async () => {
    const id = await ask({ model: "nonsense" })
    const { faults, page } = await open(id)
    await page.getByText("Nobody was asked.").waitFor()
    await page.getByText("model_not_found").waitFor()
    assert.deepStrictEqual(faults, [])
  })

  it("says of an unknown request what the gateway says", async () => {
    const { faults, page } = await open("01a2287f-056c-7d42-858a-000000000000")
    await page.getByText("The ledger has no request with this id").waitFor()
    // What a browser logs of any 404.
    assert.lengthOf(faults, 1)
  })

  it("keeps nobody out, in light, dark and on a phone", async () => {
    const id = await ask({ model: "front", max_tokens: 1500, stream: true })
    for (const options of [{}, { dark: true }, { width: 390 }]) {
      const { faults, page } = await open(id, options)
      await page.getByRole("heading", { name: "Why it went there" }).waitFor()
      await page.getByRole("link", { name: "shop" }).waitFor()
      assert.deepStrictEqual(await barriers(page), [])
      assert.isAtMost(await overflowOf(page), 0)
      assert.deepStrictEqual(faults, [])
    }
  })

  it("shows any name as text, and who was late beside who was sooner", async () => {
    const id = await ask({ model: "front", max_tokens: 1500 })
    const { escapes, long, script, turned } = hostileNames
    for (const width of [1280, 390]) {
      const { faults, page } = await browser.open(`${gateway.url}/ui`, { width })
      await page.route(`**/analytics/requests/${id}`, async (route) => {
        const detail = await (await route.fetch()).json()
        const { decision } = detail
        const [attempt] = detail.attempts
        const [candidate] = decision.candidates
        await route.fulfill({
          json: {
            ...detail,
            request: { ...detail.request, user: script, team: turned, tags: [long, escapes] },
            requested_model: script,
            // As they ended: who was asked later was sooner.
            attempts: [
              {
                ...attempt,
                ordinal: 1,
                provider: turned,
                answered: true,
                outcome: "success",
                started_at: new Date(Date.parse(attempt.started_at) + 50).toISOString(),
                latency_ms: 800,
              },
              { ...attempt, ordinal: 2, model: script, outcome: "hedged", latency_ms: 900 },
            ],
            decision: {
              ...decision,
              route: long,
              via: [script],
              candidates: [{ ...candidate, model: script, weighed_ms: 12_345, in_flight: 7 }],
              excluded: [{ provider: escapes, model: turned, reason: script }],
              chosen_by: script,
              hedge: { provider: turned, model: long, after_ms: 250 },
            },
          },
        })
      })
      await page.goto(`${gateway.url}/ui/requests/${id}#token=${token}`)
      const [first, second] = [page.locator(".timeline li").nth(1), page.locator(".timeline li").nth(2)]
      await first.getByText("another was sooner").waitFor()
      await second.getByText("as a hedge beside the one before").waitFor()
      const text = (await page.locator("main").textContent()) ?? ""
      for (const shown of ["weighed 12.3 s", "7 in flight", "after 250 ms", "was late"])
        assert.include(text, shown)
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
