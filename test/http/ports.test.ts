import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { allPaths } from "../../src/http/known-paths.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayClient } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { eventually } from "../support/process-watch.ts"

/** Which port answers what, by the operator's choice. */

const start = async (env: Record<string, string>) =>
  GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl), env })

const HEALTH = ["/livez", "/readyz"]

const answer = async (url: string, path: string, method: string) => {
  const response = await fetch(`${url}${path}`, { method })
  const text = await response.text()
  return { status: response.status, missing: /"(?:error_)?code":"not_found"/.test(text), text }
}

/** Paths that are there, under any method. */
const present = async (url: string) => {
  const found: Array<string> = []
  for (const { template, methods } of allPaths) {
    const path = template.replace(/:\w+/, "dwWrL4jGrrLT")
    const answers = await Promise.all(
      [...methods, "DELETE", "OPTIONS"].map((method) => answer(url, path, method)),
    )
    // One that says 405 to another method is there too.
    if (answers.every(({ status, missing }) => status !== 404 || !missing)) found.push(template)
    else
      assert.isTrue(
        answers.every(({ status }) => status === 404),
        `${template} is half there`,
      )
  }
  return found
}

describe("with ADMIN_PORT", () => {
  let gateway: GatewayInProcess
  let operators: GatewayClient
  beforeAll(async () => {
    gateway = await start({ ADMIN_PORT: "0" })
    const said = () => /operators {2}(http:\S+)/.exec(gateway.stdout)?.[1]
    await eventually(() => said() !== undefined)
    operators = new GatewayClient(said() ?? "", gateway.adminToken)
  })
  afterAll(() => gateway?.stop())

  const forOperators = allPaths.filter((path) => path.operators).map(({ template }) => template)
  const forClients = allPaths.filter((path) => !path.operators).map(({ template }) => template)

  it("the public port answers the clients' routes and nothing else", async () => {
    assert.sameMembers(await present(gateway.url), forClients)
    const response = await gateway.admin("/analytics/usage-by-key")
    assert.strictEqual(response.status, 404)
    // Nothing leads there.
    assert.notInclude(await response.text(), "/docs")
  })

  it("the operators' port answers theirs and the probes", async () => {
    assert.sameMembers(await present(operators.url), [...forOperators, ...HEALTH])
    assert.includeMembers(forOperators, ["/metrics", "/docs", "/openapi.json", "/admin/keys"])
  })

  it("a key made on the one works on the other", async () => {
    const { key } = await operators.createKey()
    assert.strictEqual((await gateway.infer(key, { prompt: "Hi" })).status, 200)
    assert.strictEqual((await operators.infer(key, { prompt: "Hi" })).status, 404)
  })

  it("one set of metrics counts the requests of both", async () => {
    await fetch(`${gateway.url}/metrics`)
    await eventually(async () => {
      const text = await (await fetch(`${operators.url}/metrics`)).text()
      return /gateway_requests_total\{endpoint="unmatched",outcome="4xx"\} [1-9]/.test(text)
    })
  })

  it("the greeting says where the page is", () => {
    assert.include(gateway.stdout, `docs       ${operators.url}/docs`)
  })
})

describe("a port of the operators that serves a request when the gateway stops", () => {
  it("answers it", async () => {
    const gateway = await start({ ADMIN_PORT: "0" })
    await eventually(() => gateway.stdout.includes("operators"))
    const url = /operators {2}(http:\S+)/.exec(gateway.stdout)?.[1] ?? ""
    // Made at the first request, which takes a while.
    const page = fetch(`${url}/docs`).then(async (response) => {
      await response.text()
      return response.status
    })
    await eventually(async () => (await fetch(`${url}/livez`)).status === 200)
    const stopped = gateway.stop()
    assert.strictEqual(await page, 200)
    await stopped
  })
})

describe("DOCS=off and METRICS=off", () => {
  it("leave no trace of the routes", async () => {
    const gateway = await start({ DOCS: "off", METRICS: "off" })
    const all = allPaths.map(({ template }) => template)
    const gone = ["/docs", "/openapi.json", "/metrics"]
    assert.sameMembers(
      await present(gateway.url),
      all.filter((path) => !gone.includes(path)),
    )
    assert.notInclude((await answer(gateway.url, "/nothing", "GET")).text, "/docs")
    assert.notInclude(gateway.stdout, "docs  ")
    await gateway.stop()
  })
})
