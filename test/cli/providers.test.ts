import { tmpdir } from "node:os"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { failure, ok } from "../support/fake-upstream-behaviours.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { runCli } from "./run-cli.ts"

let good: FakeUpstream
let troubled: FakeUpstream
let gateway: GatewayInProcess
let key: string

beforeAll(async () => {
  ;[troubled, good] = await Promise.all([FakeUpstream.start(), FakeUpstream.start()])
  good.respond(ok())
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml([troubled, good], "routes: { auto: { candidates: [p0/m, p1/m], exploration: 0 } }"),
  })
  ;({ key } = await gateway.createKey())
})
afterAll(async () => {
  await gateway?.stop()
  await Promise.all([troubled?.stop(), good?.stop()])
})

const reset = (name: string, env: Record<string, string> = { ADMIN_JWT_SECRET }) =>
  Effect.runPromise(runCli(["providers", "reset", name, "--url", gateway.url, "--json"], env, tmpdir()))

/** Who answers a request, and how often the troubled provider was asked for it. */
const ask = async () => {
  const before = troubled.calls.length
  const response = await gateway.infer(key, { prompt: "Hello" })
  const { provider } = (await response.json()) as { provider: string }
  return [provider, troubled.calls.length - before]
}

describe("providers reset", () => {
  it("makes a provider that is well again lead at once, which its cooldown would not for minutes", async () => {
    troubled.respond(failure("badKey"))
    assert.deepStrictEqual(await ask(), ["p1", 1])
    troubled.respond(ok())
    assert.deepStrictEqual(await ask(), ["p1", 0])
    const { code, stdout } = await reset("p0")
    assert.strictEqual(code, 0)
    assert.deepStrictEqual(JSON.parse(stdout), { provider: "p0", models: ["m"] })
    for (let i = 0; i < 3; i++) assert.deepStrictEqual(await ask(), ["p0", 1])
  })

  it("says so when there is no such provider, no gateway, and no right to it", async () => {
    const unknown = await reset("nobody")
    assert.strictEqual(unknown.code, 1)
    assert.include(unknown.stderr, "No provider has this name.")
    const response = await gateway.admin("/admin/providers/nobody/reset", { method: "POST" })
    assert.strictEqual(response.status, 404)
    assert.deepInclude(await response.json(), { code: "provider_not_found", status: 404 })
    const stranger = await reset("p0", { ADMIN_JWT_SECRET: "x".repeat(40) })
    assert.strictEqual(stranger.code, 1)
    const nowhere = await Effect.runPromise(
      runCli(["providers", "reset", "p0", "--url", "http://127.0.0.1:9"], { ADMIN_JWT_SECRET }, tmpdir()),
    )
    assert.strictEqual(nowhere.code, 1)
    assert.include(nowhere.stderr, "No gateway answers at http://127.0.0.1:9")
    const unsigned = await fetch(`${gateway.url}/admin/providers/p0/reset`, { method: "POST" })
    assert.strictEqual(unsigned.status, 401)
  })
})
