import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { dispositions } from "../../src/domain/ProviderError.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { vendorErrors } from "../support/vendor-errors.ts"

/**
 * Whom a vendor's error concerns, seen from clients: each error has two providers of its own, of which the cheaper one is
 * troubled and asked first.
 */

let troubled: FakeUpstream
let healthy: FakeUpstream
let gateway: GatewayInProcess
let key: string

const only = "exploration: 0, weights: { latency: 0, cost: 1 }"

beforeAll(async () => {
  troubled = await FakeUpstream.start()
  healthy = await FakeUpstream.start()
  const upstreams = [...vendorErrors.flatMap(() => [troubled, troubled]), healthy]
  const last = upstreams.length - 1
  gateway = await GatewayInProcess.start({
    databaseUrl: await Effect.runPromise(migratedPostgresUrl),
    config: providersYaml(
      upstreams,
      `
routes:
${vendorErrors
  .map(
    (_, i) => `  pair${i}: { candidates: [p${2 * i}/m, p${last}/m], ${only} }
  both${i}: { candidates: [p${2 * i}/m, p${2 * i + 1}/m], ${only} }`,
  )
  .join("\n")}
limits: { requests_per_minute: 100000 }`,
      (i) => (i === last ? 1000 : i + 1),
    ),
  })
  key = (await gateway.createKey()).key
})

afterAll(async () => {
  await gateway?.stop()
  await troubled?.stop()
  await healthy?.stop()
})

beforeEach(() => {
  troubled.reset()
  healthy.reset()
  healthy.respond(ok({ text: "from the other one" }))
})

const chat = async (model: string, fields: object = {}) => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hi" }], ...fields }),
  })
  return { status: response.status, raw: await response.text() }
}

const ask = async (model: string, fields?: object) => {
  const { status, raw } = await chat(model, fields)
  // What is not JSON fails the test.
  return { status, raw, body: JSON.parse(raw) as { error: Record<string, unknown> } }
}

describe.each(vendorErrors.map((error, i) => ({ ...error, i })))("$name", ({ i, kind, says, ...error }) => {
  const { blame, breaker, retry } = dispositions[kind]
  const isFinal = blame === "client" || blame === "content"
  const trouble = () => status(error.status, error.body ?? "<html>")

  it(isFinal ? "goes nowhere else" : "is asked of the next candidate", async () => {
    troubled.respond(trouble())
    const { status, raw } = await ask(`pair${i}`)
    assert.strictEqual(status, isFinal ? 400 : 200, raw)
    assert.strictEqual(troubled.count, retry === "never" ? 1 : 2)
    assert.strictEqual(healthy.count, isFinal ? 0 : 1)
  })

  // A provider in trouble counts what troubled it.
  if (blame !== "provider")
    it(breaker === "open" ? "rests for everybody" : "takes the candidate from nobody else", async () => {
      troubled.respond(ok({ text: "well" }))
      assert.strictEqual((await ask(`pair${i}`)).status, 200)
      assert.strictEqual(troubled.count, breaker === "open" ? 0 : 1)
    })

  it("says to the client what is its business, once every candidate has said it", async () => {
    troubled.respond(trouble())
    const { status, raw, body } = await ask(`both${i}`)
    if (blame === "operator" || blame === "credentials" || blame === "provider") {
      assert.include([502, 503], status, raw)
      assert.notMatch(raw, /credit|billing|balance|team|organi[sz]ation|proj_|verified/i)
      return
    }
    assert.strictEqual(status, 400, raw)
    if (says !== undefined) assert.match(String(body.error.message), says)
    if (error.param !== undefined) assert.strictEqual(body.error.param, error.param)
    assert.strictEqual(troubled.count, isFinal ? 1 : 2)
  })
})

describe("a field that a candidate did not take", () => {
  const i = vendorErrors.findIndex(({ param }) => param === "reasoning_effort")
  const fields = { reasoning_effort: "low", tools: [] }

  it("is asked of others first from then on, and nothing else is", async () => {
    troubled.respond(ok({ text: "well" }))
    assert.strictEqual((await ask(`pair${i}`, fields)).status, 200)
    assert.deepStrictEqual([troubled.count, healthy.count], [0, 1])
    assert.strictEqual((await ask(`pair${i}`)).status, 200)
    assert.deepStrictEqual([troubled.count, healthy.count], [1, 1])
  })

  it("is still asked of it when nobody else can answer", async () => {
    healthy.respond(status(500, "{}"))
    troubled.respond(ok({ text: "well" }))
    assert.strictEqual((await ask(`pair${i}`, fields)).status, 200)
    assert.isAbove(troubled.count, 0)
  })
})

describe("a model that is not there", () => {
  const missing = { error: { message: "nope is not a valid model ID", code: "model_not_found" } }

  it("takes a candidate from nobody when the client named it itself", async () => {
    const i = vendorErrors.findIndex(({ name }) => name.startsWith("somebody: a reason"))
    troubled.respond(status(400, JSON.stringify(missing)))
    assert.strictEqual((await ask(`pair${i}`, { models: ["nope"] })).status, 200)
    troubled.reset()
    troubled.respond(ok({ text: "well" }))
    assert.strictEqual((await ask(`pair${i}`)).status, 200)
    assert.deepStrictEqual([troubled.count, healthy.count], [1, 1])
  })
})

describe("a 403 of which nothing is known", () => {
  it("is in the log, with the candidate that gave it", async () => {
    // Of a row whose second candidate is never asked, and has logged nothing in the last seconds.
    const i = vendorErrors.findIndex(({ kind }) => kind === "bad_request")
    const before = gateway.stderr.length
    troubled.respond(status(403, "<html>Attention Required!</html>", { "content-type": "text/html" }))
    assert.strictEqual((await ask(`p${2 * i + 1}/m`)).status, 400)
    const line = gateway.stderr
      .slice(before)
      .split("\n")
      .find((each) => each.includes(`p${2 * i + 1}/m`))
    assert.match(line ?? "", /An upstream attempt failed.*403/)
    assert.notInclude(line ?? "", "Attention")
  })
})

describe("an answer that Google's filter ended, from a compatible API", () => {
  const i = vendorErrors.length
  const ended = (finish_reason: string, message: object) =>
    status(200, { model: "m", choices: [{ index: 0, message, finish_reason }] })
  const post = async (path: string, body: object) => {
    const response = await fetch(gateway.url + path, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body: JSON.stringify({ model: `p${2 * i}/m`, ...body }),
    })
    return (await response.json()) as Record<string, unknown>
  }

  it.each(["SAFETY", "PROHIBITED_CONTENT", "content_filter: PROHIBITED_CONTENT"])(
    "with %s is a refusal in every dialect",
    async (reason) => {
      healthy.respond(ended(reason, { role: "assistant", content: "" }))
      const told = await post("/infer", { prompt: "Hi" })
      assert.strictEqual(told.finish_reason, "content_filter")
      const messages = [{ role: "user", content: "Hi" }]
      const message = await post("/v1/messages", { max_tokens: 9, messages })
      assert.strictEqual(message.stop_reason, "refusal")
    },
  )

  it("is none when the model's call was malformed, and another candidate is asked", async () => {
    const refused = vendorErrors.findIndex(({ name }) => name.startsWith("somebody: a reason that"))
    const reason = "function_call_filter: MALFORMED_FUNCTION_CALL"
    troubled.respond(ended(reason, { role: "assistant" }))
    const { raw } = await ask(`pair${refused}`)
    assert.include(raw, "from the other one")
  })
})

describe("candidates of which one is down and one refuses", () => {
  it("are no reason to blame the client", async () => {
    const i = vendorErrors.findIndex(({ name }) => name.startsWith("somebody: a reason"))
    troubled.respond(status(400, '{"error":{"message":"Kaboom."}}'))
    healthy.respond(status(500, "{}"))
    const { status: code, body } = await ask(`pair${i}`)
    assert.strictEqual(code, 503)
    assert.strictEqual(body.error.code, "no_provider_available")
  })
})

describe("a stream that ends after its finish reason, without [DONE]", () => {
  const piece = (finish_reason: string | null) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "x" }, finish_reason }] })}\n\n`

  it.each([
    ["is whole", piece(null) + piece("stop"), true],
    ["is cut before it", piece(null) + piece(""), false],
  ])("%s", async (_name, events, isWhole) => {
    healthy.respond(status(200, events, { "content-type": "text/event-stream" }))
    const { raw } = await chat(`p${2 * vendorErrors.length}/m`, { stream: true })
    assert.strictEqual(raw.includes("[DONE]"), isWhole, raw)
    assert.strictEqual(raw.includes('"error"'), !isWhole, raw)
  })
})

describe("a turn that another vendor answered", () => {
  it("is told to the next one without what was handed out in it", async () => {
    const signature = { google: { thought_signature: "c2ln" } }
    const call = { id: "c1", type: "function", function: { name: "f", arguments: "{}" } }
    const messages = [
      { role: "user", content: "Hi" },
      {
        role: "assistant",
        content: null,
        reasoning_content: "Let me see.",
        tool_calls: [{ ...call, extra_content: signature }],
      },
      { role: "tool", tool_call_id: "c1", content: "21" },
    ]
    const { status: code } = await ask(`p${2 * vendorErrors.length}/m`, { messages })
    assert.strictEqual(code, 200)
    const [sent] = healthy.calls
    assert.deepStrictEqual(Object(sent?.json).messages[1], {
      role: "assistant",
      content: null,
      tool_calls: [call],
    })
  })
})
