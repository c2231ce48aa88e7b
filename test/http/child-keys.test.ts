import { setTimeout } from "node:timers/promises"
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, type Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { scaled } from "../support/slowness.ts"

/** Keys that keys issue, over two gateways and one database. */

let databaseUrl: Redacted.Redacted
let first: GatewayProcess
let second: GatewayProcess

beforeAll(async () => {
  databaseUrl = await Effect.runPromise(migratedPostgresUrl)
  ;[first, second] = await Promise.all([
    GatewayProcess.start({ databaseUrl }),
    GatewayProcess.start({ databaseUrl }),
  ])
})
afterAll(() => Promise.all([first?.stop(), second?.stop()]))

const run = <A>(statement: (sql: SqlClient.SqlClient) => Effect.Effect<A, unknown>): Promise<A> =>
  SqlClient.SqlClient.use(statement).pipe(
    Effect.provide(PgClient.layer({ url: databaseUrl })),
    Effect.orDie,
    Effect.runPromise,
  )

/** A key that may issue others, with a budget of two dollars a day. */
const createIssuer = (options: Record<string, unknown> = {}) =>
  first.createKey({ may_issue: true, tags: ["prod"], budget_usd: 2, budget_window: "day", ...options })

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown> & { readonly error?: Record<string, unknown> }
}

const send = async (method: string, path: string, key: string, body?: unknown): Promise<Answer> => {
  const response = await fetch(`${first.url}${path}`, {
    method,
    headers: { "x-api-key": key, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer["body"],
  }
}

const issue = (key: string, body: object = {}) =>
  send("POST", "/v1/keys", key, { name: "agent-run", budget_usd: 0.5, ...body })

const asks = (key: string) => second.infer(key, { prompt: "Hi" }).then(({ status }) => status)

/** Milliseconds until a key that works is refused, asked all the time by what answers at once. */
const refusedAfterMs = async (key: string) => {
  const startedAt = performance.now()
  for (;;) {
    const askedAt = performance.now()
    const { status } = await fetch(`${second.url}/v1/models`, { headers: { "x-api-key": key } })
    if (status === 401) return askedAt - startedAt
    assert.strictEqual(status, 200)
  }
}

describe("a child key", () => {
  it("is shown once, with what holds for it, and works", async () => {
    const issuer = await createIssuer({ models: ["auto", "sim-swift/*"] })
    const before = Date.now()
    const { body, headers, status } = await issue(issuer.key, {
      expires_in_seconds: 900,
      rpm: 5,
      concurrency: 2,
      models: ["auto"],
      tags: ["run-42"],
    })
    assert.strictEqual(status, 200)
    assert.isNotNull(headers.get("x-ratelimit-remaining-requests"))
    assert.strictEqual(headers.get("cache-control"), "no-store")
    const { created_at, expires_at, id, key, ...rest } = body
    assert.match(String(key), new RegExp(`^gwk_${id}_`))
    assert.deepStrictEqual(rest, {
      name: "agent-run",
      parent_id: issuer.id,
      budget_usd: 0.5,
      rpm: 5,
      tpm: null,
      concurrency: 2,
      models: ["auto"],
      team: null,
      tags: ["prod", "run-42"],
    })
    assert.strictEqual(Date.parse(String(expires_at)) - Date.parse(String(created_at)), 900_000)
    assert.approximately(Date.parse(String(created_at)), before, 60_000)
    assert.strictEqual(await asks(String(key)), 200)

    const shown = (await (await first.admin(`/admin/keys/${id}`)).json()) as Record<string, unknown>
    assert.strictEqual(shown.parent_id, issuer.id)
    const audit = await first.admin(`/admin/audit?subject=${id}`)
    const [entry] = ((await audit.json()) as { data: ReadonlyArray<Record<string, unknown>> }).data
    assert.deepInclude(entry, {
      actor: `key:${issuer.id}`,
      via: "key",
      action: "key.create",
      request_id: headers.get("x-request-id"),
    })
    assert.notInclude(JSON.stringify(entry), String(key).slice(17))
  })

  it("lives an hour when it asks for nothing else", async () => {
    const { body } = await issue((await createIssuer()).key)
    assert.strictEqual(Date.parse(String(body.expires_at)) - Date.parse(String(body.created_at)), 3_600_000)
  })

  it("cannot issue others, and neither can a key that nobody allowed to", async () => {
    const { body } = await issue((await createIssuer()).key)
    for (const key of [String(body.key), (await first.createKey()).key]) {
      const refused = await issue(key)
      assert.strictEqual(refused.status, 403)
      assert.deepInclude(refused.body.error, { code: "key_may_not_issue", type: "permission_error" })
    }
    assert.strictEqual((await issue("gwk_nobody")).status, 401)
  })

  it("is refused with the name of the field by which it would go beyond its issuer", async () => {
    const issuer = await createIssuer({ rpm: 60, models: ["auto"] })
    for (const [body, param, rule] of [
      [{ budget_usd: 2.5 }, "budget_usd", "at most 2, the budget per day of the issuing key"],
      [{ rpm: 61 }, "rpm", "at most 60, the limit of the issuing key"],
      [{ models: ["auto", "sim-swift/swift-1"] }, "models[1]", "one of the models of the issuing key"],
      [{ models: ["no-such-model"] }, "models[0]", "No route"],
      [{ tags: Array.from({ length: 10 }, (_, i) => `t${i}`) }, "tags", "at most 10"],
      [{ tags: ["a,b"] }, "tags[0]", "no commas"],
      [{ budget_usd: -1 }, "budget_usd", "from 0 to"],
      [{ budget_usd: undefined }, "budget_usd", ""],
      [{ expires_in_seconds: 604_801 }, "expires_in_seconds", "604800"],
      [{ name: "a\nb" }, "name", "control"],
      [{ may_issue: true }, "may_issue", ""],
      [{ team: "another" }, "team", ""],
    ] as const) {
      const refused = await issue(issuer.key, body)
      assert.strictEqual(refused.status, 400, JSON.stringify(body))
      assert.deepInclude(refused.body.error, {
        code: "invalid_request",
        type: "invalid_request_error",
        param,
      })
      assert.include(String(refused.body.error?.message), rule)
    }
    const none = await run((sql) => sql`SELECT id FROM api_keys WHERE parent_id = ${issuer.id}`)
    assert.isEmpty(none)
  })

  it("counts against its issuer's requests per minute when it is asked for", async () => {
    const issuer = await createIssuer({ rpm: 2 })
    const statuses = []
    for (let i = 0; i < 3; i++) statuses.push((await issue(issuer.key)).status)
    assert.deepStrictEqual(statuses, [200, 200, 429])
  })

  it("ends with its issuer within a second, on every gateway", async () => {
    const issuer = await createIssuer({ rpm: 100_000 })
    const { body } = await issue(issuer.key)
    assert.strictEqual(await asks(String(body.key)), 200)
    const revoked = await first.admin(`/admin/keys/${issuer.id}/revoke`, { method: "POST" })
    assert.strictEqual(revoked.status, 200)
    assert.isAtMost(await refusedAfterMs(String(body.key)), scaled(1_000))
  })

  it("ends with its issuer also when that may not issue any more", async () => {
    const issuer = await createIssuer()
    const { body } = await issue(issuer.key)
    assert.strictEqual(await asks(String(body.key)), 200)
    await first.admin(`/admin/keys/${issuer.id}`, {
      method: "PATCH",
      body: JSON.stringify({ may_issue: false }),
    })
    await setTimeout(scaled(1_000))
    assert.strictEqual(await asks(String(body.key)), 200)
    await first.admin(`/admin/keys/${issuer.id}/revoke`, { method: "POST" })
    await setTimeout(scaled(1_000))
    assert.strictEqual(await asks(String(body.key)), 401)
  })

  it("is ended early by its issuer alone", async () => {
    const [issuer, other] = [await createIssuer(), await createIssuer()]
    const { body } = await issue(issuer.key)
    const path = `/v1/keys/${body.id}`
    for (const [key, target] of [
      [other.key, path],
      [String(body.key), path],
      [issuer.key, `/v1/keys/${issuer.id}`],
    ] as const) {
      const { body, status } = await send("DELETE", target, key)
      assert.strictEqual(status, 404, JSON.stringify(body))
      assert.strictEqual(body.error?.code, "key_not_found")
    }
    assert.strictEqual(await asks(String(body.key)), 200)
    const ended = await send("DELETE", path, issuer.key)
    assert.strictEqual(ended.status, 200)
    assert.deepStrictEqual((await send("DELETE", path, issuer.key)).body, ended.body)
    assert.isAtMost(await refusedAfterMs(String(body.key)), scaled(1_000))
    assert.strictEqual(await asks(issuer.key), 200)
  })

  it("spends within its own cap, and within what its issuer has left", async () => {
    const issuer = await createIssuer()
    const { body } = await issue(issuer.key, { budget_usd: 0.000001 })
    const refused = await second.infer(String(body.key), { prompt: "Hi" })
    assert.strictEqual(((await refused.json()) as { code: string }).code, "budget_exceeded")
    assert.strictEqual(refused.status, 429)
    assert.strictEqual(await asks(issuer.key), 200)

    const other = await issue(issuer.key, { budget_usd: 1 })
    assert.strictEqual(await asks(String(other.body.key)), 200)
    await run((sql) => sql`UPDATE budgets SET limit_nano_usd = 1 WHERE subject = ${issuer.id}`)
    await setTimeout(1_000)
    assert.strictEqual(await asks(String(other.body.key)), 429)
  })

  it("ends by itself", async () => {
    const { body } = await issue((await createIssuer()).key, { expires_in_seconds: 1 })
    assert.isAtMost(await refusedAfterMs(String(body.key)), scaled(2_000))
  })

  it("is refused while a thousand of its issuer's are alive, until when it says", async () => {
    const issuer = await createIssuer()
    await run(
      (sql) => sql`
        INSERT INTO api_keys (id, name, secret_hash, parent_id, expires_at)
        SELECT 'many' || lpad(n::text, 8, '0'), 'many', 'x', ${issuer.id}, now() + interval '5 minutes'
        FROM generate_series(1, 1000) AS n`,
    )
    const refused = await issue(issuer.key)
    assert.strictEqual(refused.status, 429)
    assert.strictEqual(refused.body.error?.code, "too_many_child_keys")
    assert.approximately(Number(refused.headers.get("retry-after")), 300, 60)
    await send("DELETE", "/v1/keys/many00000001", issuer.key)
    assert.strictEqual((await issue(issuer.key)).status, 200)
  })
})
