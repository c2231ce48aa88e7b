import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Context, Effect, type Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { afterAll, beforeAll, describe, it } from "vitest"
import { AdminAuth, ReadsOnly } from "../../src/api/AdminAuth.ts"
import { AdminApi } from "../../src/api/GatewayApi.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET, GatewayClient, issueAdminToken } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** What a viewer may do, and what is written of what an admin does, on every route there is. */

let databaseUrl: Redacted.Redacted
let gateway: GatewayInProcess
let viewer: GatewayClient
let admin: GatewayClient

beforeAll(async () => {
  databaseUrl = await Effect.runPromise(migratedPostgresUrl)
  gateway = await GatewayInProcess.start({ databaseUrl })
  const client = async (name: string, role: "admin" | "viewer") =>
    new GatewayClient(gateway.url, await issueAdminToken(ADMIN_JWT_SECRET, { name, role }))
  viewer = await client("grafana", "viewer")
  admin = await client("Ada", "admin")
})
afterAll(() => gateway?.stop())

const routes = Object.values(AdminApi.groups).flatMap((group) =>
  Object.values(group.endpoints)
    .filter(({ path }) => /^\/(?:admin|analytics)\//.test(path))
    .map(({ annotations, method, middlewares, path }) => ({
      ...{ method, middlewares, path },
      readsOnly: method === "GET" || Context.get(annotations, ReadsOnly),
    })),
)
const changes = routes.filter(({ readsOnly }) => !readsOnly)

interface Example {
  readonly body?: object
  readonly action: string
  /** Makes what is changed, and returns its id. */
  readonly subject?: () => Promise<string>
}

/** A change of each route, and what the audit calls it. A new route that changes something is a new line here. */
const examples: Readonly<Record<string, Example>> = {
  "POST /admin/keys": { body: { name: "new" }, action: "key.create" },
  "PATCH /admin/keys/:id": { body: { rpm: 5 }, action: "key.set", subject: () => newKey() },
  "POST /admin/keys/:id/rotate": {
    body: { grace_seconds: 60 },
    action: "key.rotate",
    subject: () => newKey(),
  },
  "POST /admin/keys/:id/revoke": { action: "key.revoke", subject: () => newKey() },
  "POST /admin/teams": { body: { name: "search" }, action: "team.create" },
  "PATCH /admin/teams/:name": { body: { rpm: 5 }, action: "team.set", subject: async () => "search" },
  "DELETE /admin/teams/:name": { action: "team.delete", subject: async () => "search" },
  "PUT /admin/budgets": {
    body: { scope: "tag", subject: "prod", window: "day", limit_usd: 5 },
    action: "budget.set",
  },
  "POST /admin/budgets/:id/reset": { action: "budget.reset", subject: () => newBudget() },
  "DELETE /admin/budgets/:id": { action: "budget.delete", subject: () => newBudget() },
  "POST /admin/config/reload": { action: "config.reload" },
  "POST /admin/providers/:name/reset": { action: "provider.reset", subject: async () => "sim-swift" },
}

const newKey = async () => (await admin.createKey({ name: "subject" })).id

const newBudget = async () => {
  const body = { scope: "user", subject: "ada", window: "day", limit_usd: 5 }
  const response = await call(admin, "PUT", "/admin/budgets", body)
  return String(((await response.json()) as { id: number }).id)
}

const call = (of: GatewayClient, method: string, path: string, body?: object) =>
  of.admin(path, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })

const codeOf = async (response: Response) => ((await response.json()) as { code?: string }).code

const entries = async (query: string) => {
  const response = await viewer.admin(`/admin/audit?${query}`)
  assert.strictEqual(response.status, 200)
  return ((await response.json()) as { data: ReadonlyArray<Record<string, unknown>> }).data
}

describe("a viewer", () => {
  it("finds every route behind an admin token", () => {
    assert.isAbove(routes.length, 10)
    for (const { method, middlewares, path } of routes)
      assert.isTrue(middlewares.has(AdminAuth as never), `${method} ${path}`)
  })

  it.each(changes)("is refused by $method $path, before its body is looked at", async ({ method, path }) => {
    const target = path.replace(/:\w+/g, "nobody")
    for (const body of [undefined, {}, { unknown: true }]) {
      const response = await call(viewer, method, target, body)
      assert.strictEqual(response.status, 403)
      assert.strictEqual(response.headers.get("x-should-retry"), "false")
      assert.strictEqual(await codeOf(response), "admin_role_required")
    }
  })

  it("may read every other route, also by HEAD", async () => {
    for (const { path } of routes.filter(({ method }) => method === "GET")) {
      for (const method of ["GET", "HEAD"]) {
        const { status } = await viewer.admin(path.replace(/:\w+/g, "nobody"), { method })
        // One asks for parameters.
        assert.include([200, 400, 404], status, `${method} ${path}`)
      }
    }
  })

  it("may ask what routing would do, which asks nobody and leaves nothing behind", async () => {
    const response = await call(viewer, "POST", "/admin/routes/dry-run", { prompt: "Say hello" })
    assert.strictEqual(response.status, 200)
    const { decision, ...rest } = (await response.json()) as {
      decision: { candidates: ReadonlyArray<object>; attempts: ReadonlyArray<object> }
    }
    assert.isNotEmpty(decision.candidates)
    assert.deepStrictEqual(decision.attempts, [])
    assert.deepInclude(rest, { dry_run: true })
    assert.deepStrictEqual(
      routes.filter(({ method, readsOnly }) => readsOnly && method !== "GET").map(({ path }) => path),
      ["/admin/routes/dry-run"],
    )
  })

  it("has changed nothing", async () => {
    assert.isEmpty(await entries("limit=1000"))
  })
})

describe("an admin", () => {
  it("is known to the audit by every route that changes something", async () => {
    assert.sameMembers(
      Object.keys(examples),
      changes.map(({ method, path }) => `${method} ${path}`),
    )
    for (const [route, { action, body, subject }] of Object.entries(examples)) {
      const [method = "", path = ""] = route.split(" ")
      const target = path.replace(/:\w+/, (await subject?.()) ?? "")
      const response = await call(admin, method, target, body)
      assert.strictEqual(response.status, 200, `${route} ${await response.clone().text()}`)
      const [entry] = await entries("limit=1")
      assert.deepInclude(entry, {
        actor: "Ada",
        via: "api",
        action,
        request_id: response.headers.get("x-request-id"),
      })
      assert.isNotNull(entry?.after ?? entry?.before)
    }
  })

  it("leaves before and after, and none of the secrets that a key has or had", async () => {
    const { id, key } = await admin.createKey({ name: "kept", rpm: 7, models: ["auto"] })
    const rotated = await call(admin, "POST", `/admin/keys/${id}/rotate`, { grace_seconds: 60 })
    const { key: secondKey } = (await rotated.json()) as { key: string }
    await call(admin, "POST", `/admin/keys/${id}/revoke`)
    // Final: it changes nothing any more.
    await call(admin, "POST", `/admin/keys/${id}/revoke`)
    const written = await entries(`subject=${id}`)
    assert.deepStrictEqual(
      written.map(({ action }) => action),
      ["key.revoke", "key.rotate", "key.create"],
    )
    const [revoke, rotate, create] = written as ReadonlyArray<Record<string, Record<string, unknown>>>
    assert.isNull(create?.before)
    assert.deepInclude(create?.after, { name: "kept", requests_per_minute: 7, models: ["auto"] })
    assert.deepInclude(rotate?.after, { new_secret: true })
    assert.isNull(revoke?.before?.revoked_at)
    assert.isString(revoke?.after?.revoked_at)

    const { all, hashes } = await SqlClient.SqlClient.use((sql) =>
      Effect.all({
        all: sql<{ row: string }>`SELECT audit_log::text AS row FROM audit_log`,
        hashes: sql<{ hash: string }>`
          SELECT unnest(ARRAY[secret_hash, previous_secret_hash]) AS hash FROM api_keys WHERE id = ${id}`,
      }),
    ).pipe(Effect.provide(PgClient.layer({ url: databaseUrl })), Effect.runPromise)
    assert.lengthOf(hashes, 2)
    const text = JSON.stringify(all)
    const secretOf = (whole: string) => whole.slice(17, 60)
    for (const secret of [
      secretOf(key),
      secretOf(secondKey),
      ...hashes.map(({ hash }) => hash),
      admin.adminToken,
    ])
      assert.notInclude(text, secret)
    assert.include(text, id)
  })

  it("is told what is wrong with a question to the audit", async () => {
    for (const [query, param] of [
      ["cursor=x", "cursor"],
      ["from=2026-01-02&to=2026-01-01", "from"],
      ["since=7d", "since"],
      ["limit=0", "limit"],
    ]) {
      const response = await admin.admin(`/admin/audit?${query}`)
      assert.strictEqual(response.status, 400)
      assert.strictEqual(((await response.json()) as { param?: string }).param, param)
    }
  })

  it("pages through the audit", async () => {
    const all = await entries("limit=1000")
    const seen: Array<unknown> = []
    let cursor: string | null = ""
    while (cursor !== null) {
      const response: Response = await viewer.admin(`/admin/audit?limit=3${cursor && `&cursor=${cursor}`}`)
      const page = (await response.json()) as { data: Array<unknown>; next_cursor: string | null }
      seen.push(...page.data)
      cursor = page.next_cursor
    }
    assert.deepStrictEqual(seen, [...all])
    assert.isAbove(all.length, 6)
  })
})
