import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { DateTime, Effect, Layer, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpRouter } from "effect/http"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import { TestClock } from "effect/testing"
import { Analytics } from "../../src/analytics/Analytics.ts"
import * as Api from "../../src/api/KeysApi.ts"
import { AdminSessions } from "../../src/auth/AdminSessions.ts"
import { AdminTokens } from "../../src/auth/AdminTokens.ts"
import { type ApiKey, ApiKeyNotFound, ApiKeyRevoked, ApiKeys, ApiKeysBusy } from "../../src/auth/ApiKeys.ts"
import { SignedClaimsInvalid } from "../../src/auth/signed-claims.ts"
import { TeamNotFound } from "../../src/auth/team-not-found.ts"
import type { BudgetState } from "../../src/budgets/budget-rows.ts"
import { Settings } from "../../src/config/Settings.ts"
import { KeyId } from "../../src/domain/Ids.ts"
import { adminMiddleware } from "../../src/http/admin-middleware.ts"
import { KeysHandlers } from "../../src/http/KeysApi.ts"

/** The handlers between the wire and the keys, with the keys themselves replaced. */

const NOW_MS = Date.UTC(2026, 10, 23)

const budget: BudgetState = {
  id: 7,
  scope: "key",
  subject: "AdaAdaAdaAda",
  period: "month",
  limitNanoUsd: 50_000_000_000,
  alertPercents: [50, 80],
  timeZone: "Europe/Berlin",
  spentNanoUsd: 12_300_000_001n,
  reservedNanoUsd: 1_000_000_000n,
  remainingNanoUsd: 36_699_999_999n,
  resetsAt: DateTime.makeUnsafe("2026-11-30T23:00:00Z"),
}

const key: ApiKey = {
  id: KeyId.make("AdaAdaAdaAda"),
  name: "billing",
  requestsPerMinute: 60,
  tokensPerMinute: null,
  concurrency: 8,
  team: "search",
  tags: ["prod"],
  models: ["auto"],
  mayIssue: false,
  budgets: [budget],
  createdAt: DateTime.makeUnsafe("2026-11-23T00:00:00Z"),
  expiresAt: DateTime.makeUnsafe("2027-12-17T08:00:00Z"),
  revokedAt: null,
  state: "active" as const,
  previousSecretUntil: null,
  parentId: null,
}

const json = {
  id: "AdaAdaAdaAda",
  name: "billing",
  rpm: 60,
  tpm: null,
  concurrency: 8,
  team: "search",
  tags: ["prod"],
  models: ["auto"],
  may_issue: false,
  budgets: [
    {
      id: 7,
      scope: "key",
      subject: "AdaAdaAdaAda",
      window: "month",
      limit_usd: 50,
      alert_percents: [50, 80],
      time_zone: "Europe/Berlin",
      spent_usd: 12.300000001,
      reserved_usd: 1,
      remaining_usd: 36.699999999,
      resets_at: "2026-11-30T23:00:00.000Z",
    },
  ],
  created_at: "2026-11-23T00:00:00.000Z",
  expires_at: "2027-12-17T08:00:00.000Z",
  revoked_at: null,
  state: "active",
  previous_secret_until: null,
  parent_id: null,
}

const issued = { key, secret: Redacted.make("gwk_AdaAdaAdaAda_secret") }
const asked: Array<Record<string, unknown>> = []

const noting = <A>(what: Record<string, unknown>, answer: A) =>
  Effect.sync(() => {
    asked.push(what)
    return answer
  })

const services = Layer.mergeAll(
  Settings.layerTest({ maxBodyBytes: 1000 }),
  Layer.succeed(ApiKeys, {
    create: (options) =>
      options.name === "one too many" ? Effect.fail(new ApiKeysBusy()) : noting({ create: options }, issued),
    list: (options) => noting({ list: options }, { keys: [key], nextCursor: key.id }),
    set: (id, changes) => {
      if (id !== key.id) return Effect.fail(new ApiKeyRevoked({ id }))
      return changes.team === "serach"
        ? Effect.fail(new TeamNotFound({ name: "serach", text: "No team has this name." }))
        : noting({ set: changes }, key)
    },
    show: (id) => (id === key.id ? Effect.succeed(key) : Effect.fail(new ApiKeyNotFound({ id }))),
    rotate: (id, options) =>
      id === key.id ? noting({ rotate: options }, issued) : Effect.fail(new ApiKeyRevoked({ id })),
    revoke: () => Effect.succeed({ ...key, revokedAt: key.createdAt }),
  }),
  Layer.mock(Analytics, {
    lastUsed: (ids) => Effect.succeed(new Map(ids.map((id) => [id, new Date("2026-11-23T08:00:00.250Z")]))),
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

const server = HttpRouter.serve(
  HttpApiBuilder.layer(HttpApi.make("llm-gateway").add(Api.KeysApi)).pipe(
    Layer.provide(KeysHandlers),
    Layer.provide(adminMiddleware),
  ),
  { disableListenLog: true, disableLogger: true },
).pipe(Layer.provide(services), Layer.provideMerge(NodeHttpServer.layerTest))

const send = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest, token = "operator") {
  asked.length = 0
  const response = yield* HttpClient.execute(HttpClientRequest.bearerToken(request, token))
  const body = yield* response.json
  return { status: response.status, headers: response.headers, body: body as Record<string, unknown> }
})

const get = (path: string) => send(HttpClientRequest.get(path))

const postText = (path: string, body: string, contentType = "application/json") =>
  send(HttpClientRequest.post(path).pipe(HttpClientRequest.bodyText(body, contentType)))

const patch = (path: string, body: unknown) =>
  send(
    HttpClientRequest.patch(path).pipe(HttpClientRequest.bodyText(JSON.stringify(body), "application/json")),
  )

const post = (path: string, body: unknown) => postText(path, JSON.stringify(body))

layer(server)("key routes", (it) => {
  describe("an answer", () => {
    it.effect("shows a key, and its secret only when it is issued", () =>
      Effect.gen(function* () {
        const listed = { ...json, last_used_at: "2026-11-23T08:00:00.250Z" }
        assert.deepStrictEqual((yield* get("/admin/keys/AdaAdaAdaAda")).body, listed)
        const withSecret = { ...json, key: "gwk_AdaAdaAdaAda_secret" }
        assert.deepStrictEqual((yield* post("/admin/keys", { name: "billing" })).body, withSecret)
        assert.deepStrictEqual((yield* post("/admin/keys/AdaAdaAdaAda/rotate", {})).body, withSecret)
        assert.deepStrictEqual(
          (yield* send(HttpClientRequest.post("/admin/keys/AdaAdaAdaAda/revoke"))).body,
          {
            ...json,
            revoked_at: json.created_at,
          },
        )
        assert.deepStrictEqual((yield* get("/admin/keys")).body, { data: [listed], next_cursor: json.id })
      }),
    )

    it.effect("shows a key that outlives the four digits of a year", () =>
      Effect.gen(function* () {
        const expiresAt = DateTime.makeUnsafe(Date.UTC(12026, 0, 1))
        const encoded = yield* Schema.encodeEffect(Api.ApiKeyJson)({ ...key, expiresAt })
        assert.strictEqual(encoded.expires_at, "+012026-01-01T00:00:00.000Z")
      }),
    )

    it.effect("says what is wrong with the key that was asked for", () =>
      Effect.gen(function* () {
        const { status, body } = yield* get("/admin/keys/nobody")
        assert.strictEqual(status, 404)
        assert.deepInclude(body, { status: 404, code: "key_not_found", detail: "No API key has this id." })
        assert.isString(body.request_id)
        const revoked = yield* post("/admin/keys/nobody/rotate", {})
        assert.strictEqual(revoked.status, 409)
        assert.deepInclude(revoked.body, { code: "key_revoked" })
      }),
    )
  })

  describe("a change", () => {
    it.effect.each([
      [{}, {}],
      [
        { name: "b", rpm: 60 },
        { name: "b", requestsPerMinute: 60 },
      ],
      [
        { rpm: null, tpm: null, concurrency: null, team: null, tags: null, models: null, expires_at: null },
        {
          requestsPerMinute: null,
          tokensPerMinute: null,
          concurrency: null,
          team: null,
          tags: [],
          models: null,
          expiresAt: null,
        },
      ],
      [
        { may_issue: false, tags: ["a"] },
        { mayIssue: false, tags: ["a"] },
      ],
      [{ budget_usd: 80 }, { budget: { limitNanoUsd: 80_000_000_000, timeZone: "UTC" } }],
      [
        { budget_usd: 80, budget_window: "day" },
        { budget: { limitNanoUsd: 80_000_000_000, timeZone: "UTC", period: "day" } },
      ],
      [{ budget_usd: null }, { budget: { limitNanoUsd: null } }],
      [{ budget_usd: null, budget_window: "day" }, { budget: { limitNanoUsd: null, period: "day" } }],
    ] as const)("%j reaches the keys in their own words", ([body, changes]) =>
      Effect.gen(function* () {
        const answer = yield* patch("/admin/keys/AdaAdaAdaAda", body)
        assert.deepStrictEqual(answer.body, json)
        assert.deepStrictEqual(asked, [{ set: changes }])
      }),
    )

    it.effect.each([
      [{ name: null }, "name"],
      [{ may_issue: null }, "may_issue"],
      [{ rpm: 0 }, "rpm"],
      [{ models: ["gtp-5.4-mini"] }, "models[0]"],
      [{ models: [] }, "models"],
      [{ budget_window: "day" }, "budget_window"],
      [{ expires_at: "2020-01-01" }, "expires_at"],
      [{ team: "serach" }, "team"],
      [{ id: "x" }, "id"],
    ] as const)("is refused as %j, and names the field", ([body, param]) =>
      Effect.gen(function* () {
        yield* TestClock.setTime(NOW_MS)
        const answer = yield* patch("/admin/keys/AdaAdaAdaAda", body)
        assert.deepInclude(answer.body, { status: 400, code: "invalid_request", param })
        assert.isEmpty(asked)
      }),
    )

    it.effect("is refused for a revoked key", () =>
      Effect.gen(function* () {
        const { body } = yield* patch("/admin/keys/revokedrevok", { rpm: 5 })
        assert.deepInclude(body, { status: 409, code: "key_revoked" })
      }),
    )
  })

  it.effect("a creation that bcrypt has no place for is told when to come back, and not of a database", () =>
    Effect.gen(function* () {
      const { status, headers, body } = yield* post("/admin/keys", { name: "one too many" })
      assert.strictEqual(status, 503)
      assert.deepInclude(body, { code: "overloaded" })
      assert.strictEqual(headers["retry-after"], "1")
      assert.notMatch(JSON.stringify(body), /database/i)
    }),
  )

  describe("what is asked", () => {
    it.effect("reaches the keys in their own words", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(NOW_MS)
        yield* post("/admin/keys", {
          name: "nightly",
          rpm: 1_000_000,
          models: ["auto", "sim-swift/*"],
          expires_at: "2027-12-17T08:00:00+02:00",
        })
        assert.deepStrictEqual(asked, [
          {
            create: {
              name: "nightly",
              requestsPerMinute: 1_000_000,
              models: ["auto", "sim-swift/*"],
              expiresAt: DateTime.makeUnsafe("2027-12-17T06:00:00Z"),
            },
          },
        ])
        yield* post("/admin/keys", { name: "x" })
        assert.deepStrictEqual(asked, [{ create: { name: "x" } }])
        yield* post("/admin/keys", {
          name: "agent",
          tpm: 100_000,
          concurrency: 8,
          team: "search",
          tags: ["prod", "eu"],
          may_issue: true,
          budget_usd: 0.1,
          budget_window: "hour",
        })
        assert.deepStrictEqual(asked, [
          {
            create: {
              name: "agent",
              tokensPerMinute: 100_000,
              concurrency: 8,
              team: "search",
              tags: ["prod", "eu"],
              mayIssue: true,
              budget: { limitNanoUsd: 100_000_000, period: "hour", timeZone: "UTC" },
            },
          },
        ])
        yield* post("/admin/keys/AdaAdaAdaAda/rotate", { grace_seconds: 60 })
        assert.deepStrictEqual(asked, [{ rotate: { graceMs: 60_000 } }])
        yield* post("/admin/keys/AdaAdaAdaAda/rotate", {})
        assert.deepStrictEqual(asked, [{ rotate: { graceMs: 0 } }])
        yield* get("/admin/keys?limit=7&cursor=AdaAdaAdaAda")
        assert.deepStrictEqual(asked, [{ list: { limit: 7, cursor: "AdaAdaAdaAda" } }])
        yield* get("/admin/keys")
        assert.deepStrictEqual(asked, [{ list: { limit: 100 } }])
        yield* get("/admin/keys?search=a%20b&active=false")
        assert.deepStrictEqual(asked, [{ list: { limit: 100, search: "a b", active: false } }])
        for (const [query, param] of [
          ["active=yes", "active"],
          ["search=a%0Ab", "search"],
          [`search=${"a".repeat(300)}`, "search"],
        ]) {
          const { body, status } = yield* get(`/admin/keys?${query}`)
          assert.strictEqual(status, 400)
          assert.deepInclude(body, { param })
        }
      }),
    )

    it.effect.each([
      "2027-02-30T00:00:00Z",
      "2027-02-30",
      "December 17, 2027",
      "2027",
      "Fri, 31 Dec 2027 23:59:59",
      "2027-12-17T00:00:00",
      "",
      1_800_000_000,
    ])("is refused with expires_at=%s", (text) =>
      Effect.gen(function* () {
        const { status, body } = yield* post("/admin/keys", { name: "x", expires_at: text })
        assert.strictEqual(status, 400)
        assert.deepInclude(body, {
          code: "invalid_request",
          param: "expires_at",
          detail: "expires_at: Expected 2026-11-23 or an instant such as 2026-11-23T08:00:00Z.",
        })
        assert.isEmpty(asked)
      }),
    )

    it.effect("is refused for a key that would be born expired", () =>
      Effect.gen(function* () {
        yield* TestClock.setTime(NOW_MS)
        for (const text of ["2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-23"]) {
          const { status, body } = yield* post("/admin/keys", { name: "x", expires_at: text })
          assert.strictEqual(status, 400)
          assert.deepInclude(body, {
            param: "expires_at",
            detail: "expires_at: Expected an instant in the future.",
          })
        }
        assert.isEmpty(asked)
      }),
    )

    it.effect.each([
      [{}, "name"],
      [{ name: "" }, "name"],
      [{ name: "x".repeat(129) }, "name"],
      [{ name: "x", rpm: 0 }, "rpm"],
      [{ name: "x", rpm: 1_000_001 }, "rpm"],
      [{ name: "x", rpm: "60" }, "rpm"],
      [{ name: "x", models: [] }, "models"],
      [{ name: "x", models: ["a", ""] }, "models[1]"],
      [{ name: "x", models: ["a", "x".repeat(257)] }, "models[1]"],
      [{ name: "x", models: Array.from({ length: 101 }, () => "a") }, "models"],
      [{ name: "a\0b" }, "name"],
      [{ name: "\u001b[31mred" }, "name"],
      [{ name: "two\nlines" }, "name"],
      [{ name: "a\u009b31m" }, "name"],
      [{ name: "half a pair \ud800" }, "name"],
      [{ name: "x", models: ["a\0"] }, "models[0]"],
      [{ name: "x", models: ["auto", "gtp-5.4-mini"] }, "models[1]"],
      [{ name: "x", tpm: 0 }, "tpm"],
      [{ name: "x", tpm: 1_000_000_001 }, "tpm"],
      [{ name: "x", concurrency: 0.5 }, "concurrency"],
      [{ name: "x", team: "two words" }, "team"],
      [{ name: "x", team: ".." }, "team"],
      [{ name: "x", team: null }, "team"],
      [{ name: "x", tags: "prod" }, "tags"],
      [{ name: "x", tags: Array.from({ length: 11 }, (_, i) => `${i}`) }, "tags"],
      [{ name: "x", tags: ["a", ""] }, "tags[1]"],
      [{ name: "x", tags: ["a,b"] }, "tags[0]"],
      [{ name: "x", tags: [" a"] }, "tags[0]"],
      [{ name: "x", tags: ["x".repeat(65)] }, "tags[0]"],
      [{ name: "x", tags: ["a\u0000"] }, "tags[0]"],
      [{ name: "x", may_issue: "yes" }, "may_issue"],
      [{ name: "x", budget_usd: -1 }, "budget_usd"],
      [{ name: "x", budget_usd: 9_000_000.01 }, "budget_usd"],
      [{ name: "x", budget_usd: 0.1234567891 }, "budget_usd"],
      [{ name: "x", budget_usd: "50" }, "budget_usd"],
      [{ name: "x", budget_usd: null }, "budget_usd"],
      [{ name: "x", budget_usd: 5, budget_window: "year" }, "budget_window"],
      [{ name: "x", budget_window: "month" }, "budget_window"],
      [{ name: "x", requestsPerMinute: 1 }, "requestsPerMinute"],
      [{ name: "x", expiresAt: "2027-12-17T08:00:00Z" }, "expiresAt"],
    ] as const)("is refused as %j, and names the field", ([body, param]) =>
      Effect.gen(function* () {
        const answer = yield* post("/admin/keys", body)
        assert.strictEqual(answer.status, 400)
        assert.deepInclude(answer.body, { code: "invalid_request", param })
        assert.isEmpty(asked)
      }),
    )

    it.effect("is refused with a grace period of more than 30 days, and with a misspelt parameter", () =>
      Effect.gen(function* () {
        const rotated = yield* post("/admin/keys/AdaAdaAdaAda/rotate", { grace_seconds: 2_592_001 })
        assert.deepInclude(rotated.body, { status: 400, param: "grace_seconds" })
        const listed = yield* get("/admin/keys?limt=7")
        assert.deepInclude(listed.body, {
          status: 400,
          param: "limt",
          detail: "limt: Unknown parameter; known are limit, cursor, search, active.",
        })
        assert.deepInclude((yield* get("/admin/keys?limit=0")).body, {
          detail: "limit: Expected a whole number from 1 to 1000.",
        })
        const { body } = yield* get("/admin/keys?cursor=a%00")
        assert.deepInclude(body, {
          status: 400,
          param: "cursor",
          detail: "cursor: Expected no control characters.",
        })
        assert.isEmpty(asked)
      }),
    )

    it.effect.each([
      ["", "application/json", 400, "invalid_json"],
      ["{", "application/json", 400, "invalid_json"],
      ['{"name":"x"}', "text/plain", 415, "unsupported_media_type"],
      ['{"name":"x"}', "application/x-www-form-urlencoded", 415, "unsupported_media_type"],
      [`{"name":"${"x".repeat(1000)}"}`, "application/json", 413, "payload_too_large"],
      [`${"[".repeat(300)}${"]".repeat(300)}`, "application/json", 400, "invalid_json"],
    ] as const)("is refused as a body %s of %s", ([body, contentType, status, code]) =>
      Effect.gen(function* () {
        for (const path of ["/admin/keys", "/admin/keys/AdaAdaAdaAda/rotate"]) {
          const answer = yield* postText(path, body, contentType)
          assert.strictEqual(answer.status, status)
          assert.deepInclude(answer.body, { status, code })
        }
        assert.isEmpty(asked)
      }),
    )

    it.effect("is not looked at before the token", () =>
      Effect.gen(function* () {
        for (const request of [
          HttpClientRequest.post("/admin/keys").pipe(HttpClientRequest.bodyText("{", "text/plain")),
          HttpClientRequest.get("/admin/keys?limt=7"),
          HttpClientRequest.get("/admin/keys?limit=0"),
        ]) {
          const { status, body } = yield* send(request, "stranger")
          assert.strictEqual(status, 401)
          assert.deepInclude(body, { code: "invalid_admin_token" })
          assert.notProperty(body, "param")
        }
      }),
    )
  })
})
