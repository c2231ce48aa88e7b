import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, resetBeforeHeaders } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"

/** Attempts that failed, told apart by whether they may have been billed. */

let gone: FakeUpstream
let lossy: FakeUpstream
let good: FakeUpstream
let gateway: GatewayInProcess

beforeAll(async () => {
  gone = await FakeUpstream.start()
  lossy = await FakeUpstream.start()
  good = await FakeUpstream.start()
  const config = providersYaml(
    [gone, lossy, good],
    `
routes:
  three: { candidates: [p0/m, p1/m, p2/m], exploration: 0, weights: { latency: 0, cost: 1 } }
limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }`,
  )
  await gone.stop()
  lossy.respond(resetBeforeHeaders())
  good.respond(ok())
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config,
  })
})

afterAll(async () => {
  await gateway?.stop()
  await lossy?.stop()
  await good?.stop()
})

describe("an explained answer", () => {
  it("says of each attempt whether its call left", async () => {
    const { key } = await gateway.createKey()
    const response = await gateway.infer(key, { prompt: "Hi", model: "three", explain: true })
    const { decision } = (await response.json()) as {
      decision: { attempts: Array<Record<string, unknown>> }
    }
    assert.deepStrictEqual(
      decision.attempts.map(({ dispatched, outcome, provider }) => [provider, outcome, dispatched]),
      [
        ["p0", "connect", "no"],
        ["p0", "connect", "no"],
        ["p1", "reset", "unknown"],
        ["p2", "success", "answered"],
      ],
    )
  })
})
