import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { seeds } from "../support/seeds.ts"
import { scaled } from "../support/slowness.ts"
import { makeCase } from "./cases.ts"
import { fuzz } from "./fuzz.ts"
import { fuzzConfig, fuzzModels, inWords } from "./target.ts"

let upstream: FakeUpstream
let gateway: GatewayInProcess
let apiKey: string

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: fuzzConfig(upstream.url),
    env: { ANTHROPIC_API_KEY: "k", GEMINI_API_KEY: "k", OPENAI_API_KEY: "k" },
  })
  apiKey = (await gateway.createKey({ rpm: 1_000_000 })).key
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
})

it.each(seeds(["bread and butter"]))(
  "10,000 requests of the seed %j get answers that make sense",
  async (seed) => {
    const report = await fuzz({
      seed,
      first: 0,
      count: 10_000,
      url: gateway.url,
      apiKey,
      adminToken: gateway.adminToken,
      models: fuzzModels,
      patienceMs: scaled(10_000),
    })
    assert.deepStrictEqual(
      report.faults.map((fault) => inWords(seed, fault)),
      [],
    )
    // It reaches what is behind the checks as well as the checks.
    for (const status of [200, 400, 401, 404, 405, 415, 431])
      assert.isAbove(report.statuses.get(status) ?? 0, 0, `${status}`)
    assert.isAbove(report.statuses.get(200) ?? 0, 1_000)
    assert.isAbove(upstream.count, 100)

    const good = await gateway.infer(apiKey, { prompt: "hello" })
    assert.strictEqual(good.status, 200, await good.text())
    assert.notInclude(gateway.stdout + gateway.stderr, "unexpected")
  },
)

it("a case is the same each time it is made, and another with another seed", () => {
  const options = { apiKey: "k", adminToken: "t", models: ["m"] }
  const bytes = (seed: string) =>
    Buffer.concat(
      Array.from({ length: 50 }, (_, index) => makeCase({ ...options, seed }, index).bytes),
    ).toString("latin1")
  assert.strictEqual(bytes("a"), bytes("a"))
  assert.notStrictEqual(bytes("a"), bytes("b"))
})
