import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, type Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { type Behaviour, failure, ok } from "../support/fake-upstream-behaviours.ts"
import type { GatewayClient } from "../support/GatewayClient.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"

/** Retried requests over two gateways on one PostgreSQL. Tests tell their calls apart by the prompt. */

let upstream: FakeUpstream
let databaseUrl: Redacted.Redacted
let one: GatewayInProcess
let two: GatewayInProcess
let key: string
const behaviours = new Map<string, Behaviour>()

const options = () => ({
  databaseUrl,
  // The second provider is the one that gets into trouble.
  config: providersYaml(
    [upstream, upstream],
    "limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000, max_attempts: 1 }",
  ),
})

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  upstream.respond((exchange) => (behaviours.get(exchange.asked.prompt) ?? ok())(exchange))
  databaseUrl = await Effect.runPromise(migratedPostgresUrl)
  const [first, second] = await Promise.all([
    GatewayInProcess.start(options()),
    GatewayInProcess.start(options()),
  ])
  one = first
  two = second
  key = (await one.createKey()).key
})

afterAll(async () => {
  await Promise.all([one?.stop(), two?.stop()])
  await upstream?.stop()
})

const callsOf = (prompt: string) => upstream.calls.filter((call) => call.asked.prompt === prompt)

interface Answer {
  readonly status: number
  readonly replayed: boolean
  readonly retryAfter: string | null
  readonly code: unknown
  readonly raw: string
}

const ask = async (
  gateway: GatewayClient,
  name: string,
  options: { model?: string; prompt?: string; apiKey?: string; signal?: AbortSignal } = {},
): Promise<Answer> => {
  const response = await gateway.infer(
    options.apiKey ?? key,
    { model: options.model ?? "p0/m", prompt: options.prompt ?? name },
    {
      headers: { "idempotency-key": name },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  )
  const raw = await response.text()
  return {
    status: response.status,
    replayed: response.headers.get("idempotent-replayed") === "true",
    retryAfter: response.headers.get("retry-after"),
    code: (JSON.parse(raw) as Record<string, unknown>).code,
    raw,
  }
}

/** A provider that answers when the test says so. */
const gated = (prompt: string) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  behaviours.set(prompt, (exchange) => void promise.then(() => ok()(exchange)))
  return { open: resolve, asked: () => upstream.until(() => callsOf(prompt).length === 1, 5000) }
}

const assertInProgress = (answer: Answer) => {
  assert.deepInclude(answer, { status: 409, code: "idempotency_in_progress" })
  assert.match(answer.retryAfter ?? "", /^[1-9]\d*$/)
}

describe.concurrent("a retried request", () => {
  it("sent 50 times at once to both gateways runs once, and all get the same bytes", async () => {
    const name = "fifty"
    behaviours.set(name, ok({ delayMs: 300 }))
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(i % 2 ? one : two, name)))
    assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [200])
    assert.strictEqual(new Set(answers.map(({ raw }) => raw)).size, 1)
    assert.lengthOf(
      answers.filter(({ replayed }) => !replayed),
      1,
    )
    assert.lengthOf(callsOf(name), 1)
  })

  it("is told to come back while the other gateway still runs it, and then gets that answer", async () => {
    const name = "long"
    const provider = gated(name)
    const first = ask(one, name)
    await provider.asked()
    assertInProgress(await ask(two, name))
    provider.open()
    const original = await first
    const replay = await ask(two, name)
    assert.deepInclude(original, { status: 200, replayed: false })
    assert.deepInclude(replay, { status: 200, replayed: true, raw: original.raw })
    assert.lengthOf(callsOf(name), 1)
  })

  it("with another body is refused on both gateways", async () => {
    assert.strictEqual((await ask(one, "reused")).status, 200)
    for (const gateway of [one, two]) {
      const answer = await ask(gateway, "reused", { prompt: "another" })
      assert.deepInclude(answer, { status: 422, code: "idempotency_key_reused" })
    }
    assert.lengthOf(callsOf("another"), 0)
  })

  it("of another API key is another request", async () => {
    const other = (await one.createKey()).key
    const mine = await ask(one, "shared")
    const theirs = await ask(two, "shared", { apiKey: other })
    assert.deepInclude(mine, { status: 200, replayed: false })
    assert.deepInclude(theirs, { status: 200, replayed: false })
    assert.notStrictEqual(mine.raw, theirs.raw)
    assert.lengthOf(callsOf("shared"), 2)
  })

  it("gets a final refusal again without asking the provider again", async () => {
    const name = "refused"
    behaviours.set(name, failure("badRequest"))
    const original = await ask(one, name, { model: "p1/m" })
    const replay = await ask(two, name, { model: "p1/m" })
    assert.deepInclude(original, { status: 400, replayed: false })
    assert.deepInclude(replay, { status: 400, replayed: true, raw: original.raw })
    assert.lengthOf(callsOf(name), 1)
  })

  it.each([
    ["serverError", 502],
    ["rateLimited", 429],
  ] as const)("runs again after %s", async (trouble, status) => {
    const name = `again after ${trouble}`.replaceAll(" ", "-")
    behaviours.set(name, failure(trouble, { "retry-after": "30" }))
    assert.deepInclude(await ask(one, name, { model: "p1/m" }), { status, replayed: false })
    const before = callsOf(name).length
    behaviours.set(name, ok())
    const answer = await ask(two, name, { model: "p1/m" })
    assert.deepInclude(answer, { status: 200, replayed: false })
    assert.lengthOf(callsOf(name), before + 1)
  })

  it("whose first client left is answered from the run it started", async () => {
    const name = "left"
    const provider = gated(name)
    const controller = new AbortController()
    const first = ask(one, name, { signal: controller.signal }).then(
      () => "answered",
      () => "left",
    )
    await provider.asked()
    controller.abort()
    assert.strictEqual(await first, "left")
    // The same socket would be cut by now if the client's end ended the run.
    const second = ask(two, name)
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.strictEqual(callsOf(name)[0]?.outcome, "pending")
    provider.open()
    assert.deepInclude(await second, { status: 200, replayed: true })
    assert.lengthOf(callsOf(name), 1)
    assert.strictEqual(callsOf(name)[0]?.outcome, "answered")
  })

  it("whose gateway was killed is refused while its lease lasts, then runs exactly once more", async () => {
    const name = "killed"
    const doomed = await GatewayProcess.start(options())
    const provider = gated(name)
    const first = ask(doomed, name).catch(() => undefined)
    await provider.asked()
    await doomed.stop("SIGKILL")
    await first
    behaviours.set(name, ok())
    assertInProgress(await ask(two, name))
    assert.lengthOf(callsOf(name), 1)

    // Half a minute passes: leases are judged by the database's clock, so only that row has to know.
    await sql(
      (sql) => sql`UPDATE idempotency_claims SET lease_until = clock_timestamp()
        WHERE response_status IS NULL AND key_hash = sha256(${Buffer.from(name)})`,
    )
    const answers = await Promise.all([ask(one, name), ask(two, name), ask(two, name)])
    assert.deepStrictEqual([...new Set(answers.map(({ status }) => status))], [200])
    assert.strictEqual(new Set(answers.map(({ raw }) => raw)).size, 1)
    assert.lengthOf(callsOf(name), 2)
  })

  it("passes the check that operators run", async () => {
    const script = join(import.meta.dirname, "../../scripts/verify-idempotency.ts")
    const child = spawn(
      process.execPath,
      [
        script,
        ...["--url", one.url, "--key", key, "--admin-token", one.adminToken],
        ...["--n", "20", "--rounds", "2"],
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    )
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk
      })
    }
    const [code] = await once(child, "close")
    assert.strictEqual(code, 0, output)
    assert.match(output, / ok /)
    assert.notInclude(output, "FAIL")
  })
})

const sql = (query: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown, never>) =>
  Effect.runPromise(
    SqlClient.SqlClient.use(query).pipe(
      Effect.provide(PgClient.layer({ url: databaseUrl, prepare: false }), { local: true }),
    ),
  )
