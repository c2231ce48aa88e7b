import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { type Behaviour, failure, html } from "../support/fake-upstream-behaviours.ts"
import type { Trouble } from "../support/fake-upstream-errors.ts"
import { OpenAiWorld, thrown, user } from "./openai-sdk-world.ts"

/** Errors as OpenAI's own client throws them, and what it retries by itself. */

/** One model each, so that no circuit of one trouble is open for another. */
const troubles = [
  // The provider's own code.
  ["badRequest", OpenAI.BadRequestError, 400, "decimal_above_max_value"],
  ["contextTooLong", OpenAI.BadRequestError, 400, "context_length_exceeded"],
  ["contentFilter", OpenAI.BadRequestError, 400, "content_filter"],
  ["badKey", OpenAI.InternalServerError, 502, "upstream_auth"],
  ["forbidden", OpenAI.InternalServerError, 502, "upstream_auth"],
  ["modelNotFound", OpenAI.InternalServerError, 502, "upstream_error"],
  ["rateLimited", OpenAI.RateLimitError, 429, "upstream_rate_limited"],
  ["quotaExhausted", OpenAI.InternalServerError, 503, "upstream_quota"],
  ["serverError", OpenAI.InternalServerError, 502, "upstream_error"],
  ["overloaded", OpenAI.InternalServerError, 503, "upstream_overloaded"],
] as const satisfies ReadonlyArray<readonly [Trouble, unknown, number, string]>

/** Of whatever status. */
const AnyError = OpenAI.APIError<number, Headers, object>

const typeOf = (status: number) =>
  status === 429
    ? "rate_limit_error"
    : status === 503
      ? "service_unavailable_error"
      : status > 500
        ? "server_error"
        : "invalid_request_error"

const spare = ["again1", "again2", "again3", "again4", "final1", "final2", "final3"]

let world: OpenAiWorld
let client: OpenAI

beforeAll(async () => {
  world = await OpenAiWorld.start({
    env: { MAX_BODY_BYTES: "10000" },
    models: [...troubles.map(([trouble]) => trouble), ...spare],
  })
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

const ask = (model: string, client_ = client, rest: object = {}) =>
  client_.chat.completions.create({ model, messages: [user("Hi")], ...rest })

const isRequestId = (id: unknown) => assert.match(String(id), /^[0-9a-f]{8}-[0-9a-f-]{27}$/)

describe("a provider's trouble", () => {
  it.each(troubles)(
    "%s is an error of the client's own class, whole and streamed",
    async (trouble, kind, status, code) => {
      for (const stream of [false, true]) {
        world.upstream.respond(failure(trouble))
        const error = await thrown(ask(`p0/${trouble}`, client, { stream }), kind)
        assert.deepInclude(error, { status, code, type: typeOf(status) })
        isRequestId(error.requestID)
        assert.strictEqual(error.headers?.get("content-type"), "application/json")
        assert.strictEqual(error.headers?.get("x-gateway-attempts"), "1")
        assert.strictEqual(error.headers?.get("x-ratelimit-limit-requests"), "100000")
        // Nothing that the provider said of our key, our region or our bill.
        if (status > 400) assert.notMatch(error.message, /sk-|country|exceeded|does not exist|had an error/i)
      }
    },
  )

  it("of the client's making comes in the provider's words, naming the field", async () => {
    world.upstream.respond(failure("badRequest"))
    const error = await thrown(ask("p0/badRequest"), OpenAI.BadRequestError)
    assert.strictEqual(error.param, "temperature")
    assert.include(error.message, "Invalid 'temperature': must be at most 2.")
  })

  it("says when to come back, and that is not earlier than the provider said", async () => {
    world.upstream.respond(failure("rateLimited"))
    const error = await thrown(ask("p0/rateLimited"), OpenAI.RateLimitError)
    assert.strictEqual(error.headers?.get("retry-after"), "7")
  })
})

describe("the client's retries", () => {
  const retrying = () => world.client({ maxRetries: 2 })
  const soon = { "retry-after": "1", "retry-after-ms": "900" }

  it.each([
    ["again1", failure("serverError")],
    ["again2", failure("overloaded", soon)],
    ["again3", failure("rateLimited", soon)],
    ["again4", html()],
  ] satisfies ReadonlyArray<[string, Behaviour]>)(
    "reach the provider again and succeed: %s",
    async (model, behaviour) => {
      world.upstream.enqueue(behaviour)
      const startedAt = performance.now()
      const { data, response } = await ask(`p0/${model}`, retrying()).withResponse()
      assert.strictEqual(response.status, 200)
      assert.strictEqual(data.choices[0]?.message.content, "echo: Hi")
      assert.strictEqual(world.upstream.count, 2)
      // The gateway's whole second, and not the client's own half.
      if (model === "again3") assert.isAtLeast(performance.now() - startedAt, 950)
    },
  )

  it("begin a stream again that had said nothing", async () => {
    world.upstream.enqueue(failure("serverError"))
    const completion = await retrying()
      .chat.completions.stream({ model: "p0/m", messages: [user("Hi")] })
      .finalChatCompletion()
    assert.strictEqual(completion.choices[0]?.message.content, "echo: Hi")
    assert.strictEqual(world.upstream.count, 2)
  })

  it.each([
    ["final1", "quotaExhausted", 503],
    ["final2", "badRequest", 400],
    ["final3", "contextTooLong", 400],
  ] as const)("are not made where they cannot help: %s, %s", async (model, trouble, status) => {
    world.upstream.respond(failure(trouble))
    const error = await thrown(ask(`p0/${model}`, retrying()), AnyError)
    assert.strictEqual(error.status, status)
    assert.strictEqual(error.headers?.get("x-should-retry"), "false")
    assert.isFalse(error.headers?.has("retry-after"))
    assert.strictEqual(world.upstream.count, 1)
  })
})

describe("the gateway's own refusals", () => {
  it.each(["gwk_nobody", "sk-123", `gwk_AAAAAAAAAAAA_${"A".repeat(49)}`])(
    "an unknown key: %s",
    async (apiKey) => {
      const error = await thrown(ask("p0/m", world.client({ apiKey })), OpenAI.AuthenticationError)
      assert.deepInclude(error, {
        status: 401,
        code: "invalid_api_key",
        type: "authentication_error",
        param: null,
      })
      assert.strictEqual(error.headers?.get("www-authenticate"), "Bearer")
      isRequestId(error.requestID)
      assert.notInclude(error.message, apiKey)
    },
  )

  it("a model that the key may not use", async () => {
    const { key } = await world.gateway.createKey({ models: ["p0/m"] })
    const limited = world.client({ apiKey: key })
    const error = await thrown(ask("p0/org/large", limited), OpenAI.PermissionDeniedError)
    assert.deepInclude(error, { code: "model_not_allowed", type: "permission_error", param: "model" })
    await ask("p0/m", limited)
  })

  it("a model that nobody serves", async () => {
    const error = await thrown(ask("gpt-nobody"), OpenAI.NotFoundError)
    assert.deepInclude(error, { code: "model_not_found", type: "invalid_request_error", param: "model" })
  })

  it("more requests than the key may send, with the time to wait", async () => {
    const { key } = await world.gateway.createKey({ rpm: 2 })
    const limited = world.client({ apiKey: key })
    const { response } = await ask("p0/m", limited).withResponse()
    assert.strictEqual(response.headers.get("x-ratelimit-limit-requests"), "2")
    assert.strictEqual(response.headers.get("x-ratelimit-remaining-requests"), "1")
    assert.match(response.headers.get("x-ratelimit-reset-requests") ?? "", /^(29\.?\d*|30)s$/)
    await ask("p0/m", limited)
    const error = await thrown(ask("p0/m", limited), OpenAI.RateLimitError)
    assert.deepInclude(error, { code: "rate_limited", type: "rate_limit_error" })
    assert.match(error.headers?.get("retry-after") ?? "", /^(29|30)$/)
    assert.strictEqual(error.headers?.get("x-ratelimit-remaining-requests"), "0")
    assert.match(error.headers?.get("x-ratelimit-reset-requests") ?? "", /^(1m0s|5\d\.?\d*s)$/)
    assert.strictEqual(world.upstream.count, 2)
  })

  it.each([
    [{ messages: [] }, "messages"],
    [{ messages: [{ role: "root", content: "Hi" }] }, "messages[0].role"],
    [{ messages: [{ role: "user", content: 5 }] }, "messages[0].content"],
    [{ n: 0 }, "n"],
    [{ max_tokens: 0 }, "max_tokens"],
    [{ max_completion_tokens: 4001 }, "max_completion_tokens"],
    [{ temperature: "hot" }, "temperature"],
    [{ stop: [1] }, "stop[0]"],
    [{ stream: "yes" }, "stream"],
    [{ stream_options: { include_usage: 1 } }, "stream_options.include_usage"],
    [{ model: "" }, "model"],
    [{ model: 5 }, "model"],
  ])("a wrong field: %o", async (wrong, param) => {
    const error = await thrown(ask("p0/m", client, wrong), OpenAI.BadRequestError)
    assert.deepInclude(error, { code: "invalid_request", type: "invalid_request_error", param })
    assert.strictEqual(world.upstream.count, 0)
  })

  it("a prompt longer than the model's window", async () => {
    const error = await thrown(
      client.chat.completions.create({ model: "p0/small", messages: [user("word ".repeat(1700))] }),
      OpenAI.BadRequestError,
    )
    assert.deepInclude(error, { code: "context_length_exceeded", param: "messages" })
    assert.strictEqual(world.upstream.count, 0)
  })

  it.each([
    ["a path that is not", () => client.get("/nothing"), 404, "not_found"],
    ["a method that is not", () => client.put("/chat/completions", { body: {} }), 405, "method_not_allowed"],
    ["a method that is not", () => client.post("/models/p0%2Fm", { body: {} }), 405, "method_not_allowed"],
    ["a body too large", () => ask("p0/m", client, { user: "x".repeat(10_000) }), 413, "payload_too_large"],
    [
      "a body of another type",
      () => client.post("/chat/completions", { body: {}, headers: { "content-type": "text/plain" } }),
      415,
      "unsupported_media_type",
    ],
    ["no JSON", () => world.post("/chat/completions", "{").then(throwAsTheClient), 400, "invalid_json"],
    ["no JSON", () => world.post("/embeddings", "").then(throwAsTheClient), 400, "invalid_json"],
    [
      "two keys",
      () => ask("p0/m", world.client({ defaultHeaders: { "x-api-key": "gwk_other" } })),
      400,
      "conflicting_credentials",
    ],
    [
      "a wrong Idempotency-Key",
      () => ask("p0/m", world.client({ defaultHeaders: { "idempotency-key": "a b" } })),
      400,
      "invalid_idempotency_key",
    ],
  ])("%s has OpenAI's envelope too", async (_, send, status, code) => {
    const error = await thrown(send(), AnyError)
    assert.deepInclude(error, { status, code, type: "invalid_request_error" })
    assert.hasAllKeys(error.error, ["message", "type", "param", "code"])
    isRequestId(error.requestID)
    assert.strictEqual(error.headers?.get("x-should-retry"), "false")
    if (status === 405) assert.isNotEmpty(error.headers?.get("allow"))
    assert.strictEqual(world.upstream.count, 0)
  })
})

const throwAsTheClient = async (response: Response): Promise<never> => {
  const body: unknown = await response.json()
  throw OpenAI.APIError.generate(response.status, Object(body), undefined, response.headers)
}
