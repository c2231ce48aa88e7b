import { readdirSync, readFileSync, statSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import { assert } from "@effect/vitest"
import { afterAll, beforeAll, describe, it } from "vitest"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import {
  type Behaviour,
  failure,
  hang,
  html,
  ok,
  resetMidBody,
  status,
  truncatedJson,
} from "../support/fake-upstream-behaviours.ts"
import { streamThenError, streamThenReset } from "../support/fake-upstream-streams.ts"
import { mark } from "../support/mark.ts"
import { OtlpCollector } from "../support/OtlpCollector.ts"
import { createPostgresServer, type PostgresServer } from "../support/postgres-server.ts"
import { query } from "../support/postgres-signals.ts"
import { eventually, metric } from "../support/process-watch.ts"
import { Replica } from "../support/Replica.ts"
import { TcpProxy } from "../support/TcpProxy.ts"

/**
 * Secrets and the words of clients and models, each with a mark that is nowhere else, through everything that can go
 * right and wrong; then every place where something is written is searched for them.
 */
const secrets = {
  providerKey: `sk-${mark("provider")}`,
  otherProviderKey: `key-${mark("gemini")}`,
  jwtSecret: `${mark("jwt")}-and-enough-bytes-to-sign-with`,
  databasePassword: mark("password"),
  wrongAdminToken: mark("admin-token"),
  wrongApiKey: `gwk_${mark("api-key")}`,
  idempotencyKey: mark("idempotency"),
  queryString: mark("query"),
  cookie: mark("cookie"),
  prompt: mark("prompt"),
}
/** Only for its client, and kept for replays. */
const answer = mark("answer")

let upstream: FakeUpstream
let postgres: PostgresServer
let proxy: TcpProxy
let collector: OtlpCollector
let gateway: Replica
let folder: string
let key: string
const behaviours: Array<Behaviour> = []

/** Everything that clients were told: status line, headers and bodies. */
const told: Array<string> = []
/** What the directories held at some moment. */
const onDisk: Array<string> = []

beforeAll(async () => {
  ;[upstream, postgres, collector] = await Promise.all([
    FakeUpstream.start(),
    createPostgresServer(),
    OtlpCollector.start(),
  ])
  upstream.respond((exchange) => (behaviours.shift() ?? ok({ text: answer }))(exchange))
  await postgres.start()
  await query(postgres.url, `CREATE ROLE canary LOGIN SUPERUSER PASSWORD '${secrets.databasePassword}'`)
  const url = new URL(postgres.url)
  proxy = await TcpProxy.start({ host: "127.0.0.1", port: Number(url.port) })
  url.username = "canary"
  url.password = secrets.databasePassword
  folder = await mkdtemp(join(tmpdir(), "gateway-canary-"))
  const preload = pathToFileURL(join(import.meta.dirname, "../support/process-faults.ts")).href
  gateway = await Replica.start({
    databaseUrl: proxy.url(url.href),
    adminJwtSecret: secrets.jwtSecret,
    dataDir: join(folder, "data"),
    env: {
      LOG_LEVEL: "trace",
      CANARY_KEY: secrets.providerKey,
      GEMINI_API_KEY: secrets.otherProviderKey,
      GEMINI_BASE_URL: upstream.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      NODE_OPTIONS: `--import=${preload}`,
      FAULT_FILE: join(folder, "fault"),
    },
    config: `
providers:
  - name: p0
    kind: openai-compatible
    base_url: ${upstream.openAiBaseUrl}
    api_key_env: CANARY_KEY
    models:
      - name: m
        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: test, as_of: 2026-11-01 }
      - { name: e, kind: embedding }
limits: { requests_per_minute: 1000000, max_event_loop_delay_ms: 60000, max_attempts: 2 }
timeouts: { headers_ms: 400, body_ms: 400, deadline_ms: 3000 }`,
  })
  await gateway.ready()
  // The one answer that has a key in it.
  key = (await gateway.createKey("canary")).key
})
afterAll(async () => {
  await gateway?.remove()
  await Promise.all([proxy?.stop(), postgres?.remove(), upstream?.stop(), collector?.stop()])
  if (folder) await rm(folder, { recursive: true, force: true })
})

const send = async (path: string, init: RequestInit = {}): Promise<number> => {
  const response = await fetch(`${gateway.url}${path}`, { redirect: "manual", ...init })
  const body = await response.text().catch(String)
  told.push(`${response.status} ${JSON.stringify([...response.headers])} ${body}`)
  return response.status
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<number> =>
  send(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key, cookie: secrets.cookie, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  })

const admin = (path: string, init: RequestInit = {}): Promise<number> =>
  send(path, {
    ...init,
    headers: { authorization: `Bearer ${gateway.adminToken}`, "content-type": "application/json" },
  })

const words = `Tell me of ${secrets.prompt}`
const chat = (fields: object = {}) => ({
  model: "p0/m",
  messages: [
    { role: "system", content: secrets.prompt },
    { role: "user", content: words },
  ],
  // Whom it is for is kept: docs/attribution.md.
  user: "somebody",
  metadata: { note: secrets.prompt },
  ...fields,
})
const claim = (name: string) => ({ "idempotency-key": `${secrets.idempotencyKey}-${name}` })

const snapshot = () => {
  for (const name of readdirSync(gateway.dataDir, { recursive: true })) {
    const path = join(gateway.dataDir, String(name))
    if (statSync(path).isFile()) onDisk.push(readFileSync(path, "latin1"))
  }
}

/** Every way to ask, with the provider doing as told. */
const ask = async (behaviour?: Behaviour): Promise<void> => {
  for (const [path, body] of [
    ["/infer", { model: "p0/m", prompt: words, explain: true }],
    ["/infer", { model: "p0/m", prompt: words, stream: true }],
    ["/v1/chat/completions", chat()],
    ["/v1/chat/completions", chat({ stream: true, tools: [{ type: "function", function: { name: "f" } }] })],
    [
      "/v1/chat/completions",
      chat({ model: "gemini/gemini-3.8-flash", user: undefined, metadata: undefined }),
    ],
    ["/v1/embeddings", { model: "p0/e", input: [words] }],
    ["/v1/responses", { model: "p0/m", input: words }],
    ["/v1/responses", { model: "p0/m", input: words, stream: true }],
    [
      "/v1/messages",
      { model: "p0/m", max_tokens: 50, system: secrets.prompt, messages: chat().messages.slice(1) },
    ],
    ["/v1/messages", { model: "p0/m", max_tokens: 50, messages: chat().messages.slice(1), stream: true }],
  ] as const) {
    if (behaviour !== undefined) behaviours.push(behaviour, behaviour)
    await post(`${path}?q=${secrets.queryString}`, body)
    behaviours.length = 0
  }
}

/** In all the words that a provider could find for it. */
const quoting: Behaviour = (exchange) =>
  status(exchange.asked.operation === "stream" ? 400 : 401, {
    error: {
      message: `Incorrect API key ${secrets.providerKey} ${secrets.otherProviderKey}`,
      type: "invalid_request_error",
      param: null,
      code: "invalid_api_key",
      status: "UNAUTHENTICATED",
    },
  })(exchange)

describe("secrets, prompts and answers", () => {
  it("meet every kind of success, refusal, fault and crash", async () => {
    assert.strictEqual(await post("/infer", { model: "p0/m", prompt: words }), 200)
    await setTimeout(150)
    await ask()
    for (const behaviour of [
      quoting,
      failure("serverError"),
      failure("rateLimited"),
      failure("overloaded"),
      resetMidBody(),
      truncatedJson(),
      html(502),
      streamThenReset(2),
      streamThenError(2, { error: { message: `${secrets.providerKey} is wrong`, code: "x" } }),
      hang(),
    ]) {
      await ask(behaviour)
    }

    for (let i = 0; i < 2; i++) {
      await post("/infer", { model: "p0/m", prompt: words }, claim("whole"))
      await post("/v1/chat/completions", chat({ stream: true }), claim("stream"))
    }
    assert.strictEqual(await post("/infer", { model: "p0/m", prompt: `${words}!` }, claim("whole")), 422)
    await post("/infer", { model: "p0/m", prompt: words }, claim("x".repeat(300)))
    for (const wrong of [
      `{"prompt": "${secrets.prompt}`,
      { model: "p0/m", prompt: { deep: secrets.prompt } },
      { model: "p0/m", prompt: words, max_tokens: secrets.prompt },
      { model: "p0/m", messages: [{ role: secrets.prompt, content: words }] },
      { model: "p0/m", prompt: words, temperature: 1e9 },
    ]) {
      await post("/infer", wrong)
      await post("/v1/chat/completions", wrong)
    }
    await post("/infer", words, { "content-type": "text/plain" })
    await post("/infer", `${JSON.stringify({ prompt: words })}${" ".repeat(3_000_000)}`)
    await post("/infer", { prompt: words }, { "x-api-key": secrets.wrongApiKey })
    await post("/infer", { prompt: words }, { authorization: `Bearer ${secrets.wrongApiKey}` })
    await post("/infer", { prompt: words }, { "x-api-key": `${key.slice(0, -1)}~` })
    for (const path of ["/analytics/usage-by-key", "/admin/keys", "/analytics/requests", "/nowhere"]) {
      await send(`${path}?${secrets.queryString}`)
      await send(`${path}?${secrets.queryString}=1`)
      await send(`${path}?from=${secrets.queryString}`, {
        headers: { authorization: `Bearer ${secrets.wrongAdminToken}` },
      })
      await admin(`${path}?from=${secrets.queryString}`)
      await admin(path)
    }
    await admin("/admin/keys", { method: "POST", body: JSON.stringify({ name: 7, secret: secrets.prompt }) })
    await send(`/infer?${secrets.queryString}`, { method: "PUT" })
    for (const path of ["/livez", "/readyz", "/openapi.json", "/v1/models"]) await send(path)
    const leaving = new AbortController()
    behaviours.push(hang())
    const left = post("/infer", { model: "p0/m", prompt: words }).catch(() => {})
    await upstream.until(({ calls }) => calls.at(-1)?.outcome === "pending", 5000)
    leaving.abort()
    await left

    // Without the database, and killed like that.
    proxy.refuse()
    await ask()
    await ask(quoting)
    assert.strictEqual(await post("/infer", { model: "p0/m", prompt: words }, claim("outage")), 503)
    await post("/infer", { prompt: words }, { "x-api-key": secrets.wrongApiKey })
    await admin("/admin/keys")
    await admin("/analytics/requests")
    behaviours.push(hang())
    const cut = post("/infer", { model: "p0/m", prompt: words }).catch(() => {})
    await setTimeout(100)
    snapshot()
    await gateway.kill()
    await cut
    snapshot()
    assert.isTrue(onDisk.some((text) => text.includes("p0")))
    await gateway.start()
    proxy.accept()
    await gateway.ready()
    await eventually(async () => (await post("/infer", { model: "p0/m", prompt: words })) === 200, 10_000)
    await ask()

    await send("/metrics")
    await eventually(async () => (await metric(gateway.url, "gateway_ledger_queue_records")) === 0, 20_000)
    // And once by an error of its own.
    await writeFile(join(folder, "fault"), "exception")
    process.kill(gateway.pid, "SIGUSR2")
    assert.strictEqual(await gateway.ended, 1)
    await gateway.start()
    await gateway.ready()
    await send("/metrics")
    assert.strictEqual(await gateway.stop(), 0)
    snapshot()
  })

  it("are in no log, journal, table, metric, span or answer to anybody else", async () => {
    const tables = await query<{ name: string }>(
      postgres.url,
      "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
    )
    const dumped: Array<string> = []
    for (const { name } of tables) {
      const rows = await query<{ row: string }>(postgres.url, `SELECT t::text AS row FROM "${name}" AS t`)
      dumped.push(...rows.map(({ row }) => `${name}: ${readable(row)}`))
    }
    const kept = dumped.filter((row) => row.startsWith("idempotency_claims: "))
    const sinks: Readonly<Record<string, ReadonlyArray<string>>> = {
      stdout: [gateway.stdout],
      stderr: [gateway.stderr],
      "files of DATA_DIR": onDisk,
      "the database": dumped.filter((row) => !kept.includes(row)),
      "kept answers": kept,
      "spans and metrics": collector.received.map(({ body }) => body),
      "answers and /metrics": told,
    }
    // Everything was really there to be searched.
    assert.isAbove(gateway.stderr.length, 2000)
    assert.isAbove(dumped.filter((row) => row.startsWith("requests")).length, 50)
    assert.isAbove(kept.length, 1)
    assert.isTrue(kept.some((row) => row.includes(answer)))
    assert.isTrue(collector.received.some(({ path }) => path === "/v1/traces"))
    assert.isAbove(told.length, 100)
    assert.isTrue(told.some((text) => text.includes(answer)))

    const [, , keySecret = ""] = key.split("_")
    const needles = {
      ...secrets,
      answer,
      apiKey: keySecret,
      adminToken: gateway.adminToken,
      adminTokenSignature: gateway.adminToken.split(".")[2] ?? "",
    }
    const hits = Object.entries(sinks).flatMap(([sink, texts]) =>
      Object.entries(needles)
        // An answer is for its client, and is kept for whoever repeats the request.
        .filter(([name]) => name !== "answer" || (sink !== "kept answers" && sink !== "answers and /metrics"))
        .flatMap(([name, needle]) => {
          const text = texts.find((each) => each.includes(needle))
          const at = text?.indexOf(needle) ?? 0
          return text === undefined
            ? []
            : [`${name} in ${sink}: …${text.slice(Math.max(0, at - 200), at + 40)}…`]
        }),
    )
    assert.deepStrictEqual(hits, [])
  })
})

/** Bytes as text where they are shown in hex. */
const readable = (row: string): string =>
  row.replace(/\\\\x((?:[0-9a-f]{2})+)/g, (_, hex: string) => Buffer.from(hex, "hex").toString("latin1"))
