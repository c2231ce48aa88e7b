import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { afterAll, beforeAll, describe, it } from "vitest"
import { startCli } from "../cli/run-cli.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { eventually } from "../support/process-watch.ts"
import { scaled } from "../support/slowness.ts"

/** Teams, keys and budgets as operators have them: by commands and by HTTP, in processes of their own. */

type Body = Readonly<Record<string, unknown>>

const config = `
limits:
  time_zone: Europe/Berlin
`

describe.each(["PostgreSQL", "the embedded database"])("operators with %s", (kind) => {
  let gateway: GatewayProcess
  let folder: string
  let env: Readonly<Record<string, string>>

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "gateway-operators-"))
    const databaseUrl = kind === "PostgreSQL" ? await Effect.runPromise(migratedPostgresUrl) : undefined
    env = {
      ADMIN_JWT_SECRET,
      DATA_DIR: join(folder, "data"),
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: Redacted.value(databaseUrl) }),
    }
    gateway = await GatewayProcess.start({ config, env })
  })

  afterAll(async () => {
    await gateway?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const command = (...args: ReadonlyArray<string>) => startCli(args, env, folder).ended

  /** Runs a command that succeeds, and returns what it prints as JSON. */
  const commandJson = async (...args: ReadonlyArray<string>): Promise<Body> => {
    const { code, stdout, stderr } = await command(...args, "--json")
    assert.strictEqual(code, 0, stdout + stderr)
    return JSON.parse(stdout)
  }

  const send = async (method: string, path: string, body?: unknown) => {
    const response = await gateway.admin(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Body }
  }

  /** Sends a request that succeeds. */
  const sent = async (method: string, path: string, body?: unknown): Promise<Body> => {
    const answer = await send(method, path, body)
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    return answer.body
  }

  /** Milliseconds until the gateway answers a key so, from the last question that it answered otherwise. */
  const heardAfterMs = async (key: string, body: unknown, status: number) => {
    const startedAt = performance.now()
    while (performance.now() - startedAt < scaled(10_000)) {
      const askedAt = performance.now()
      const response = await gateway.infer(key, body)
      await response.arrayBuffer()
      if (response.status === status) return askedAt - startedAt
    }
    throw new Error(`the gateway never answered ${status}`)
  }

  it("see the same by commands and by HTTP", async () => {
    const team = await sent("POST", "/admin/teams", { name: "search", rpm: 6_000 })
    assert.deepInclude(team, { name: "search", rpm: 6_000, tpm: null, active_keys: 0, budgets: [] })
    assert.deepStrictEqual(await commandJson("teams", "show", "search"), team)
    assert.deepStrictEqual(
      await commandJson("teams", "set", "search", "--tpm", "5", "--clear", "rpm"),
      await sent("GET", "/admin/teams/search"),
    )
    assert.deepInclude(await sent("PATCH", "/admin/teams/search", { rpm: 7, tpm: null }), {
      rpm: 7,
      tpm: null,
    })

    const { key, ...created } = await commandJson(
      "keys",
      "create",
      "--name=agent",
      "--rpm=600",
      "--tpm=100000",
      "--concurrency=8",
      "--team=search",
      "--tags=prod, eu",
      "--models=auto",
      "--budget-usd=50",
      "--budget-window=week",
      "--may-issue",
      "--expires=30d",
    )
    assert.deepInclude(created, {
      rpm: 600,
      tpm: 100_000,
      concurrency: 8,
      team: "search",
      models: ["auto"],
      may_issue: true,
    })
    assert.deepStrictEqual(created.tags, ["prod", "eu"])
    assert.containsSubset(created.budgets, [
      { scope: "key", window: "week", limit_usd: 50, spent_usd: 0, time_zone: "UTC" },
    ])
    const unused = { last_used_at: null }
    assert.deepStrictEqual(await sent("GET", `/admin/keys/${created.id}`), { ...created, ...unused })
    const cleared = await commandJson(
      "keys",
      "set",
      String(created.id),
      "--name=bare",
      "--no-may-issue",
      "--clear=rpm,tpm,concurrency,team,tags,models,expires,budget-usd",
    )
    assert.deepStrictEqual({ ...cleared, ...unused }, await sent("GET", `/admin/keys/${created.id}`))
    const { id, created_at, ...rest } = cleared
    const { id: _, created_at: __, key: ___, ...bare } = await sent("POST", "/admin/keys", { name: "bare" })
    assert.deepStrictEqual(rest, bare)
    assert.match(String(key), new RegExp(`^gwk_${id}`))

    const budget = await sent("PUT", "/admin/budgets", {
      scope: "team",
      subject: "search",
      window: "month",
      limit_usd: 0.000000001,
      alert_percents: [80, 50],
    })
    assert.deepInclude(budget, { limit_usd: 1e-9, time_zone: "Europe/Berlin", remaining_usd: 1e-9 })
    assert.deepStrictEqual(budget.alert_percents, [50, 80])
    assert.deepStrictEqual(await commandJson("budgets", "show", String(budget.id)), budget)
    assert.deepStrictEqual((await sent("GET", "/admin/teams/search")).budgets, [budget])
    const filter = "?scope=team&subject=search"
    assert.deepStrictEqual((await sent("GET", `/admin/budgets${filter}`)).data, [budget])
    assert.deepStrictEqual(await commandJson("budgets", "reset", String(budget.id)), budget)
    assert.deepStrictEqual(await sent("DELETE", `/admin/budgets/${budget.id}`), budget)
    assert.isEmpty((await commandJson("budgets", "list", "--scope", "team")).data)
  })

  it("are heard by the gateway within a second", async () => {
    const { id, key } = await gateway.createKey()
    const ask = { model: "sim-swift/swift-1", prompt: "x" }
    assert.isBelow(await heardAfterMs(key, ask, 200), scaled(1_000))
    await commandJson("keys", "set", id, "--models", "sim-thrift/*")
    assert.isBelow(await heardAfterMs(key, ask, 403), scaled(1_000))
    await sent("PATCH", `/admin/keys/${id}`, { models: null })
    assert.isBelow(await heardAfterMs(key, ask, 200), scaled(1_000))
    await sent("PATCH", `/admin/keys/${id}`, { rpm: 1 })
    assert.isBelow(await heardAfterMs(key, ask, 429), scaled(1_000))
  })

  it("see what a key spends, and make it begin anew", async () => {
    const { id, key } = await gateway.createKey({ budget_usd: 1 })
    const budget = async () => {
      const { data } = await sent("GET", `/admin/budgets?scope=key&subject=${id}`)
      const [only] = data as ReadonlyArray<Body & { readonly id: number; readonly spent_usd: number }>
      return only ?? assert.fail("no budget")
    }
    const answer = await gateway.infer(key, { model: "sim-swift/swift-1", prompt: "x" })
    const { cost } = (await answer.json()) as { readonly cost: number }
    await eventually(async () => (await budget()).spent_usd > 0, 10_000)
    const { id: budgetId, spent_usd, reserved_usd, remaining_usd } = await budget()
    assert.strictEqual(spent_usd, cost)
    assert.approximately(spent_usd + Number(reserved_usd) + Number(remaining_usd), 1, 1e-9)
    const reset = await commandJson("budgets", "reset", String(budgetId))
    assert.deepInclude(reset, { spent_usd: 0 })
    const { budgets } = await sent("GET", `/admin/keys/${id}`)
    assert.containsSubset(budgets, [{ id: budgetId, spent_usd: 0, window: "month" }])
  })

  it("hear what belongs to a team that is to go", async () => {
    await sent("POST", "/admin/teams", { name: "leaving" })
    const { id } = await gateway.createKey({ team: "leaving" })
    const budget = await sent("PUT", "/admin/budgets", {
      scope: "team",
      subject: "leaving",
      window: "day",
      limit_usd: 1,
    })
    const refused = await send("DELETE", "/admin/teams/leaving")
    assert.deepInclude(refused.body, { status: 409, code: "team_in_use" })
    assert.include(String(refused.body.detail), id)
    assert.include(String(refused.body.detail), `Budgets belong to the team: ${budget.id}`)
    const { code, stderr } = await command("teams", "delete", "leaving")
    assert.strictEqual(code, 1)
    assert.include(stderr, id)
    await sent("DELETE", `/admin/budgets/${budget.id}`)
    await sent("POST", `/admin/keys/${id}/revoke`)
    assert.deepInclude((await send("PATCH", `/admin/keys/${id}`, { rpm: 1 })).body, { code: "key_revoked" })
    assert.deepInclude(await commandJson("teams", "delete", "leaving"), { name: "leaving" })
    assert.isNull((await sent("GET", `/admin/keys/${id}`)).team)
    assert.deepInclude((await send("GET", "/admin/teams/leaving")).body, { code: "team_not_found" })
  })

  it.each([
    ["POST", "/admin/teams", { name: "a/b" }, "name"],
    ["POST", "/admin/teams", { name: "a", rpm: 0 }, "rpm"],
    ["POST", "/admin/teams", { name: "a", tags: [] }, "tags"],
    ["PATCH", "/admin/teams/search", { tpm: -1 }, "tpm"],
    ["PATCH", "/admin/teams/search", { name: "b" }, "name"],
    ["PUT", "/admin/budgets", { scope: "planet", window: "day", limit_usd: 1 }, "scope"],
    ["PUT", "/admin/budgets", { scope: "gateway", window: "year", limit_usd: 1 }, "window"],
    ["PUT", "/admin/budgets", { scope: "gateway", window: "day" }, "limit_usd"],
    ["PUT", "/admin/budgets", { scope: "gateway", window: "day", limit_usd: -1 }, "limit_usd"],
    ["PUT", "/admin/budgets", { scope: "gateway", window: "day", limit_usd: 9_000_001 }, "limit_usd"],
    ["PUT", "/admin/budgets", { scope: "gateway", window: "day", limit_usd: 1, subject: "x" }, "subject"],
    ["PUT", "/admin/budgets", { scope: "team", window: "day", limit_usd: 1, subject: "serach" }, "subject"],
    ["PUT", "/admin/budgets", { scope: "key", window: "day", limit_usd: 1, subject: "x" }, "subject"],
    ["PUT", "/admin/budgets", { scope: "tag", window: "day", limit_usd: 1, subject: "a,b" }, "subject"],
    [
      "PUT",
      "/admin/budgets",
      { scope: "gateway", window: "day", limit_usd: 1, alert_percents: [101] },
      "alert_percents[0]",
    ],
    [
      "PUT",
      "/admin/budgets",
      { scope: "gateway", window: "day", limit_usd: 1, time_zone: "Berlin" },
      "time_zone",
    ],
    ["GET", "/admin/budgets?scope=planet", undefined, "scope"],
    ["GET", "/admin/budgets?windw=day", undefined, "windw"],
  ])("hear what is wrong with %s %s %j", async (method, path, body, param) => {
    const answer = await send(method, path, body)
    assert.deepInclude(answer.body, { status: 400, code: "invalid_request", param })
    assert.match(String(answer.body.detail), new RegExp(`^${param.replace(/[[\]]/g, "\\$&")}: `))
  })

  it("alone come to these routes", async () => {
    for (const [method, path] of [
      ["GET", "/admin/teams"],
      ["POST", "/admin/teams"],
      ["GET", "/admin/teams/search"],
      ["PATCH", "/admin/teams/search"],
      ["DELETE", "/admin/teams/search"],
      ["PATCH", "/admin/keys/AdaAdaAdaAda"],
      ["GET", "/admin/budgets"],
      ["PUT", "/admin/budgets"],
      ["GET", "/admin/budgets/1"],
      ["DELETE", "/admin/budgets/1"],
      ["POST", "/admin/budgets/1/reset"],
    ] as const) {
      const response = await fetch(`${gateway.url}${path}`, { method })
      assert.strictEqual(response.status, 401, `${method} ${path}`)
      await response.arrayBuffer()
    }
    const { status, body } = await send("POST", "/admin/teams/search")
    assert.strictEqual(status, 405)
    assert.include(String(body.detail), "GET, PATCH, DELETE")
  })
})
