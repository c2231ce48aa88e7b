import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { Replica } from "../support/Replica.ts"

/** Budgets as clients meet them, through one gateway and PostgreSQL. */

/** Of every token. */
const USD_PER_1M = 10

let upstream: FakeUpstream
let gateway: Replica
let databaseUrl: Redacted.Redacted

const config = ({ openAiBaseUrl }: FakeUpstream) => `
providers:
  - name: fake
    kind: openai-compatible
    base_url: ${openAiBaseUrl}
    models:
      - { name: m, context_window: 30000, price: { input_usd_per_1m: ${USD_PER_1M}, audio_input_usd_per_1m: ${USD_PER_1M}, output_usd_per_1m: ${USD_PER_1M}, source: test, as_of: 2026-11-01 } }
      - { name: dear, price: { input_usd_per_1m: 100, output_usd_per_1m: 100, source: test, as_of: 2026-11-01 } }
      - name: hears
        context_window: 30000
        price: { input_usd_per_1m: 1, audio_input_usd_per_1m: ${USD_PER_1M}, output_usd_per_1m: 1, source: test, as_of: 2026-11-01 }
      - { name: unpriced }
routes:
  either: { candidates: [fake/dear, fake/m], strategy: priority }
`

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  databaseUrl = await Effect.runPromise(migratedPostgresUrl)
  gateway = await Replica.start({
    databaseUrl: Redacted.value(databaseUrl),
    config: config(upstream),
  })
  await gateway.ready()
})

afterAll(async () => {
  await gateway?.remove()
  await upstream?.stop()
})

const onDatabase = <A>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, SqlError.SqlError>) =>
  SqlClient.SqlClient.use(use).pipe(
    Effect.provide(PgClient.layer({ url: databaseUrl, maxConnections: 1 })),
    Effect.scoped,
    Effect.runPromise,
  )

const setBudget = (scope: string, subject: string, usd: number, period = "total") =>
  onDatabase(
    (sql) => sql`
      INSERT INTO budgets (scope, subject, period, limit_nano_usd) VALUES (${scope}, ${subject}, ${period}, ${usd * 1e9})
      ON CONFLICT (scope, subject, period) DO UPDATE SET limit_nano_usd = excluded.limit_nano_usd`,
  )

const post = (path: string, key: string, body: object, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  })

const chat = (key: string, body: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
  post(
    "/v1/chat/completions",
    key,
    { model: "fake/m", messages: [{ role: "user", content: "Hi" }], max_tokens: 100, ...body },
    headers,
  )

/** Waits until budgets that were set are known everywhere. */
const aSecond = () => new Promise((resolve) => setTimeout(resolve, 1_000))

const spentOf = async (scope: string, subject: string): Promise<number> => {
  const rows = await onDatabase(
    (sql) => sql<{ usd: number }>`
      SELECT coalesce(sum(spent_nano_usd), 0)::float8 / 1e9 AS usd FROM budget_windows
      JOIN budgets ON budgets.id = budget_id WHERE scope = ${scope} AND subject = ${subject}`,
  )
  return rows[0]?.usd ?? 0
}

describe("a budget of a key", () => {
  it("is spent, then refuses before any provider is called, and says all that there is to say", async () => {
    const { id, key } = await gateway.createKey()
    await setBudget("key", id, 0.01)
    await aSecond()
    upstream.respond(ok({ usage: { input: 100, output: 100 } }))
    const before = upstream.calls.length
    let answered = 0
    let refused: Response | undefined
    for (let n = 0; n < 10 && refused === undefined; n++) {
      const response = await chat(key)
      if (response.status === 200) {
        answered += 1
        assert.isNumber(Number(response.headers.get("x-gateway-budget-remaining")))
        await response.text()
      } else refused = response
    }
    assert(refused !== undefined)
    assert.strictEqual(upstream.calls.length - before, answered)
    assert.isAtMost(answered * 0.002, 0.01)
    assert.isAtLeast(answered, 2)
    assert.strictEqual(refused.status, 429)
    assert.strictEqual(refused.headers.get("x-should-retry"), "false")
    assert.isNull(refused.headers.get("retry-after"))
    const { error } = (await refused.json()) as { error: Record<string, unknown> }
    assert.deepInclude(error, { type: "insufficient_quota", code: "budget_exceeded" })
    assert.match(
      String(error.message),
      /^The API key's budget of \$0\.01 in total has \$0\.\d+ left, and this request may cost \$0\.\d+: about \d+ tokens of input and up to 100 of output\./,
    )
    const anthropic = await fetch(`${gateway.url}/v1/messages`, {
      method: "POST",
      headers: { "x-api-key": key, "anthropic-version": "2023-06-01", "content-type": "application/json" },
      body: JSON.stringify({
        model: "fake/m",
        max_tokens: 1_000,
        messages: [{ role: "user", content: "Hi" }],
      }),
    })
    assert.strictEqual(anthropic.status, 429)
    assert.deepInclude((await anthropic.json()) as object, { type: "error" })
  })

  it("is there for a request that another limit kept waiting before it came to the budget", async () => {
    const other = await gateway.createKey()
    const { id, key } = await gateway.createKey("waits", { tpm: 1_000_000 })
    await setBudget("key", other.id, 1)
    await setBudget("key", id, 1)
    await aSecond()
    // What this one holds is looked at in rounds from now on.
    assert.strictEqual((await chat(other.key)).status, 200)
    const name = `tokens:key:${id}`
    await onDatabase(
      (sql) => sql`
        INSERT INTO limit_buckets VALUES (${name}, 0, 1000000, limits_clock_ms(), 0, limits_clock_ms())`,
    )
    const asked = await onDatabase((sql) =>
      sql`SELECT FROM limit_buckets WHERE name = ${name} FOR UPDATE`.pipe(
        Effect.andThen(
          Effect.promise(async () => {
            const answer = chat(key)
            await new Promise((resolve) => setTimeout(resolve, 200))
            return { answer }
          }),
        ),
        sql.withTransaction,
      ),
    )
    const answer = await asked.answer
    assert.strictEqual(answer.status, 200, await answer.text())
  })

  it("tells when the next window begins", async () => {
    const { id, key } = await gateway.createKey()
    await setBudget("key", id, 0.0001, "hour")
    await aSecond()
    const refused = await chat(key)
    assert.strictEqual(refused.status, 429)
    const retryAfter = Number(refused.headers.get("retry-after"))
    assert.isTrue(retryAfter >= 1 && retryAfter <= 3600, String(retryAfter))
    assert.match(await refused.text(), /It resets at \d{4}-\d\d-\d\dT\d\d:00:00Z\./)
  })

  it("is another one within a second of being set", async () => {
    const { id, key } = await gateway.createKey()
    await setBudget("key", id, 0)
    await aSecond()
    assert.strictEqual((await chat(key)).status, 429)
    await setBudget("key", id, 1)
    await aSecond()
    assert.strictEqual((await chat(key)).status, 200)
    await setBudget("key", id, 0.001)
    await aSecond()
    assert.strictEqual((await chat(key)).status, 429)
  })

  it("bounds answers whose length nobody stated, and no others", async () => {
    const { id, key } = await gateway.createKey()
    const free = await gateway.createKey()
    await setBudget("key", id, 1)
    await aSecond()
    const sent = async (key: string, body: Record<string, unknown>) => {
      await (await chat(key, body)).text()
      return (upstream.calls.at(-1)?.json as { max_tokens?: number } | undefined)?.max_tokens
    }
    assert.strictEqual(await sent(key, { max_tokens: undefined }), 8_192)
    assert.strictEqual(await sent(key, { max_tokens: 7 }), 7)
    assert.isUndefined(await sent(free.key, { max_tokens: undefined }))
  })

  it("goes to a cheaper candidate where the first would cost too much", async () => {
    const { id, key } = await gateway.createKey()
    await setBudget("key", id, 0.02)
    await aSecond()
    const response = await chat(key, { model: "either" })
    assert.strictEqual(response.status, 200)
    assert.strictEqual(response.headers.get("x-gateway-model"), "m")
    assert.strictEqual(response.headers.get("x-gateway-attempts"), "1")
  })

  it("is for models with a price of what is asked for", async () => {
    const { id, key } = await gateway.createKey()
    await setBudget("key", id, 1)
    await aSecond()
    for (const service_tier of ["flex", ""]) {
      assert.strictEqual((await chat(key, { service_tier })).status, 200)
    }
    for (const field of ["service_tier", "speed"]) {
      const refused = await chat(key, { [field]: "fast" })
      assert.strictEqual(refused.status, 400)
      const { error } = (await refused.json()) as { error: Record<string, unknown> }
      assert.strictEqual(error.param, field)
      assert.match(String(error.message), /no price here, and a budget bounds/)
    }
    const refused = await chat(key, { model: "fake/unpriced" })
    assert.strictEqual(refused.status, 400)
    assert.match(await refused.text(), /no price here, and a budget bounds/)
  })

  it("is charged for answers that were of no use and paid for, and for none that failed", async () => {
    const { id, key } = await gateway.createKey()
    await setBudget("key", id, 10)
    await aSecond()
    upstream.respond(status(500, {}))
    await (await chat(key)).text()
    upstream.respond(status(200, { choices: [], usage: { prompt_tokens: 700, completion_tokens: 300 } }))
    const useless = await chat(key)
    assert.notStrictEqual(useless.status, 200)
    upstream.respond(ok({ usage: { input: 100, output: 100 } }))
    await new Promise((resolve) => setTimeout(resolve, 700))
    const attempts = Number(useless.headers.get("x-gateway-attempts"))
    assert.closeTo(await spentOf("key", id), attempts * 0.01, 1e-9)
  })
})

/** A file in which its vendor finds ten thousand tokens. */
const FILE = Buffer.alloc(40_000, 7).toString("base64")

const user = (...content: ReadonlyArray<object>) => ({ role: "user", content })

/** All of them audio, which costs the same as text at `m`. */
const tenThousandTokens = {
  ...{ id: "c", object: "chat.completion", created: 1, model: "m" },
  choices: [{ index: 0, message: { role: "assistant", content: "Read." }, finish_reason: "stop" }],
  usage: {
    ...{ prompt_tokens: 10_000, completion_tokens: 10, total_tokens: 10_010 },
    prompt_tokens_details: { audio_tokens: 10_000 },
  },
}

describe("what is no text", () => {
  const pdf = `data:application/pdf;base64,${FILE}`
  const base64 = { type: "base64", media_type: "application/pdf", data: FILE }
  it.each([
    ["a file of chat", "chat/completions", { messages: [user({ type: "file", file: { file_data: pdf } })] }],
    [
      "a file that its vendor has",
      "chat/completions",
      { messages: [user({ type: "file", file: { file_id: "f" } })] },
    ],
    ["a document of Messages", "messages", { messages: [user({ type: "document", source: base64 })] }],
    [
      "a document that a tool found",
      "messages",
      {
        messages: [
          { role: "user", content: "Hi" },
          { role: "assistant", content: [{ type: "tool_use", id: "t", name: "f", input: {} }] },
          user({ type: "tool_result", tool_use_id: "t", content: [{ type: "document", source: base64 }] }),
        ],
      },
    ],
    ["a file of Responses", "responses", { input: [user({ type: "input_file", file_data: pdf })] }],
    [
      "audio, which costs more than text",
      "chat/completions",
      {
        model: "fake/hears",
        messages: [user({ type: "input_audio", input_audio: { data: FILE.repeat(4), format: "wav" } })],
      },
    ],
  ])("does not overspend a budget, though no text says what it costs: %s", async (_, path, body) => {
    const { id, key } = await gateway.createKey()
    await setBudget("key", id, 1)
    await aSecond()
    upstream.respond((exchange) => exchange.after(300, () => status(200, tenThousandTokens)(exchange)))
    const all = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const response = await post(`/v1/${path}`, key, { model: "fake/m", max_tokens: 100, ...body })
        return { status: response.status, text: await response.text() }
      }),
    )
    await new Promise((resolve) => setTimeout(resolve, 700))
    const answered = all.filter(({ status }) => status === 200).length
    assert.isAtLeast(answered, 2, all[0]?.text)
    assert.isAtMost(await spentOf("key", id), 1)
  })
})

describe("budgets of users, tags and the whole gateway", () => {
  it("are those of whoever the request is for, each by itself", async () => {
    const { key } = await gateway.createKey()
    await setBudget("user", "ada", 0.0001)
    await setBudget("tag", "batch", 0.0001)
    await aSecond()
    assert.strictEqual((await chat(key)).status, 200)
    assert.strictEqual((await chat(key, {}, { "x-gateway-user": "eve" })).status, 200)
    const ada = await chat(key, {}, { "x-gateway-user": "ada" })
    assert.strictEqual(ada.status, 429)
    assert.match(await ada.text(), /The user ada's budget/)
    assert.strictEqual((await chat(key, { user: "ada" })).status, 429)
    assert.strictEqual((await chat(key, {}, { "x-gateway-tags": "dev,batch" })).status, 429)
    await setBudget("gateway", "", 0.0001)
    await aSecond()
    assert.match(await (await chat(key)).text(), /The gateway's budget/)
    await onDatabase((sql) => sql`DELETE FROM budgets WHERE scope = 'gateway'`)
    await aSecond()
    assert.strictEqual((await chat(key)).status, 200)
  })
})
