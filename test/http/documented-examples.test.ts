import { assert } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { UsageByKey } from "../../src/api/AnalyticsApi.ts"
import { AuditEntry } from "../../src/api/AuditApi.ts"
import { BudgetJson } from "../../src/api/budget-fields.ts"
import { ChildKeyJson } from "../../src/api/ChildKeysApi.ts"
import { ChatCompletion, ChatCompletionChunk } from "../../src/api/chat-completions.ts"
import { EmbeddingList } from "../../src/api/embeddings.ts"
import { DryRunResponse, InferResponse, InferStreamEvent } from "../../src/api/InferApi.ts"
import { ApiKeyJson, IssuedKeyJson } from "../../src/api/KeysApi.ts"
import { RequestDetail } from "../../src/api/logged-request.ts"
import { Message, MessageStreamEvent, TokenCount } from "../../src/api/messages.ts"
import { Model, ModelList } from "../../src/api/OpenAiApi.ts"
import { Overview } from "../../src/api/overview.ts"
import { CompactedResponse, ResponseEvent, ResponseObject } from "../../src/api/responses.ts"
import { TeamJson } from "../../src/api/TeamsApi.ts"
import { bodyOf, operations } from "../api/document.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** Every example of the document, sent as a reader of /docs would to a gateway that was just started. */

let gateway: GatewayInProcess
let id: string
let key: string
let budgetId: number
let requestId: string

/** The team of the examples. */
const TEAM = "search"

beforeAll(async () => {
  gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
  const created = await gateway.createKey({ may_issue: true })
  id = created.id
  key = created.key
  await gateway.admin("/admin/teams", { method: "POST", body: JSON.stringify({ name: TEAM }) })
  const budget = { scope: "key", subject: id, window: "hour", limit_usd: 1 }
  const set = await gateway.admin("/admin/budgets", { method: "PUT", body: JSON.stringify(budget) })
  budgetId = ((await set.json()) as { id: number }).id
  await gateway.infer(key, { prompt: "Hi" })
  requestId = String((await gateway.ledger(1))[0]?.request_id)
})

/** Puts what is there in the place of the parameters of a path. */
const targetOf = (path: string): string =>
  path.startsWith("/admin/budgets/")
    ? path.replace("{id}", String(budgetId))
    : path.startsWith("/analytics/requests/")
      ? path.replace("{id}", requestId)
      : path.replace("{id}", id).replace(/(?<=\/teams\/)\{name\}/, TEAM)

afterAll(() => gateway?.stop())

const send = (method: string, path: string, security: ReadonlyArray<object>, body?: unknown) => {
  const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" }
  const [scheme] = security.flatMap((requirement) => Object.keys(requirement))
  if (scheme === "apiKey") headers["x-api-key"] = key
  if (scheme === "adminToken") headers.authorization = `Bearer ${gateway.adminToken}`
  return fetch(`${gateway.url}${path}`, {
    method: method.toUpperCase(),
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

const bodies = operations
  .filter(({ operation }) => operation.requestBody !== undefined)
  .map(({ method, path, operation }) => ({
    method,
    path,
    security: operation.security,
    examples: bodyOf(operation).examples ?? [],
  }))

const answers: Record<string, Schema.Decoder<unknown>> = {
  "/infer": Schema.Union([InferResponse, DryRunResponse]),
  "/v1/chat/completions": ChatCompletion,
  "/v1/embeddings": EmbeddingList,
  "/v1/responses": ResponseObject,
  "/v1/responses/compact": CompactedResponse,
  "/v1/messages": Message,
  "/v1/messages/count_tokens": TokenCount,
  "/v1/models": ModelList,
  "/v1/models/{model}": Model,
  "/admin/budgets": Schema.Union([BudgetJson, Schema.Struct({ data: Schema.Array(BudgetJson) })]),
  "/admin/budgets/{id}": BudgetJson,
  "/admin/teams": Schema.Union([TeamJson, Schema.Struct({ data: Schema.Array(TeamJson) })]),
  "/admin/teams/{name}": TeamJson,
  "/v1/keys": ChildKeyJson,
  "/admin/audit": Schema.Struct({ data: Schema.Array(AuditEntry) }),
  "/admin/keys": Schema.Union([IssuedKeyJson, Schema.Struct({ data: Schema.Array(ApiKeyJson) })]),
  "/admin/keys/{id}": ApiKeyJson,
  "/admin/keys/{id}/rotate": IssuedKeyJson,
  "/admin/routes/dry-run": DryRunResponse,
  "/analytics/overview": Overview,
  "/analytics/requests/{id}": RequestDetail,
  "/analytics/usage-by-key": Schema.Struct({ data: Schema.Array(UsageByKey) }),
}

const lastEvents: Record<string, string> = {
  "/v1/messages": '"type":"message_stop"',
  "/v1/responses": '"type":"response.completed"',
}

const events: Record<string, Schema.Decoder<unknown>> = {
  "/infer": InferStreamEvent,
  "/v1/chat/completions": ChatCompletionChunk,
  "/v1/responses": ResponseEvent,
  "/v1/messages": MessageStreamEvent,
}

const decodes = (schema: Schema.Decoder<unknown> | undefined, value: unknown) => {
  if (schema !== undefined) Schema.decodeUnknownSync(schema)(value)
}

describe("an example of the document", () => {
  it("is there for every body", () => {
    assert.deepStrictEqual(bodies.map(({ path }) => path).sort(), [
      "/admin/budgets",
      "/admin/keys",
      "/admin/keys/{id}",
      "/admin/keys/{id}/rotate",
      "/admin/routes/dry-run",
      "/admin/teams",
      "/admin/teams/{name}",
      "/infer",
      "/v1/chat/completions",
      "/v1/embeddings",
      "/v1/keys",
      "/v1/messages",
      "/v1/messages/count_tokens",
      "/v1/responses",
      "/v1/responses/compact",
    ])
    for (const { path, examples } of bodies) assert.isNotEmpty(examples, path)
  })

  for (const { method, path, security, examples } of bodies) {
    it.each(examples.map((example) => JSON.stringify(example)))(`is taken by ${path}: %s`, async (text) => {
      const example: { readonly stream?: boolean } = JSON.parse(text)
      const response = await send(method, targetOf(path), security, example)
      const body = await response.text()
      assert.strictEqual(response.status, 200, body)
      if (example.stream !== true) return decodes(answers[path], JSON.parse(body))
      assert.include(response.headers.get("content-type") ?? "", "text/event-stream")
      const data = [...body.matchAll(/^data: (.+)$/gm)].map(([, event = ""]) => event)
      assert.include(data.at(-1) ?? "", lastEvents[path] ?? "[DONE]")
      if (data.at(-1) === "[DONE]") data.pop()
      for (const event of data) decodes(events[path], JSON.parse(event))
    })
  }

  const reads = operations.filter(({ method }) => method === "get")

  it.each(reads.map(({ path, operation }) => ({ path, operation })))(
    "is taken by $path in its place and query",
    async ({ path, operation }) => {
      const query = new URLSearchParams()
      let target = targetOf(path)
      for (const { name, in: place, schema } of operation.parameters) {
        const value = schema.examples?.[0] ?? schema.default
        if (value === undefined) continue
        if (place === "query") query.set(name, String(value))
        else target = target.replace(`{${name}}`, String(value))
      }
      const response = await send("get", `${target}?${query}`, operation.security)
      const body = await response.text()
      assert.strictEqual(response.status, 200, `${target}?${query} ${body}`)
      if (response.headers.get("content-type")?.startsWith("application/json")) {
        decodes(answers[path], JSON.parse(body))
      }
    },
  )
})

it("the gateway serves the committed document", async () => {
  const response = await fetch(`${gateway.url}/openapi.json`)
  const { paths } = (await response.json()) as { paths: object }
  assert.sameMembers(Object.keys(paths), [...new Set(operations.map(({ path }) => path))])
})
