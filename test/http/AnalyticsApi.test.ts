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
  NoRollup,
  type Page,
  type RequestInFull,
  type RequestRow,
} from "../../src/analytics/Analytics.ts"
import * as Api from "../../src/api/AnalyticsApi.ts"
import { RequestRow as LoggedRow } from "../../src/api/logged-request.ts"
import { AdminSessions } from "../../src/auth/AdminSessions.ts"
import { AdminTokens } from "../../src/auth/AdminTokens.ts"
import { SignedClaimsInvalid } from "../../src/auth/signed-claims.ts"
import { Settings } from "../../src/config/Settings.ts"
import { AnalyticsHandlers } from "../../src/http/AnalyticsApi.ts"
import { adminMiddleware } from "../../src/http/admin-middleware.ts"

/** The handlers between the wire and the analytics, with the analytics themselves replaced. */

const row: RequestRow = {
  request_id: "0190b1f0-0000-7000-8000-000000000000",
  requests: 1,
  key_id: "AdaAdaAdaAda",
  team: "search",
  user: "ada",
  tags: ["prod"],
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
  service_tier: null,
  usage_estimated: true,
  cost_usd: 0.00014,
  cost_reason: null,
  price_version: "list@2026-11-23",
  latency_ms: 812,
  attempts: 1,
  started_at: "2026-11-23T00:00:00.000Z",
  error_code: null,
}

const inFull: RequestInFull = {
  request: row,
  requested_model: "auto",
  tokens: { input: 120, cached: 0, cache_write: 0, output: 55, reasoning: 0, details: {} },
  raw_usage: { prompt_tokens: 120 },
  attempts: [],
  decision: { route: "auto" },
  prediction: null,
  usage: { inputTokens: 120, outputTokens: 55, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
  reportedNanoUsd: null,
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
  Settings.layerTest({}),
  Layer.succeed(Analytics, {
    overview: (query) =>
      Effect.suspend(() => {
        asked.push(JSON.parse(JSON.stringify(query)))
        return Effect.fail(failure ?? new NoRollup({ parts: ["key_id", "tag"] }))
      }),
    usage: answer<never>(),
    usageByKey: answer<never>(),
    usageByProvider: answer<never>(),
    timeseries: answer<never>(),
    calibration: answer<never>(),
    lastUsed: () => Effect.succeed(new Map()),
    request: (id) => Effect.succeed(id === row.request_id ? inFull : undefined),
    requests: (query) => Effect.map(answer(row)(query), (page) => ({ ...page, scanned_to: null })),
  }),
  Layer.succeed(AdminTokens, {
    issue: () => Effect.die("no test issues a token"),
    verify: (token) =>
      token === "operator"
        ? Effect.succeed({ name: "Ada", role: "admin" as const, until: 4_102_444_800 })
        : Effect.fail(new SignedClaimsInvalid()),
  }),
  AdminSessions.layer.pipe(Layer.provide(Settings.layerTest())),
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
    Layer.provide(adminMiddleware),
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

const listings = ["usage-by-key", "usage-by-provider", "timeseries", "calibration", "requests"]

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

    it.effect.each(["key_id", "provider", "model", "cursor"])("refuses control characters in %s", (param) =>
      Effect.gen(function* () {
        for (const text of ["%00", "a%0Ab", "%C2%9B31m"]) {
          const { status, body } = yield* get(`${listing}?${param}=${text}`)
          assert.strictEqual(status, 400)
          assert.deepInclude(body, {
            code: "invalid_request",
            param,
            detail: `${param}: Expected no control characters.`,
          })
        }
        assert.isEmpty(asked)
      }),
    )

    it.effect.each([
      "2026-02-30T00:00:00Z",
      "2027-02-29",
      "December 17, 2027",
      "2026-11-23T00:00:00",
      "2026",
      "",
    ])("refuses from=%s, and to as well", (text) =>
      Effect.gen(function* () {
        for (const param of ["from", "to"]) {
          const { status, body } = yield* get(`${listing}?${param}=${encodeURIComponent(text)}`)
          assert.strictEqual(status, 400)
          assert.deepInclude(body, {
            code: "invalid_request",
            param,
            detail: `${param}: Expected 2026-11-23 or an instant such as 2026-11-23T08:00:00Z.`,
          })
        }
        assert.isEmpty(asked)
      }),
    )

    it.effect("takes an instant in any zone", () =>
      Effect.gen(function* () {
        const to = encodeURIComponent("2026-11-23T08:30:15.250+02:00")
        assert.strictEqual((yield* get(`${listing}?from=2026-11-23&to=${to}`)).status, 200)
        assert.deepInclude(asked[0], {
          fromMs: Date.UTC(2026, 10, 23),
          toMs: Date.UTC(2026, 10, 23, 6, 30, 15, 250),
        })
      }),
    )

    it.effect.each(["0", "1001", "1.5", "1e2", "-1", "", "ten"])("refuses limit=%s", (text) =>
      Effect.gen(function* () {
        const { status, body } = yield* get(`${listing}?limit=${text}`)
        assert.strictEqual(status, 400)
        assert.deepInclude(body, {
          code: "invalid_request",
          param: "limit",
          detail: "limit: Expected a whole number from 1 to 1000.",
        })
        assert.isEmpty(asked)
      }),
    )

    it.effect("reads pages of 100 rows unless told otherwise", () =>
      Effect.gen(function* () {
        yield* get(listing)
        assert.deepInclude(asked[0], { limit: 100 })
        yield* get(`${listing}?limit=1000`)
        assert.deepInclude(asked[0], { limit: 1000 })
      }),
    )

    it.effect("refuses a parameter sent twice", () =>
      Effect.gen(function* () {
        for (const param of ["limit=1", "stream=true", "key_id=a", "from=2026-11-23"]) {
          const { status, body } = yield* get(`${listing}?${param}&${param}`)
          assert.strictEqual(status, 400)
          assert.strictEqual(body.param, param.split("=")[0])
        }
        assert.isEmpty(asked)
      }),
    )

    it.effect("refuses a parameter it does not know, and names those it knows", () =>
      Effect.gen(function* () {
        const { status, body } = yield* get(`${listing}?from=2026-11-23T00:00:00Z&keyid=x`)
        assert.strictEqual(status, 400)
        assert.deepInclude(body, { code: "invalid_request", param: "keyid" })
        const known = ["from", "to", "key_id", "provider", "model", "stream", "limit", "cursor"]
        if (listing === "timeseries" || listing === "requests") known.push("team", "user", "tag", "endpoint")
        if (listing === "timeseries") known.push("bucket")
        if (listing === "requests") {
          known.push("status_class", "status", "min_latency_ms", "min_cost_usd", "error_code")
        }
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

  it.effect("takes what requests belong to where that is known", () =>
    Effect.gen(function* () {
      for (const listing of ["requests?", "timeseries?", "usage?group_by=model&"]) {
        assert.strictEqual((yield* get(`${listing}endpoint=/infer&team=t&user=u&tag=a`)).status, 200)
        assert.deepInclude(asked[0], { endpoint: "/infer", team: "t", user: "u", tag: "a" })
      }
      assert.deepInclude((yield* get("usage-by-key?endpoint=/infer")).body, { param: "endpoint" })
    }),
  )

  it.effect(
    "shows a request in full, and without what makes up its cost when nobody knows its price any more",
    () =>
      Effect.gen(function* () {
        const { status, body } = yield* get(`requests/${row.request_id}`)
        assert.strictEqual(status, 200)
        const { reportedNanoUsd: _reported, usage: _usage, ...shown } = inFull
        assert.deepStrictEqual(body, { ...shown, cost: { lines: null, price: null, reported_usd: null } })
      }),
  )

  it.effect("says of a request that is not there what that may mean, and of no id as well", () =>
    Effect.gen(function* () {
      for (const id of ["0190b1f0-0000-7000-8000-000000000001", "7", "%00", `${row.request_id}x`]) {
        const { status, body } = yield* get(`requests/${id}`)
        assert.strictEqual(status, 404)
        assert.strictEqual(body.code, "request_not_found")
      }
    }),
  )

  it.effect("takes filters and no page for the overview", () =>
    Effect.gen(function* () {
      const { status, body } = yield* get("overview?from=2026-11-23&to=2026-11-24&key_id=a&tag=b&stream=true")
      assert.strictEqual(status, 400)
      assert.deepInclude(body, { code: "invalid_request", param: "tag" })
      assert.deepStrictEqual(asked, [
        {
          ...{ fromMs: Date.UTC(2026, 10, 23), toMs: Date.UTC(2026, 10, 24) },
          ...{ keyId: "a", tag: "b", stream: true },
        },
      ])
      assert.deepInclude((yield* get("overview?limit=5")).body, { param: "limit" })
    }),
  )

  it.effect("groups usage by one thing, which it has to be told", () =>
    Effect.gen(function* () {
      for (const groupBy of ["key", "team", "user", "tag", "provider", "model", "endpoint"]) {
        assert.strictEqual((yield* get(`usage?group_by=${groupBy}`)).status, 200)
        assert.deepInclude(asked[0], { groupBy })
      }
      for (const query of ["", "?group_by=route"]) {
        const { status, body } = yield* get(`usage${query}`)
        assert.strictEqual(status, 400)
        assert.deepInclude(body, {
          param: "group_by",
          detail: "group_by: Expected key, team, user, tag, provider, model or endpoint.",
        })
      }
    }),
  )

  it.effect("says which fields no rollup knows together, and where only days are known", () =>
    Effect.gen(function* () {
      failure = new NoRollup({ parts: ["group_by", "user", "provider"] })
      assert.deepInclude((yield* get("usage?group_by=key&user=u&provider=p")).body, {
        code: "invalid_request",
        param: "provider",
        detail:
          "provider: No sums are kept by it together with user and group_by; /analytics/requests lists single requests.",
      })
      failure = new NoRollup({ parts: ["user"], bucket: "day" })
      assert.deepInclude((yield* get("timeseries?user=u")).body, {
        param: "bucket",
        detail: "bucket: Expected day with user.",
      })
    }).pipe(Effect.ensuring(Effect.sync(() => (failure = undefined)))),
  )

  it.effect("takes the outcome for requests alone", () =>
    Effect.gen(function* () {
      const { status } = yield* get("requests?status_class=4&error_code=rate_limited")
      assert.strictEqual(status, 200)
      assert.deepInclude(asked[0], { statusClass: 4, errorCode: "rate_limited" })
      yield* get("requests?status=503&min_latency_ms=30000&min_cost_usd=0.25")
      assert.deepInclude(asked[0], { status: 503, minLatencyMs: 30_000, minCostNanoUsd: 250_000_000 })
      for (const [query, detail] of [
        ["status_class=1", "status_class: Expected one of 2, 4, 5."],
        ["status_class=3", "status_class: Expected one of 2, 4, 5."],
        ["status_class=6", "status_class: Expected one of 2, 4, 5."],
        ["status_class=4xx", "status_class: Expected one of 2, 4, 5."],
        ["status=99", "status: Expected a whole number from 100 to 599."],
        ["status=4xx", "status: Expected a whole number from 100 to 599."],
        ["min_latency_ms=-1", "min_latency_ms: Expected a whole number from 0 to 2147483647."],
        [
          "min_cost_usd=0.0000000001",
          "min_cost_usd: Expected a number from 0 to 1000000 with at most nine decimals.",
        ],
        ["min_cost_usd=1e3", "min_cost_usd: Expected a number from 0 to 1000000 with at most nine decimals."],
        ["error_code=rate_limitd", "error_code: Expected a code of docs/errors.md."],
      ]) {
        const { status, body } = yield* get(`requests?${query}`)
        assert.strictEqual(status, 400)
        assert.strictEqual(body.detail, detail)
      }
      assert.deepInclude((yield* get("timeseries?error_code=rate_limited")).body, { param: "error_code" })
    }),
  )

  it.effect("takes an hour or a day for the timeseries alone, an hour unless told otherwise", () =>
    Effect.gen(function* () {
      for (const [query, bucket] of [
        ["", "hour"],
        ["?bucket=hour", "hour"],
        ["?bucket=day", "day"],
      ]) {
        assert.strictEqual((yield* get(`timeseries${query}`)).status, 200)
        assert.deepInclude(asked[0], { bucket })
      }
      const { status, body } = yield* get("timeseries?bucket=week")
      assert.strictEqual(status, 400)
      assert.deepInclude(body, { param: "bucket", detail: "bucket: Expected hour or day." })
      assert.deepInclude((yield* get("requests?bucket=day")).body, { param: "bucket" })
    }),
  )

  it.effect("shows requests as the specification says, and no field beside it", () =>
    Effect.gen(function* () {
      const { body } = yield* get("requests")
      const decode = Schema.decodeUnknownEffect(Schema.Array(LoggedRow), { onExcessProperty: "error" })
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
