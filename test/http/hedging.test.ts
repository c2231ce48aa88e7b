import { assert } from "@effect/vitest"
import { Effect } from "effect"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { hang, ok } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { eventually } from "../support/process-watch.ts"
import { scaled } from "../support/slowness.ts"

/** A first candidate that is late over real sockets, and a second one that is asked beside it. */

let slow: FakeUpstream
let spare: FakeUpstream
let gateway: GatewayInProcess
let openAi: OpenAI
let key: string

const chat = (stream: boolean, model = "hedged") => ({
  model,
  messages: [{ role: "user" as const, content: "Hi" }],
  stream,
})

const infer = async (stream: boolean, headers: Readonly<Record<string, string>> = {}) => {
  const response = await fetch(`${gateway.url}/infer`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({ model: "hedged", prompt: "Hi", stream, explain: true }),
  })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

beforeAll(async () => {
  slow = await FakeUpstream.start()
  spare = await FakeUpstream.start()
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml(
      [slow, spare],
      `routes:
  hedged: { candidates: [p0/m, p1/m], strategy: priority, hedge: { traffic: 0.5, spend: 0.5 } }
limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }`,
    ),
  })
  key = (await gateway.createKey()).key
  openAi = new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
  // Both known in both modes, and the shares earned.
  slow.respond(ok({ delayMs: 60 }))
  for (const stream of [false, true]) {
    for (let i = 0; i < 30; i++) {
      const response = await openAi.chat.completions.create(chat(stream, i < 5 ? "p1/m" : "hedged"))
      if (Symbol.asyncIterator in response) for await (const _ of response);
    }
  }
})

afterAll(async () => {
  await gateway?.stop()
  await slow?.stop()
  await spare?.stop()
})

beforeEach(() => {
  slow.reset()
  spare.reset()
})

describe("a first candidate that hangs", () => {
  it("gives OpenAI's own client one clean stream, of the second, and its socket is closed at once", async () => {
    slow.respond(hang())
    spare.respond(ok({ text: "from the spare" }))
    const stream = await openAi.chat.completions.create(
      chat(true) as OpenAI.ChatCompletionCreateParamsStreaming,
    )
    let text = ""
    const ids = new Set<string>()
    for await (const chunk of stream) {
      ids.add(chunk.id)
      text += chunk.choices[0]?.delta.content ?? ""
    }
    assert.strictEqual(text, "from the spare")
    assert.strictEqual(ids.size, 1)
    await slow.until(({ calls }) => calls[0]?.outcome === "lost", scaled(1_000))
    assert.deepStrictEqual([slow.count, spare.count], [1, 1])
  })

  it("is in the decision of a whole answer, beside the call that was the answer", async () => {
    slow.respond(hang())
    const { headers, text } = await infer(false)
    const { decision, provider } = JSON.parse(text)
    assert.strictEqual(provider, "p1")
    assert.strictEqual(headers.get("x-gateway-attempts"), "2")
    assert.strictEqual(decision.hedge.provider, "p1")
    assert.deepStrictEqual(
      decision.attempts.map(({ hedge, outcome, provider: asked }: Record<string, unknown>) => [
        asked,
        outcome,
        hedge,
      ]),
      [
        ["p0", "hedged", undefined],
        ["p1", "success", true],
      ],
    )
    await slow.until(({ calls }) => calls[0]?.outcome === "lost", scaled(1_000))
  })

  it("counts both calls in a stream's head", async () => {
    slow.respond(hang())
    const { headers, text } = await infer(true)
    assert.strictEqual(headers.get("x-gateway-attempts"), "2")
    assert.include(text, "[DONE]")
  })

  it("is hedged under an Idempotency-Key too, which has one answer", async () => {
    slow.respond(hang())
    const first = await infer(false, { "idempotency-key": "hedged-once" })
    const again = await infer(false, { "idempotency-key": "hedged-once" })
    assert.strictEqual(first.status, 200)
    assert.strictEqual(again.text, first.text)
    assert.deepStrictEqual([slow.count, spare.count], [1, 1])
  })

  it("is no error, and what its calls may have cost is in the sums as wasted", async () => {
    slow.respond(hang())
    await infer(false)
    const usage = async () => {
      const response = await gateway.admin("/analytics/usage-by-provider")
      const { data } = (await response.json()) as {
        data: ReadonlyArray<{ provider: string; errors: number; wasted_usd: number }>
      }
      return data.find(({ provider }) => provider === "p0")
    }
    await eventually(async () => ((await usage())?.wasted_usd ?? 0) > 0)
    assert.strictEqual((await usage())?.errors, 0)
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text()
    assert.match(metrics, /gateway_hedges_started_total\{route="hedged"\} [1-9]/)
    assert.match(metrics, /gateway_hedges_won_total\{route="hedged"\} [1-9]/)
    assert.match(metrics, /gateway_upstream_attempts_total\{[^}]*outcome="hedged"[^}]*\} [1-9]/)
  })
})
