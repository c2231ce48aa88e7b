import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { AdminAuth } from "../../src/api/AdminAuth.ts"
import { AdminApi } from "../../src/api/GatewayApi.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET, GatewayClient, issueAdminToken } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"

/** What a viewer may do on every route there is. */

let gateway: GatewayInProcess
let viewer: GatewayClient

beforeAll(async () => {
  gateway = await GatewayInProcess.start({ databaseUrl: await Effect.runPromise(migratedPostgresUrl) })
  const client = async (name: string, role: "admin" | "viewer") =>
    new GatewayClient(gateway.url, await issueAdminToken(ADMIN_JWT_SECRET, { name, role }))
  viewer = await client("grafana", "viewer")
})
afterAll(() => gateway?.stop())

const routes = Object.values(AdminApi.groups).flatMap((group) =>
  Object.values(group.endpoints)
    .filter(({ path }) => /^\/(?:admin|analytics)\//.test(path))
    .map(({ method, middlewares, path }) => ({ method, middlewares, path })),
)
const changes = routes.filter(({ method }) => method !== "GET")

const call = (of: GatewayClient, method: string, path: string, body?: object) =>
  of.admin(path, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })

const codeOf = async (response: Response) => ((await response.json()) as { code?: string }).code

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
        assert.include([200, 404], status, `${method} ${path}`)
      }
    }
  })
})
