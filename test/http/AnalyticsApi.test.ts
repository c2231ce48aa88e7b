import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Logger, References, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpRouter } from "effect/http"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import { TestClock } from "effect/testing"
import {
  Analytics,
  type AnalyticsError,
  AnalyticsUnavailable,
  type Page,
  type RequestRow,
} from "../../src/analytics/Analytics.ts"
import * as Api from "../../src/api/AnalyticsApi.ts"
import { AdminTokenInvalid, AdminTokens } from "../../src/auth/AdminTokens.ts"
import { AnalyticsHandlers } from "../../src/http/AnalyticsApi.ts"

/** What the handlers make of a query, with the analytics themselves replaced. */

const row: RequestRow = {
  request_id: "0190b1f0-0000-7000-8000-000000000000",
  key_id: "AdaAdaAdaAda",
  endpoint: "/v1/chat/completions",
  route: "auto",
  provider: "openai",
  model: "gpt-5-mini",
  status: 200,
  stream: true,
  first_token_ms: 90,
  finish_reason: "stop",
  input_tokens: 120,
  output_tokens: 55,
  usage_estimated: true,
  cost_usd: 0.00014,
  latency_ms: 812,
  attempts: 1,
  started_at: "2026-11-23T00:00:00.000Z",
  error_code: null,
}

const asked: Array<Record<string, unknown>> = []
let failure: AnalyticsError | undefined

const answer =
  <Row>(...data: ReadonlyArray<Row>) =>
  (query: object): Effect.Effect<Page<Row>, AnalyticsError> =>
    Effect.suspend(() => {
      // Absent filters say nothing.
      asked.push(JSON.parse(JSON.stringify(query)))
      return failure === undefined
        ? Effect.succeed({ data, from: row.started_at, to: row.started_at, next_cursor: null })
        : Effect.fail(failure)
    })

const services = Layer.mergeAll(
  Layer.succeed(Analytics, {
    usageByKey: answer<never>(),
    usageByProvider: answer<never>(),
    timeseries: answer<never>(),
    requests: answer(row),
  }),
  Layer.succeed(AdminTokens, {
    issue: () => Effect.die("no test issues a token"),
    verify: (token) => (token === "operator" ? Effect.void : Effect.fail(new AdminTokenInvalid())),
  }),
)

const lines: Array<string> = []
const logging = Logger.layer([
  Logger.make(({ message, fiber }) =>
    lines.push(JSON.stringify([message, fiber.getRef(References.CurrentLogAnnotations)])),
  ),
])

const server = HttpRouter.serve(
  HttpApiBuilder.layer(HttpApi.make("llm-gateway").add(Api.AnalyticsApi)).pipe(
    Layer.provide(AnalyticsHandlers),
  ),
  { disableListenLog: true, disableLogger: true },
).pipe(Layer.provide(services), Layer.provideMerge(NodeHttpServer.layerTest), Layer.provideMerge(logging))

const get = Effect.fnUntraced(function* (path: string, token = "operator") {
  asked.length = 0
  const response = yield* HttpClientRequest.get(`/analytics/${path}`).pipe(
    HttpClientRequest.bearerToken(token),
    HttpClient.execute,
  )
  const body = yield* response.json
  return { status: response.status, body: body as Record<string, unknown> }
})

const listings = ["usage-by-key", "usage-by-provider", "timeseries", "requests"]

layer(server)("analytics over HTTP", (it) => {
  describe.each(listings)("%s", (listing) => {
    it.effect("asks for one mode, or for both", () =>
      Effect.gen(function* () {
        for (const [query, stream] of [
          ["stream=true", true],
          ["stream=false", false],
          ["", undefined],
        ]) {
          assert.strictEqual((yield* get(`${listing}?${query}`)).status, 200)
          assert.deepStrictEqual(
            asked.map((query) => query.stream),
            [stream],
          )
        }
      }),
    )

    it.effect.each(["", "1", "TRUE", "yes"])("refuses stream=%s", (text) =>
      Effect.gen(function* () {
        const { status, body } = yield* get(`${listing}?stream=${text}`)
        assert.strictEqual(status, 400)
        assert.deepInclude(body, {
          code: "invalid_request",
          param: "stream",
          detail: "stream: Expected true or false.",
        })
        assert.isEmpty(asked)
      }),
    )

    it.effect("refuses a parameter it does not know, and names those it knows", () =>
      Effect.gen(function* () {
        const { status, body } = yield* get(`${listing}?from=2026-11-23T00:00:00Z&keyid=x`)
        assert.strictEqual(status, 400)
        assert.deepInclude(body, { code: "invalid_request", param: "keyid" })
        const known = ["from", "to", "key_id", "provider", "model", "stream", "limit", "cursor"]
        if (listing === "timeseries") known.push("bucket")
        if (listing === "requests") known.push("endpoint")
        assert.strictEqual(body.detail, `keyid: Unknown parameter; known are ${known.join(", ")}.`)
        assert.isEmpty(asked)
      }),
    )

    it.effect("tells a stranger nothing of its parameters", () =>
      Effect.gen(function* () {
        const { status, body } = yield* get(`${listing}?keyid=x`, "stranger")
        assert.strictEqual(status, 401)
        assert.notProperty(body, "param")
      }),
    )
  })

  it.effect("takes an endpoint for requests alone", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* get("requests?endpoint=/v1/chat/completions")).status, 200)
      assert.deepStrictEqual(
        asked.map(({ endpoint }) => endpoint),
        ["/v1/chat/completions"],
      )
      assert.deepInclude((yield* get("usage-by-key?endpoint=/infer")).body, { param: "endpoint" })
    }),
  )

  it.effect("shows requests as the specification says, and no field beside it", () =>
    Effect.gen(function* () {
      const { body } = yield* get("requests")
      const decode = Schema.decodeUnknownEffect(Schema.Array(Api.RequestRow), { onExcessProperty: "error" })
      assert.deepStrictEqual(yield* decode(body.data), [row])
    }),
  )

  it.effect("logs why the database did not answer, once in ten seconds, in its code alone", () =>
    Effect.gen(function* () {
      failure = new AnalyticsUnavailable({ reason: "ConnectionError", code: "ECONNREFUSED" })
      lines.length = 0
      const { status, body } = yield* get("requests?key_id=AdaAdaAdaAda")
      assert.strictEqual(status, 503)
      assert.strictEqual(body.code, "database_unavailable")
      assert.notInclude(JSON.stringify(body), "ECONNREFUSED")
      yield* get("timeseries")
      assert.lengthOf(lines, 1)
      for (const part of ["ConnectionError", "ECONNREFUSED", String(body.request_id)]) {
        assert.include(lines[0], part)
      }
      yield* TestClock.adjust("10 seconds")
      yield* get("requests")
      assert.lengthOf(lines, 2)
    }).pipe(Effect.ensuring(Effect.sync(() => (failure = undefined)))),
  )
})
