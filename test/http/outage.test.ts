import { randomBytes } from "node:crypto"
import { createServer } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { afterAll, beforeAll, describe, it } from "vitest"
import { formatApiKey, generateApiKeyId, generateApiKeySecret } from "../../src/domain/ApiKeyFormat.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { GatewayProcess } from "../support/GatewayProcess.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { createPostgresServer, type PostgresServer } from "../support/postgres-server.ts"
import { query } from "../support/postgres-signals.ts"
import { residentMb } from "../support/process-watch.ts"
import { StreamClient } from "../support/StreamClient.ts"
import { endOf } from "../support/StreamHistory.ts"
import { scaled } from "../support/slowness.ts"

/**
 * Two gateways and a PostgreSQL that is killed under them. One story: the tests run in order, each from where the
 * one before left the database.
 */

let upstream: FakeUpstream
let postgres: PostgresServer
let running = false
let starting: ReadonlyArray<Promise<GatewayProcess>> = []
let ports: ReadonlyArray<number> = []
let one: GatewayProcess
let two: GatewayProcess

const startPostgres = async () => {
  await postgres.start()
  running = true
}

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  upstream.respond(ok({ delayMs: 20 }))
  postgres = await createPostgresServer()
  ports = await freePorts(2)
  starting = ports.map((port) =>
    GatewayProcess.start({
      databaseUrl: Redacted.make(postgres.url),
      config: providersYaml(
        [upstream],
        "limits: { requests_per_minute: 100000, max_event_loop_delay_ms: 60000 }",
      ),
      env: { PORT: String(port) },
    }),
  )
})

afterAll(async () => {
  // A gateway that never became ready cannot be told to stop before it is.
  if (postgres !== undefined && !running) await startPostgres()
  const gateways = await Promise.allSettled(starting)
  await Promise.all(gateways.map((gateway) => gateway.status === "fulfilled" && gateway.value.stop()))
  await postgres?.remove()
  await upstream?.stop()
})

const probe = async (url: string) => {
  const response = await fetch(url)
  return { status: response.status, body: (await response.json()) as { status: string; reasons: unknown } }
}

const eventually = async (holds: () => Promise<boolean>, timeoutMs: number, what: string) => {
  const giveUpAt = performance.now() + scaled(timeoutMs)
  while (!(await holds())) {
    if (performance.now() > giveUpAt) assert.fail(`not within ${scaled(timeoutMs)} ms: ${what}`)
    await sleep(20)
  }
}

const ask = async (
  gateway: GatewayProcess,
  key: string,
  headers: Record<string, string> = {},
  prompt = "Hi",
) => {
  const startedAt = performance.now()
  const response = await gateway.infer(key, { model: "p0/m", prompt }, { headers })
  const body = (await response.json()) as Record<string, unknown>
  return {
    status: response.status,
    code: body.code,
    retryAfter: response.headers.get("retry-after"),
    ms: performance.now() - startedAt,
  }
}

const rowsOf = (keyId: string) =>
  SqlClient.SqlClient.use(
    (sql) =>
      sql<{ n: number }>`SELECT count(*)::int AS n FROM requests WHERE key_id = ${keyId} AND status = 200`,
  ).pipe(
    Effect.map((rows) => rows[0]?.n),
    Effect.provide(PgClient.layer({ url: Redacted.make(postgres.url), prepare: false }), { local: true }),
    Effect.runPromise,
  )

/** How often a key is used until a gateway certainly knows it. */
const USES_UNTIL_KNOWN = 2

/** Has a gateway check a key, and know it from then on. */
const remember = async (gateway: GatewayProcess, key: string) => {
  for (let i = 0; i < USES_UNTIL_KNOWN; i++) {
    // A busy machine may not look a new key up in time.
    await eventually(async () => (await ask(gateway, key)).status === 200, 5000, "the key is known")
    // The first use may meet the news of the key's creation, and is then not remembered.
    await sleep(150)
  }
}

describe("gateways whose database", () => {
  it("is down at their start listen, are not ready, and become ready when it comes, both on one new database", async () => {
    for (const port of ports) {
      const url = `http://127.0.0.1:${port}`
      const listens = () =>
        fetch(`${url}/livez`).then(
          ({ status }) => status === 200,
          () => false,
        )
      await eventually(listens, 40_000, "livez answers")
      const { status, body } = await probe(`${url}/readyz`)
      assert.strictEqual(status, 503)
      assert.strictEqual(body.status, "starting")
    }
    await startPostgres()
    const gateways = await Promise.all(starting)
    for (const { url } of gateways) {
      await eventually(async () => (await probe(`${url}/readyz`)).body.status === "ready", 5000, "ready")
    }
    const [first, second] = gateways
    if (first === undefined || second === undefined) return assert.fail("two gateways")
    one = first
    two = second
  })

  it("is shared see a revocation made at the other one within a second", async () => {
    const { id, key } = await one.createKey()
    assert.strictEqual((await ask(two, key)).status, 200)
    const revoked = await one.admin(`/admin/keys/${id}/revoke`, { method: "POST" })
    assert.strictEqual(revoked.status, 200)
    await eventually(async () => (await ask(two, key)).status === 401, 1000, "the revocation is seen")
    assert.strictEqual((await ask(one, key)).status, 401)
  })

  it("is killed under load fail no request, refuse only what needs it, and lose no row", async () => {
    const { id, key } = await one.createKey({ name: "load" })
    const { key: cached } = await one.createKey({ name: "cached" })
    const { key: unseen } = await one.createKey({ name: "unseen" })
    for (const used of [key, cached]) await remember(one, used)

    const residentBefore = residentMb(one.pid)
    const load = startLoad(() => ask(one, key))
    await sleep(300)
    await postgres.kill()
    running = false
    await sleep(300)

    const invented = formatApiKey({
      id: generateApiKeyId(randomBytes),
      secret: generateApiKeySecret(randomBytes),
    })
    for (const unknown of [unseen, invented]) {
      const answer = await ask(one, unknown)
      assert.deepInclude(answer, { status: 503, code: "auth_unavailable" })
      assert.match(answer.retryAfter ?? "", /^[1-9]\d*$/)
      assert.isBelow(answer.ms, scaled(1500))
    }
    const keyed = await ask(one, cached, { "idempotency-key": "a" }, "keyed")
    assert.deepInclude(keyed, { status: 503, code: "idempotency_unavailable" })
    assert.match(keyed.retryAfter ?? "", /^[1-9]\d*$/)
    assert.isFalse(upstream.calls.some(({ asked }) => asked.prompt === "keyed"))
    for (const path of ["/admin/keys", "/admin/teams", "/admin/budgets"]) {
      assert.deepInclude(await (await one.admin(path)).json(), { status: 503, code: "database_unavailable" })
    }
    await eventually(
      async () => (await probe(`${one.url}/readyz`)).body.status === "degraded",
      5000,
      "readyz says degraded",
    )
    assert.deepStrictEqual(await probe(`${one.url}/readyz`), {
      status: 200,
      body: { status: "degraded", reasons: ["database unreachable"] },
    })

    await startPostgres()
    await eventually(
      async () => (await ask(one, unseen)).status === 200,
      5000,
      "unseen keys are checked again",
    )
    await eventually(
      async () => (await ask(one, cached, { "idempotency-key": "b" })).status === 200,
      5000,
      "keyed requests run again",
    )
    await eventually(
      async () => (await probe(`${one.url}/readyz`)).body.status === "ready",
      8000,
      "readyz says ready again",
    )
    const statuses = await load.stop()
    assert.deepStrictEqual([...new Set(statuses)], [200])
    assert.isAbove(statuses.length, 50)
    assert.isBelow(residentMb(one.pid), residentBefore + 100)
    await eventually(
      async () => (await rowsOf(id)) === statuses.length + USES_UNTIL_KNOWN,
      10_000,
      "every answer has its row",
    )
  })

  it("is back hear a revocation within a second again", async () => {
    const { id, key } = await one.createKey()
    assert.strictEqual((await ask(two, key)).status, 200)
    await one.admin(`/admin/keys/${id}/revoke`, { method: "POST" })
    await eventually(async () => (await ask(two, key)).status === 401, 1000, "the revocation is seen")
  })
})

describe("gateways whose connections for keys were cut", () => {
  it("hear a revocation within a second all the same, and let a stream finish that was admitted before", async () => {
    const { id, key } = await one.createKey()
    await remember(two, key)
    upstream.enqueue(ok({ text: "abcd".repeat(15), msBetween: 100 }))
    const stream = new StreamClient({
      url: two.url,
      path: "/infer",
      key,
      body: { model: "p0/m", prompt: "Hi", stream: true },
    })
    await stream.until(({ bytes }) => bytes > 0)
    const cut = await query(
      postgres.url,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'llm-gateway keys'",
    )
    assert.isAtLeast(cut.length, 2)
    // It may be given one of the cut connections.
    const revoke = async () =>
      (await one.admin(`/admin/keys/${id}/revoke`, { method: "POST" })).status === 200
    await eventually(revoke, 2000, "the key is revoked")
    await eventually(async () => (await ask(two, key)).status === 401, 1000, "the revocation is seen")
    assert.isUndefined(stream.ending)
    await stream.ended
    assert.strictEqual(endOf(stream.text), "done")
  })
})

describe("a wrong setting", () => {
  it.each([
    ["PORT", "canary-value", "PORT"],
    ["DATABASE_URL", "canary-value", "DATABASE_URL"],
    ["MAX_BODY_BYTES", "-71717", "MAX_BODY_BYTES"],
    ["ADMIN_JWT_SECRET", "canary-value", "ADMIN_JWT_SECRET"],
  ])(
    "%s ends the process with 1 and one line that names it without its value",
    async (name, value, named) => {
      const failure = await GatewayProcess.start({ env: { [name]: value } }).then(
        async (gateway) => {
          await gateway.stop()
          return "it started"
        },
        (error: Error) => error.message,
      )
      const [, code, stderr = ""] = /^gateway ended with (\S+): ([\s\S]*)$/.exec(failure) ?? []
      assert.strictEqual(code, "1", failure)
      const lines = stderr.trim().split("\n")
      assert.lengthOf(lines, 1, stderr)
      assert.match(lines[0] ?? "", new RegExp(`^Wrong setting: ${named} `))
      assert.notInclude(failure, value)
    },
  )
})

/** A request every 20 ms, whatever becomes of those before; `stop` gives their statuses. */
function startLoad(request: () => Promise<{ readonly status: number }>) {
  const asked: Array<Promise<number | string>> = []
  const timer = setInterval(
    () =>
      asked.push(
        request().then(
          ({ status }) => status,
          (error: unknown) => String(error),
        ),
      ),
    20,
  )
  return {
    stop: () => {
      clearInterval(timer)
      return Promise.all(asked)
    },
  }
}

async function freePorts(count: number): Promise<ReadonlyArray<number>> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return server
    }),
  )
  const found = servers.map((server) => {
    const address = server.address()
    return address === null || typeof address === "string" ? 0 : address.port
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return found
}
