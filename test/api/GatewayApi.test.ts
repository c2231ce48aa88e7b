import { assert, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { GatewayApi } from "../../src/api/GatewayApi.ts"

interface Operation {
  readonly parameters?: ReadonlyArray<{ readonly name: string }>
  readonly security?: ReadonlyArray<Record<string, unknown>>
  readonly responses: Record<number, { readonly content?: Record<string, unknown> }>
}

/** As a client reads it. */
const spec: { readonly paths: Record<string, Record<string, Operation>> } = JSON.parse(
  JSON.stringify(OpenApi.fromApi(GatewayApi)),
)

const operations = Object.entries(spec.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)

describe("the specification", () => {
  it("lists exactly the public routes", () => {
    assert.deepStrictEqual(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort(), [
      "GET /admin/keys",
      "GET /admin/keys/{id}",
      "GET /analytics/requests",
      "GET /analytics/timeseries",
      "GET /analytics/usage-by-key",
      "GET /analytics/usage-by-provider",
      "GET /livez",
      "GET /metrics",
      "GET /readyz",
      "GET /v1/models",
      "GET /v1/models/{model}",
      "POST /admin/keys",
      "POST /admin/keys/{id}/revoke",
      "POST /admin/keys/{id}/rotate",
      "POST /infer",
      "POST /v1/chat/completions",
      "POST /v1/embeddings",
    ])
  })

  it("says which credential each route takes", () => {
    for (const { path, operation } of operations) {
      const schemes = (operation.security ?? []).flatMap((requirement) => Object.keys(requirement))
      const expected =
        path === "/infer" || path.startsWith("/v1/")
          ? ["apiKey", "apiKeyBearer"]
          : /admin|analytics/.test(path)
            ? ["adminToken"]
            : []
      assert.deepStrictEqual(schemes, expected, path)
    }
  })

  it("tells of the Idempotency-Key where it is heeded", () => {
    const withKey = operations.filter(({ operation }) =>
      operation.parameters?.some(({ name }) => name === "Idempotency-Key"),
    )
    assert.deepStrictEqual(withKey.map(({ path }) => path).sort(), [
      "/infer",
      "/v1/chat/completions",
      "/v1/embeddings",
    ])
  })

  it("names the fields of the answer to POST /infer and of the analytics rows", () => {
    const text = JSON.stringify(spec)
    for (const field of [
      ...[
        "output",
        "provider",
        "latency_ms",
        "cost",
        "model",
        "usage",
        "finish_reason",
        "request_id",
        "attempts",
      ],
      ...[
        "requests",
        "errors",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cost_usd",
      ],
      ...[
        "unpriced_requests",
        "avg_latency_ms",
        "p95_latency_ms",
        "next_cursor",
        "bucket",
        "key_name",
        "error_code",
      ],
    ]) {
      assert.include(text, `"${field}":`)
    }
  })

  it("describes errors as problem documents", () => {
    const infer = operations.find(({ path }) => path === "/infer")?.operation
    for (const status of [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503, 504]) {
      assert.deepStrictEqual(Object.keys(infer?.responses[status]?.content ?? {}), [
        "application/problem+json",
      ])
    }
  })
})
