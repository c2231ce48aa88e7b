import { assert, describe, it } from "@effect/vitest"
import {
  answerOf,
  bodyOf,
  components,
  fieldsOf,
  isInference,
  operation,
  operations,
  resolved,
} from "./document.ts"

const totals = [
  "requests",
  "errors",
  "input_tokens",
  "output_tokens",
  "cached_tokens",
  "reasoning_tokens",
  "cost_usd",
  "unpriced_requests",
  "wasted_usd",
  "unpriced_attempts",
  "spent_usd",
  "avg_latency_ms",
  "p95_latency_ms",
]

describe("answers", () => {
  it("of POST /infer have the contract's fields, with their types", () => {
    const [whole, dryRun] = answerOf(operation("post", "/infer")).anyOf ?? []
    assert.deepStrictEqual(
      fieldsOf(whole),
      [
        "output",
        "images",
        "provider",
        "latency_ms",
        "cost",
        "model",
        "usage",
        "finish_reason",
        "request_id",
        "attempts",
        "simulated",
        "decision",
      ].sort(),
    )
    const { properties = {}, required } = resolved(whole)
    assert.deepInclude(properties.latency_ms, { type: "integer" })
    assert.deepStrictEqual(
      properties.cost?.anyOf?.map(({ type }) => type),
      ["number", "null"],
    )
    assert.notInclude(required ?? [], "simulated")
    assert.deepStrictEqual(fieldsOf(dryRun), ["decision", "dry_run", "request_id"])
  })

  it.each([
    [
      "/analytics/usage",
      ["key_id", "key_name", "team", "user", "tag", "provider", "model", "endpoint", ...totals],
    ],
    ["/analytics/usage-by-key", ["key_id", "key_name", ...totals]],
    ["/analytics/usage-by-provider", ["provider", "model", ...totals]],
    ["/analytics/timeseries", ["start", "bucket", ...totals]],
    [
      "/analytics/requests",
      [
        "request_id",
        "requests",
        "key_id",
        "team",
        "user",
        "tags",
        "endpoint",
        "route",
        "provider",
        "model",
        "status",
        "stream",
        "first_token_ms",
        "finish_reason",
        "input_tokens",
        "output_tokens",
        "usage_estimated",
        "cost_usd",
        "service_tier",
        "cost_reason",
        "price_version",
        "latency_ms",
        "attempts",
        "started_at",
        "error_code",
      ],
    ],
  ])("of %s are pages of such rows", (path, fields) => {
    const page = answerOf(operation("get", path))
    const how = path === "/analytics/requests" ? ["scanned_to"] : []
    assert.deepStrictEqual(fieldsOf(page), ["data", "from", "next_cursor", ...how, "to"])
    assert.deepStrictEqual(fieldsOf(page.properties?.data?.items), [...fields].sort())
  })

  it("of the key routes show the key once, when it is issued", () => {
    const key = [
      "id",
      "name",
      "state",
      "rpm",
      "tpm",
      "concurrency",
      "team",
      "tags",
      "models",
      "may_issue",
      "budgets",
    ]
    const shown = [
      ...key,
      "created_at",
      "expires_at",
      "revoked_at",
      "previous_secret_until",
      "parent_id",
    ].sort()
    const listed = [...shown, "last_used_at"].sort()
    assert.deepStrictEqual(fieldsOf(answerOf(operation("get", "/admin/keys/{id}"))), listed)
    for (const [method, path] of [
      ["patch", "/admin/keys/{id}"],
      ["post", "/admin/keys/{id}/revoke"],
    ] as const) {
      assert.deepStrictEqual(fieldsOf(answerOf(operation(method, path))), shown)
    }
    for (const path of ["/admin/keys", "/admin/keys/{id}/rotate"]) {
      assert.deepStrictEqual(fieldsOf(answerOf(operation("post", path))), [...shown, "key"].sort())
    }
    const list = answerOf(operation("get", "/admin/keys"))
    assert.deepStrictEqual(fieldsOf(list.properties?.data?.items), listed)
  })

  it("that may be streamed are described as server-sent events too, with the schema of an event", () => {
    for (const { path, operation } of operations) {
      const stream = operation.responses[200]?.content?.["text/event-stream"]
      assert.strictEqual(
        stream !== undefined,
        ["/infer", "/v1/chat/completions", "/v1/messages", "/v1/responses"].includes(path),
        path,
      )
    }
    assert.deepStrictEqual(fieldsOf(components.schemas.ChatCompletionChunk), [
      "choices",
      "created",
      "id",
      "model",
      "object",
      "usage",
    ])
    assert.deepStrictEqual(fieldsOf(resolved(components.schemas.InferStreamEvent).anyOf?.[0]), ["delta"])
  })

  it("tell of their headers", () => {
    for (const { path, operation } of operations.filter(({ path }) => isInference(path))) {
      const headers = Object.keys(operation.responses[200]?.headers ?? {})
      assert.includeMembers(
        headers,
        [
          "x-request-id",
          "x-gateway-provider",
          "x-gateway-model",
          "x-gateway-dropped",
          "x-gateway-attempts",
          "x-gateway-cost",
          "server-timing",
          "idempotent-replayed",
          ...(path === "/infer"
            ? ["ratelimit", "ratelimit-policy"]
            : path === "/v1/messages"
              ? ["request-id", "anthropic-ratelimit-requests-limit"]
              : ["x-ratelimit-limit-requests"]),
        ],
        path,
      )
    }
  })
})

describe("bodies", () => {
  it("of POST /infer and of the key routes take no field beside those listed", () => {
    for (const path of ["/infer", "/v1/keys", "/admin/keys", "/admin/keys/{id}/rotate"]) {
      assert.strictEqual(bodyOf(operation("post", path)).additionalProperties, false, path)
    }
  })

  it("of OpenAI's routes take any other field", () => {
    for (const path of ["/v1/chat/completions", "/v1/embeddings", "/v1/responses"]) {
      const { additionalProperties } = bodyOf(operation("post", path))
      assert.notStrictEqual(additionalProperties, false, path)
    }
  })

  it("of a chat completion describe tools, formats and streams", () => {
    const body = bodyOf(operation("post", "/v1/chat/completions"))
    assert.includeMembers(fieldsOf(body), [
      "model",
      "messages",
      "stream",
      "stream_options",
      "tools",
      "tool_choice",
      "parallel_tool_calls",
      "response_format",
      "max_completion_tokens",
      "stop",
      "seed",
    ])
    assert.sameMembers(body.required ?? [], ["model", "messages"])
    const tool = resolved(components.schemas.ChatTool)
    assert.includeMembers(fieldsOf(tool.properties?.function), ["name", "description", "parameters"])
    const [, jsonSchema] = resolved(components.schemas.ChatResponseFormat).anyOf ?? []
    assert.deepStrictEqual(fieldsOf(jsonSchema?.properties?.json_schema), ["name", "schema", "strict"])
    const message = resolved(components.schemas.ChatMessage)
    assert.includeMembers(fieldsOf(message), ["role", "content", "tool_calls", "tool_call_id"])
  })
})

describe("errors", () => {
  const statuses = (path: string, method: string) =>
    Object.keys(operation(method, path).responses)
      .map(Number)
      .filter((status) => status >= 400)

  it("are problem documents outside of /v1, and have OpenAI's or Anthropic's envelope inside", () => {
    for (const { path, operation } of operations) {
      for (const status of Object.keys(operation.responses).map(Number)) {
        if (status < 400 || path === "/readyz") continue
        const [type, fields] = path.startsWith("/v1/")
          ? ([
              "application/json",
              path.startsWith("/v1/messages") ? ["error", "request_id", "type"] : ["error"],
            ] as const)
          : ([
              "application/problem+json",
              ["code", "detail", "param", "request_id", "status", "title", "type", "upstream_code"],
            ] as const)
        assert.deepStrictEqual(Object.keys(operation.responses[status]?.content ?? {}), [type], path)
        assert.deepStrictEqual(fieldsOf(answerOf(operation, status, type)), [...fields], `${path} ${status}`)
      }
    }
  })

  it.each([
    ["post", "/infer", [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504]],
    ["post", "/v1/chat/completions", [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504]],
    ["post", "/v1/embeddings", [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504]],
    ["post", "/v1/responses", [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504]],
    ["post", "/v1/responses/compact", [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504]],
    ["get", "/v1/models", [400, 401, 500, 503]],
    ["get", "/v1/models/{model}", [400, 401, 404, 500, 503]],
    ["post", "/v1/keys", [400, 401, 403, 413, 415, 429, 500, 503]],
    ["delete", "/v1/keys/{id}", [400, 401, 404, 429, 500, 503]],
    ["get", "/admin/audit", [400, 401, 403, 500, 503]],
    ["get", "/admin/keys", [400, 401, 403, 500, 503]],
    ["post", "/admin/keys", [400, 401, 403, 413, 415, 500, 503]],
    ["get", "/admin/keys/{id}", [400, 401, 403, 404, 500, 503]],
    ["post", "/admin/keys/{id}/rotate", [400, 401, 403, 404, 409, 413, 415, 500, 503]],
    ["post", "/admin/keys/{id}/revoke", [400, 401, 403, 404, 500, 503]],
    ["get", "/analytics/requests", [400, 401, 403, 500, 503]],
  ])("of %s %s are these", (method, path, expected) => {
    assert.deepStrictEqual(statuses(path, method), expected)
  })

  it("promise Retry-After and a challenge where they are sent", () => {
    const { responses } = operation("post", "/infer")
    for (const status of [409, 429, 503]) assert.property(responses[status]?.headers, "retry-after")
    assert.notProperty(responses[400]?.headers, "retry-after")
    assert.property(responses[401]?.headers, "www-authenticate")
  })
})
