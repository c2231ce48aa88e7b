import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { SocketClient } from "../support/SocketClient.ts"

/** Whom requests are for, from the wire of each route to the ledger and its sums. */

let upstream: FakeUpstream
let gateway: GatewayInProcess
let key: { readonly id: string; readonly key: string }
let recorded = 0

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  const databaseUrl = await Effect.runPromise(migratedPostgresUrl)
  gateway = await GatewayInProcess.start({
    databaseUrl,
    config: `providers:
  - name: p0
    kind: openai-compatible
    base_url: ${upstream.openAiBaseUrl}
    models:
      - { name: m, price: { input_usd_per_1m: 1, output_usd_per_1m: 1, source: test, as_of: 2026-11-01 } }
      - { name: e, kind: embedding }
attribution: { headers: { X-Cost-Center: tag, x-forwarded-user: user } }
`,
  })
  key = await gateway.createKey()
  await SqlClient.SqlClient.use((sql) =>
    Effect.andThen(
      sql`INSERT INTO teams (name) VALUES ('search')`,
      sql`UPDATE api_keys SET team = 'search', tags = '{eu,prod}' WHERE id = ${key.id}`,
    ),
  ).pipe(Effect.provide(PgClient.layer({ url: databaseUrl, maxConnections: 1 })), Effect.runPromise)
})

afterAll(async () => {
  await gateway?.stop()
  await upstream?.stop()
})

beforeEach(() => upstream.reset())

const post = (path: string, body: object, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "x-api-key": key.key, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  })

/** The newest row of the ledger, once a request more is in it. */
const newest = async () => {
  recorded += 1
  const [row] = await gateway.ledger(recorded)
  return row as { readonly team: unknown; readonly user: unknown; readonly tags: unknown }
}

const messages = [{ role: "user", content: "Hi" }]

describe("a span of all time", () => {
  it.each(["timeseries?bucket=hour&", "timeseries?bucket=day&", "overview?", "usage?group_by=team&"])(
    "is answered at once by %s, however many hours it has",
    async (listing) => {
      const path = `/analytics/${listing}from=1970-01-01T00:00:00Z&to=9999-12-31T00:00:00Z&team=search`
      const response = await gateway.admin(path, { signal: AbortSignal.timeout(20_000) })
      assert.strictEqual(response.status, 200, await response.text())
    },
  )
})

describe("a request", () => {
  it("says in the ledger whom it is for, on every route, streamed or not", async () => {
    const device = "d".repeat(64)
    for (const [path, body, user] of [
      ["/infer", { prompt: "Hi", model: "p0/m" }, null],
      ["/v1/chat/completions", { model: "m", messages, user: "ada" }, "ada"],
      ["/v1/chat/completions", { model: "m", messages, safety_identifier: "bob", stream: true }, "bob"],
      ["/v1/embeddings", { model: "e", input: "Hi", user: "ada" }, "ada"],
      ["/v1/responses", { model: "m", input: "Hi", safety_identifier: "ada" }, "ada"],
      ["/v1/responses", { model: "m", input: "Hi", user: "bob", stream: true }, "bob"],
      [
        "/v1/messages",
        {
          ...{ model: "m", messages, max_tokens: 9 },
          metadata: { user_id: `user_${device}_account__session_0dc4a4c7-6d0e-4f3b-9d1f-0a4c6f1e2b3a` },
        },
        `user_${device}`,
      ],
    ] as const) {
      const said = await post(path, body)
      assert.strictEqual(said.status, 200, `${path} ${await said.text()}`)
      assert.deepInclude(await newest(), { team: "search", user, tags: ["eu", "prod"] }, path)
      const headers = { "x-gateway-user": "eve", "x-gateway-tags": "batch,prod", "x-cost-center": "4711" }
      const told = await post(path, body, headers)
      assert.strictEqual(told.status, 200, `${path} ${await told.text()}`)
      assert.deepInclude(await newest(), { user: "eve", tags: ["eu", "prod", "batch", "4711"] }, path)
    }
    for (const { body, headers } of upstream.calls) {
      assert.notMatch(`${JSON.stringify(headers)} ${body}`, /x-gateway-|x-cost-center|"eve"|"4711"/i)
    }
    assert.isTrue(upstream.calls.some(({ body }) => body.includes('"user":"ada"')))
  })

  it("keeps its user under an Idempotency-Key, and is recorded once", async () => {
    const headers = { "idempotency-key": "one", "x-forwarded-user": "proxied" }
    for (let i = 0; i < 2; i++) await (await post("/infer", { prompt: "Hi", model: "p0/m" }, headers)).text()
    assert.deepInclude(await newest(), { user: "proxied", tags: ["eu", "prod"] })
  })

  it("of a WebSocket has the tags of the handshake, and each its own user", async () => {
    const client = await SocketClient.open(`${gateway.url}/v1`, key.key, { "x-gateway-tags": "socket" })
    for (const user of ["ada", "bob"]) {
      client.send({ type: "response.create", model: "m", input: "Hi", user })
      assert.strictEqual((await client.answer()).at(-1)?.type, "response.completed")
      assert.deepInclude(await newest(), { user, tags: ["eu", "prod", "socket"] })
    }
    await client.close()
  })

  it("is refused before it is read where its own fields say it wrong, and not where others' do", async () => {
    const refused = await post("/v1/chat/completions", { model: "m", messages }, { "x-gateway-tags": "ä" })
    assert.strictEqual(refused.status, 400)
    assert.deepInclude(((await refused.json()) as { error: object }).error, {
      param: "x-gateway-tags",
      code: "invalid_request",
    })
    assert.deepInclude(await newest(), { user: null, tags: ["eu", "prod"] })
    const long = { "x-forwarded-user": "u".repeat(300), "x-cost-center": "t".repeat(65) }
    assert.strictEqual((await post("/infer", { prompt: "Hi", model: "p0/m" }, long)).status, 200)
    const { tags, user } = await newest()
    assert.deepStrictEqual(tags, ["eu", "prod"])
    assert.match(String(user), /^u{95}~[0-9a-f]{32}$/)
  })
})

describe("usage", () => {
  const usage = async (query: string) => {
    const response = await gateway.admin(`/analytics/${query}`)
    const { data } = (await response.json()) as { data: ReadonlyArray<Record<string, unknown>> }
    return data
  }

  it("is grouped by what requests belong to, each with the same fields", async () => {
    const [team] = await usage("usage?group_by=team")
    assert.deepInclude(team, { team: "search", requests: recorded })
    const tags = await usage("usage?group_by=tag")
    assert.deepStrictEqual(
      tags.map(({ tag, requests }) => [tag, requests]),
      [
        ["4711", 7],
        ["batch", 7],
        ["eu", recorded],
        ["prod", recorded],
        ["socket", 2],
      ],
    )
    const users = await usage("usage?group_by=user")
    assert.deepInclude(
      users.find(({ user }) => user === "eve"),
      { requests: 7, p95_latency_ms: null },
    )
    const [byKey] = await usage("usage?group_by=key&team=search")
    assert.deepInclude(byKey, { key_id: key.id, key_name: "test", requests: recorded })
    assert.sameMembers(Object.keys(team ?? {}).slice(1), Object.keys(byKey ?? {}).slice(2))
    const [hour] = await usage("timeseries?tag=socket&bucket=day")
    assert.deepInclude(hour, { requests: 2 })
    assert.lengthOf(await usage("requests?user=bob"), 3)
    assert.lengthOf(await usage("requests?tag=socket&user=ada"), 1)
  })
})
