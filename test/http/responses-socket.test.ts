import { request } from "node:http"
import { assert } from "@effect/vitest"
import { ResponsesWS } from "openai/resources/responses/ws"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { ok, status, toolCall } from "../support/fake-upstream-behaviours.ts"
import { rawStream, streamThenCut, streamThenHang } from "../support/fake-upstream-streams.ts"
import { eventually } from "../support/process-watch.ts"
import { SocketClient, type SocketEvent } from "../support/SocketClient.ts"
import { OpenAiWorld } from "./openai-sdk-world.ts"

/** `/v1/responses` by WebSocket: one request after the other, each like any other. */

const MAX_BODY_BYTES = 100_000

let world: OpenAiWorld
const clients: Array<SocketClient> = []

beforeAll(async () => {
  world = await OpenAiWorld.start({
    openAi: true,
    claude: true,
    env: { MAX_BODY_BYTES: String(MAX_BODY_BYTES) },
  })
})

afterAll(() => world?.stop())

beforeEach(async () => {
  world.upstream.reset()
  for (const client of clients.splice(0)) await client.close()
})

const open = async (key = world.key): Promise<SocketClient> => {
  const client = await SocketClient.open(world.baseUrl, key)
  clients.push(client)
  return client
}

const lastCall = () => {
  const call = world.upstream.calls.at(-1)
  assert(call !== undefined)
  return call
}

const responseOf = (events: ReadonlyArray<SocketEvent>) => {
  const { response } = events.at(-1) as unknown as {
    response: { id: string; status: string; output: ReadonlyArray<{ type: string }> }
  }
  return response
}

const errorOf = (events: ReadonlyArray<SocketEvent>) => {
  assert.lengthOf(events, 1)
  const [event] = events as unknown as ReadonlyArray<{
    type: string
    status: number
    error: { code: string; param: string | null; message: string }
  }>
  assert(event !== undefined)
  assert.strictEqual(event.type, "error")
  assert.isNotEmpty(event.error.message)
  return { status: event.status, code: event.error.code, param: event.error.param }
}

const MODELS = ["p0/m", "c0/claude-haiku-5-5", "g0/gemini-2.5-flash", "openai/gpt-5.4-mini"]

describe("a request", () => {
  it.each(MODELS)("of OpenAI's own client to %s gets the events of a stream", async (model) => {
    world.upstream.respond(ok({ text: "Rome, of course" }))
    const stream = await world.client().responses.create({ model, input: "Hi", stream: true })
    const byHttp: Array<string> = []
    for await (const { type } of stream) byHttp.push(type)

    const ws = new ResponsesWS(world.client())
    const types: Array<string> = []
    const text = await new Promise<string>((resolve, reject) => {
      ws.on("error", reject)
      ws.on("event", ({ type }) => types.push(type))
      ws.on("response.completed", ({ response }) => {
        resolve(
          response.output
            .flatMap((item) => (item.type === "message" ? item.content : []))
            .map((part) => (part.type === "output_text" ? part.text : ""))
            .join(""),
        )
      })
      ws.send({ type: "response.create", model, input: "Hi" })
    })
    ws.close()
    assert.strictEqual(text, "Rome, of course")
    assert.deepStrictEqual(types, byHttp)
  })

  it("may come as bytes, and say what other transports need", async () => {
    const client = await open()
    const event = {
      type: "response.create",
      model: "openai/gpt-5.4-mini",
      input: "Hi",
      stream: false,
      seed: 1,
    }
    client.send(new TextEncoder().encode(JSON.stringify(event)))
    assert.strictEqual(responseOf(await client.answer()).status, "completed")
    const { type: _, ...sent } = lastCall().json as Record<string, unknown>
    assert.deepStrictEqual(_, undefined)
    assert.deepInclude(sent, { model: "gpt-5.4-mini", input: "Hi", stream: true, seed: 1, store: false })
  })

  it("has a row of its own in the ledger", async () => {
    const { id, key } = await world.gateway.createKey()
    const client = await open(key)
    await client.ask({ model: "p0/m", input: "Hi" })
    world.upstream.respond(status(500, { error: { message: "down" } }))
    await client.ask({ model: "p0/m", input: "Hi" })
    await eventually(async () => {
      const rows = await world.gateway.admin(`/analytics/requests?key_id=${id}&endpoint=/v1/responses`)
      const { data } = (await rows.json()) as { data: ReadonlyArray<{ status: number }> }
      return data.map((row) => row.status).join() === "502,200"
    }, 10_000)
    const metrics = await (await fetch(`${world.gateway.url}/metrics`)).text()
    assert.match(metrics, /gateway_requests_total\{endpoint="\/v1\/responses",outcome="5xx"\} \d/)
  })

  it("waits for the one before", async () => {
    const client = await open()
    world.upstream.respond(ok({ delayMs: 300 }))
    client.send({ type: "response.create", model: "p0/m", input: "first" })
    client.send({ type: "response.create", model: "p0/m", input: "second" })
    await world.upstream.until(({ count }) => count === 1, 5_000)
    const first = await client.answer()
    const calls = world.upstream.calls.length
    const second = await client.answer()
    assert.isAtMost(calls, 1)
    assert.strictEqual(lastCall().asked.prompt, "second")
    assert.notStrictEqual(responseOf(first).id, responseOf(second).id)
  })

  it("counts in its key's rate", async () => {
    const { key } = await world.gateway.createKey({ rpm: 1 })
    const client = await open(key)
    assert.strictEqual(responseOf(await client.ask({ model: "p0/m", input: "Hi" })).status, "completed")
    const error = errorOf(await client.ask({ model: "p0/m", input: "Hi" }))
    assert.deepStrictEqual(error, { status: 429, code: "rate_limited", param: null })
  })

  it("has some others behind it, and no flood of them, be they empty", async () => {
    const client = await open()
    world.upstream.respond(streamThenHang(2))
    client.send({ type: "response.create", model: "p0/m", input: "Hi" })
    await world.upstream.until(({ count }) => count === 1, 5_000)
    for (let i = 0; i < 1_000; i++) client.send("")
    const { code, reason } = await client.closed
    assert.deepStrictEqual([code, reason], [1008, "too many messages wait to be answered"])
  })

  it("is stopped when its client closes", async () => {
    const { id, key } = await world.gateway.createKey()
    const client = await open(key)
    world.upstream.respond(streamThenHang(2))
    client.send({ type: "response.create", model: "p0/m", input: "Hi" })
    await world.upstream.until(({ count }) => count === 1, 5_000)
    await client.close()
    await eventually(async () => {
      const rows = await world.gateway.admin(`/analytics/requests?key_id=${id}`)
      const { data } = (await rows.json()) as { data: ReadonlyArray<{ error_code: string | null }> }
      return data[0]?.error_code === "client_closed_request"
    }, 10_000)
  })
})

describe("the last response", () => {
  it.each(MODELS)("of %s is what the next request goes on from", async (model) => {
    const client = await open()
    world.upstream.respond(ok({ text: "It is cobalt." }))
    const first = responseOf(await client.ask({ model, input: "Remember cobalt." }))
    const next = { model, previous_response_id: first.id, input: "Which word?" }
    const second = responseOf(await client.ask(next))
    assert.strictEqual(second.status, "completed")
    const sent = JSON.stringify(lastCall().json)
    const places = ["Remember cobalt.", "It is cobalt.", "Which word?"].map((text) => sent.indexOf(text))
    assert.deepStrictEqual(
      places,
      places.toSorted((a, b) => a - b),
    )
    assert.notInclude(places, -1)
    assert.notInclude(sent, "previous_response_id")

    const third = { model, previous_response_id: second.id, input: [{ role: "user", content: "Sure?" }] }
    assert.strictEqual(responseOf(await client.ask(third)).status, "completed")
    assert.include(JSON.stringify(lastCall().json), "Remember cobalt.")
  })

  it("is the only one that is kept", async () => {
    const client = await open()
    const first = responseOf(await client.ask({ model: "p0/m", input: "Hi" }))
    await client.ask({ model: "p0/m", input: "Another" })
    const next = { model: "p0/m", previous_response_id: first.id, input: "On" }
    assert.strictEqual(errorOf(await client.ask(next)).code, "previous_response_not_found")
  })

  it("is none that does not say what it is, and its connection stays", async () => {
    const client = await open()
    const event = { type: "response.completed", response: { id: "resp_1", status: "completed" } }
    world.upstream.enqueue(rawStream([`data: ${JSON.stringify(event)}\n\n`]))
    const model = "openai/gpt-5.4-mini"
    assert.strictEqual((await client.ask({ model, input: "Hi" })).at(-1)?.type, "response.completed")
    const next = { model, previous_response_id: "resp_1", input: "On" }
    assert.strictEqual(errorOf(await client.ask(next)).code, "previous_response_not_found")
  })

  it("may be a call, whose output is all that follows", async () => {
    const client = await open()
    world.upstream.respond(toolCall("weather", { city: "Oslo" }, "call_1"))
    const tools = [{ type: "function", name: "weather", parameters: { type: "object" } }]
    const { id } = responseOf(await client.ask({ model: "p0/m", input: "Weather?", tools }))
    const input = [{ type: "function_call_output", call_id: "call_1", output: "rain" }]
    world.upstream.respond(ok({ text: "Rain." }))
    await client.ask({ model: "p0/m", previous_response_id: id, input, tools })
    const { messages } = lastCall().json as { messages: ReadonlyArray<{ role: string }> }
    assert.deepStrictEqual(
      messages.map(({ role }) => role),
      ["user", "assistant", "tool"],
    )
  })

  it.each(["p0/m", "openai/gpt-5.4-mini"])(
    "may be a warm-up, of which %s hears nothing before",
    async (model) => {
      const { id, key } = await world.gateway.createKey()
      const client = await open(key)
      const events = await client.ask({ model, input: "Remember cobalt.", generate: false })
      assert.deepStrictEqual(
        events.map(({ type }) => type),
        ["response.created", "response.completed"],
      )
      const warmed = responseOf(events)
      assert.deepStrictEqual(warmed.output, [])
      assert.lengthOf(world.upstream.calls, 0)
      await client.ask({ model, previous_response_id: warmed.id, input: "Which word?", generate: true })
      const sent = JSON.stringify(lastCall().json)
      assert.isBelow(sent.indexOf("Remember cobalt."), sent.indexOf("Which word?"))
      assert.include(sent, "Remember cobalt.")
      assert.notInclude(sent, "generate")
      await eventually(async () => {
        const rows = await world.gateway.admin(`/analytics/requests?key_id=${id}`)
        return ((await rows.json()) as { data: ReadonlyArray<object> }).data.length === 1
      }, 10_000)
    },
  )

  it("is lost with a request that went on from it and failed", async () => {
    const client = await open()
    const first = responseOf(await client.ask({ model: "p0/m", input: "Hi" }))
    const next = { model: "p0/m", previous_response_id: first.id, input: "On" }
    world.upstream.respond(status(500, { error: { message: "down" } }))
    assert.strictEqual(errorOf(await client.ask(next)).status, 502)
    world.upstream.respond(ok({}))
    assert.deepStrictEqual(errorOf(await client.ask(next)), {
      status: 400,
      code: "previous_response_not_found",
      param: "previous_response_id",
    })
  })

  it("stays when another conversation failed", async () => {
    const client = await open()
    const first = responseOf(await client.ask({ model: "p0/m", input: "Hi" }))
    errorOf(await client.ask({ model: "nobody", input: "Hi" }))
    const next = { model: "p0/m", previous_response_id: first.id, input: "On" }
    assert.strictEqual(responseOf(await client.ask(next)).status, "completed")
  })

  it("is its connection's own", async () => {
    const first = responseOf(await (await open()).ask({ model: "p0/m", input: "Hi" }))
    const next = { model: "p0/m", previous_response_id: first.id, input: "On" }
    assert.strictEqual(errorOf(await (await open()).ask(next)).code, "previous_response_not_found")
  })

  it("has no output of a call that was not made", async () => {
    const client = await open()
    const { id } = responseOf(await client.ask({ model: "p0/m", input: "Hi" }))
    const input = [{ type: "function_call_output", call_id: "call_9", output: "rain" }]
    const error = errorOf(await client.ask({ model: "p0/m", previous_response_id: id, input }))
    assert.deepStrictEqual(error, { status: 400, code: "invalid_request", param: "input[0].call_id" })
    assert.lengthOf(world.upstream.calls, 1)
  })

  it("goes on as far as a body may be long", async () => {
    const client = await open()
    const input = "x".repeat(60_000)
    const { id } = responseOf(await client.ask({ model: "openai/gpt-5.4-mini", input }))
    const error = errorOf(await client.ask({ model: "openai/gpt-5.4-mini", previous_response_id: id, input }))
    assert.strictEqual(error.code, "payload_too_large")
  })
})

describe("an error", () => {
  it.each([
    ["no JSON", "{", "invalid_json", null],
    ["no object", "[]", "invalid_request", null],
    ["a field twice", '{"type":"response.create","model":"p0/m","model":"p0/m"}', "invalid_request", null],
    ["another event", '{"type":"response.cancel"}', "invalid_request", "type"],
    [
      "a warm-up of nothing",
      '{"type":"response.create","model":"p0/m","generate":false}',
      "invalid_request",
      "input",
    ],
    ["no model", '{"type":"response.create","input":"Hi"}', "invalid_request", "model"],
    ["no input", '{"type":"response.create","model":"p0/m"}', "invalid_request", "input"],
    [
      "a response in the background",
      '{"type":"response.create","model":"p0/m","input":"Hi","background":true}',
      "invalid_request",
      "background",
    ],
  ])("is an event with status and code, and the connection goes on: %s", async (_, message, code, param) => {
    const client = await open()
    client.send(message)
    assert.deepStrictEqual(errorOf(await client.answer()), { status: 400, code, param })
    assert.strictEqual(responseOf(await client.ask({ model: "p0/m", input: "Hi" })).status, "completed")
  })

  it.each(["p0/m", "c0/claude-haiku-5-5"])("amid the words of %s ends the response", async (model) => {
    const client = await open()
    world.upstream.respond(streamThenCut(2))
    const events = await client.ask({ model, input: "Hi" })
    assert.strictEqual(events.at(-1)?.type, "response.failed")
  })

  it("amid OpenAI's own events has status and code too", async () => {
    const client = await open()
    world.upstream.respond(streamThenCut(2))
    const events = await client.ask({ model: "openai/gpt-5.4-mini", input: "Hi" })
    assert.isAbove(events.length, 1)
    assert.deepInclude(errorOf(events.slice(-1)), { status: 502, code: "upstream_error" })
  })

  it("is a key that was revoked since", async () => {
    const { id, key } = await world.gateway.createKey()
    const client = await open(key)
    await client.ask({ model: "p0/m", input: "Hi" })
    await world.gateway.admin(`/admin/keys/${id}/revoke`, { method: "POST" })
    const error = async () => (await client.ask({ model: "p0/m", input: "Hi" })).at(-1)
    await eventually(async () => (await error())?.status === 401, 10_000)
  })

  it("is a message that is longer than a body may be", async () => {
    const client = await open()
    client.send("x".repeat(MAX_BODY_BYTES + 1))
    assert.strictEqual((await client.closed).code, 1009)
  })
})

describe("a handshake", () => {
  const handshake = (
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<{ readonly status: number; readonly body: string }> =>
    new Promise((resolve, reject) => {
      const asked = request(`${world.gateway.url}${path}`, {
        headers: {
          connection: "upgrade",
          upgrade: "websocket",
          "sec-websocket-version": "13",
          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
          ...headers,
        },
      })
      asked.on("error", reject)
      asked.on("upgrade", (_, socket) => {
        socket.destroy()
        resolve({ status: 101, body: "" })
      })
      asked.on("response", async (response) => {
        let body = ""
        for await (const chunk of response) body += chunk
        resolve({ status: response.statusCode ?? 0, body })
      })
      asked.end()
    })
  const codeOf = ({ body }: { readonly body: string }) => JSON.parse(body).error.code

  it("is answered once the key is known", async () => {
    const authorization = `Bearer ${world.key}`
    assert.strictEqual((await handshake("/v1/responses", { authorization })).status, 101)
    const refused = await handshake("/v1/responses", { authorization: "Bearer gwk_nobody" })
    assert.strictEqual(refused.status, 401)
    assert.strictEqual(codeOf(refused), "invalid_api_key")
  })

  it("has no Idempotency-Key, which is of one request", async () => {
    const headers = { authorization: `Bearer ${world.key}`, "idempotency-key": "k" }
    const refused = await handshake("/v1/responses", headers)
    assert.deepStrictEqual([refused.status, codeOf(refused)], [400, "invalid_idempotency_key"])
  })

  it("is for this path alone", async () => {
    const headers = { authorization: `Bearer ${world.key}` }
    assert.strictEqual((await handshake("/v1/chat/completions", headers)).status, 405)
    assert.strictEqual((await handshake("/v1/nothing", headers)).status, 404)
  })

  it("is all that a GET is for", async () => {
    const headers = { authorization: `Bearer ${world.key}` }
    for (const more of [{}, { upgrade: "websocket" }, { upgrade: "h2c", connection: "upgrade" }]) {
      const response = await handshake("/v1/responses", {
        ...headers,
        connection: "close",
        upgrade: "",
        ...more,
      })
      assert.strictEqual(response.status, 405, JSON.stringify(more))
    }
  })
})
