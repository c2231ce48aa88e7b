import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import type { RequestDetail } from "../../src/api/logged-request.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET, GatewayClient, issueAdminToken } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** What operators are told of one request: before it is made, and afterwards. */

let gateway: GatewayInProcess
let viewer: GatewayClient

beforeAll(async () => {
  gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
  viewer = new GatewayClient(
    gateway.url,
    await issueAdminToken(ADMIN_JWT_SECRET, { name: "Ada", role: "viewer" }),
  )
})
afterAll(() => gateway?.stop())

interface Decision {
  readonly route: string
  readonly mode: string
  readonly candidates: ReadonlyArray<{ readonly provider: string; readonly model: string }>
  readonly attempts: ReadonlyArray<unknown>
}

const dryRun = async (body: object) => {
  const response = await viewer.admin("/admin/routes/dry-run", { method: "POST", body: JSON.stringify(body) })
  const answer = (await response.json()) as { decision: Decision; code?: string; param?: string }
  return { status: response.status, ...answer }
}

const namesOf = ({ candidates }: Decision) =>
  candidates.map(({ model, provider }) => `${provider}/${model}`).sort()

describe("a dry run for operators", () => {
  it("shows the decision that a key would be shown, and leaves nothing in the ledger", async () => {
    const { id, key } = await gateway.createKey()
    const asked = { prompt: "Say hello", max_tokens: 20 }
    const response = await gateway.infer(key, { ...asked, dry_run: true })
    const { decision } = (await response.json()) as { decision: Decision }
    for (const body of [asked, { ...asked, key_id: id }]) {
      const answer = await dryRun(body)
      assert.strictEqual(answer.status, 200)
      assert.sameMembers(Object.keys(answer.decision), Object.keys(decision))
      assert.deepStrictEqual(namesOf(answer.decision), namesOf(decision))
      assert.deepStrictEqual(answer.decision.attempts, [])
    }
    assert.strictEqual((await dryRun({ ...asked, stream: true })).decision.mode, "stream")
    assert.lengthOf(await gateway.ledger(0), 0)
  })

  it("keeps to what the key may ask for", async () => {
    const all = namesOf((await dryRun({ prompt: "Hi" })).decision)
    const { id } = await gateway.createKey({ models: [all[0]] })
    assert.deepStrictEqual(namesOf((await dryRun({ prompt: "Hi", key_id: id })).decision), [all[0]])
    const refused = await dryRun({ model: all[1], prompt: "Hi", key_id: id })
    assert.deepInclude(refused, { status: 403, code: "model_not_allowed" })
  })

  it("says what is wrong with the question", async () => {
    for (const [body, code, param] of [
      [{ prompt: "Hi", key_id: "NoKeyNoKeyNo" }, "key_not_found", undefined],
      [{ model: "nobody/none", prompt: "Hi" }, "model_not_found", "model"],
      [{ prompt: "Hi", messages: [{ role: "user", content: "Hi" }] }, "invalid_request", "prompt"],
      [{ prompt: "Hi", dry_run: true }, "invalid_request", "dry_run"],
    ] as const) {
      const answer = await dryRun(body)
      assert.strictEqual(answer.code, code)
      assert.strictEqual(answer.param, param)
    }
  })
})

describe("a request in full", () => {
  it("has its attempts, its decision, and lines that make up its cost", async () => {
    const { id, key } = await gateway.createKey()
    const answer = await gateway.infer(
      key,
      { prompt: "Say hello" },
      { headers: { "x-gateway-tags": "prod" } },
    )
    const { model, provider, request_id } = (await answer.json()) as Record<
      "model" | "provider" | "request_id",
      string
    >
    await gateway.ledger(1)
    const response = await viewer.admin(`/analytics/requests/${request_id}`)
    assert.strictEqual(response.status, 200)
    const detail = (await response.json()) as typeof RequestDetail.Type
    assert.deepInclude(detail.request, {
      request_id,
      key_id: id,
      model,
      provider,
      status: 200,
      tags: ["prod"],
    })
    assert.isTrue(detail.attempts.at(-1)?.answered)
    assert.lengthOf(detail.attempts, detail.request.attempts)
    assert.property(detail.decision, "candidates")
    assert.isAbove(detail.prediction?.predicted_ms ?? 0, 0)
    assert.strictEqual(detail.prediction?.actual_ms, detail.request.latency_ms)
    const { lines, price } = detail.cost
    assert.isNotNull(price)
    const sum = lines?.reduce((sum, { usd }) => sum + usd, 0) ?? Number.NaN
    assert.closeTo(sum, detail.request.cost_usd ?? Number.NaN, 1e-9)
    assert.notInclude(JSON.stringify(detail), "Say hello")
  })
})
