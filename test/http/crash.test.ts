import { existsSync, readdirSync, readFileSync, truncateSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { Agent } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { afterAll, beforeAll, describe, it } from "vitest"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok, resetBeforeHeaders } from "../support/fake-upstream-behaviours.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { eventually, metric } from "../support/process-watch.ts"
import { Replica, type ReplicaOptions } from "../support/Replica.ts"
import { StreamClient } from "../support/StreamClient.ts"
import { endOf } from "../support/StreamHistory.ts"
import { scaled } from "../support/slowness.ts"
import { TcpProxy } from "../support/TcpProxy.ts"
import { readBooks } from "../torture/Books.ts"

/** Ends of a gateway, wanted and not, and clocks that are wrong. Every story has a gateway and a database of its own. */

let upstream: FakeUpstream
let folder: string
const replicas: Array<Replica> = []
const proxies: Array<TcpProxy> = []

beforeAll(async () => {
  upstream = await FakeUpstream.start()
  folder = await mkdtemp(join(tmpdir(), "gateway-crash-"))
  // The prompt says how: `stream 3x100` is three pieces, 100 ms apart; `wait 500`; `trouble`; `stumble 500` breaks
  // the first call off after its wait, and answers the next.
  upstream.respond((exchange) => {
    const [what, how = "0"] = exchange.asked.prompt.split(" ")
    if (what === "trouble") return resetBeforeHeaders()(exchange)
    if (what === "stumble") {
      const first = upstream.calls.filter(({ asked }) => asked.prompt === exchange.asked.prompt).length === 1
      if (first) return exchange.after(Number(how), () => resetBeforeHeaders()(exchange))
      return ok({ text: "done" })(exchange)
    }
    const [pieces = 3, msBetween = 0] = how.split("x").map(Number)
    if (what === "stream") return ok({ text: "abcd".repeat(pieces), msBetween })(exchange)
    ok({ text: "done", delayMs: Number(how) })(exchange)
  })
})
afterAll(async () => {
  await Promise.all([...replicas.map((replica) => replica.remove()), ...proxies.map((proxy) => proxy.stop())])
  await upstream?.stop()
  await rm(folder, { recursive: true, force: true })
})

const limits = "limits: { requests_per_minute: 1000000, max_event_loop_delay_ms: 60000 }"

const startGateway = async (options: Partial<ReplicaOptions> & { readonly more?: string } = {}) => {
  const databaseUrl = Redacted.value(await Effect.runPromise(migratedPostgresUrl))
  const { hostname, port } = new URL(databaseUrl)
  const proxy = await TcpProxy.start({ host: hostname, port: Number(port) })
  proxies.push(proxy)
  const config = providersYaml([upstream], `${limits}\n${options.more ?? ""}`)
  const gateway = await Replica.start({ config, ...options, databaseUrl: proxy.url(databaseUrl) })
  replicas.push(gateway)
  await gateway.ready()
  const { id, key } = await gateway.createKey()
  const ask = async (prompt: string, headers: Record<string, string> = {}) => {
    const response = await gateway.infer(key, { model: "p0/m", prompt }, headers)
    return { status: response.status, headers: response.headers, body: await response.text() }
  }
  const stream = (prompt: string, agent = new Agent()) =>
    new StreamClient({
      url: gateway.url,
      path: "/v1/chat/completions",
      key,
      agent,
      body: { model: "p0/m", messages: [{ role: "user", content: prompt }], stream: true },
    })
  for (let i = 0; i < FIRST; i++) await known(ask)
  return { gateway, proxy, databaseUrl, id, key, ask, stream }
}

/** How often a new gateway is asked until it knows its key. */
const FIRST = 2

/** The first use of a key hashes it, and is not remembered if it meets the news of the key's creation. */
const known = async (ask: (prompt: string) => Promise<{ readonly status: number }>) => {
  assert.strictEqual((await ask("wait 0")).status, 200)
  await setTimeout(150)
}

const journalFiles = (dataDir: string): ReadonlyArray<string> =>
  readdirSync(join(dataDir, "journal"), { recursive: true })
    .map((name) => join(dataDir, "journal", String(name)))
    .filter((path) => path.endsWith(".gwj3"))

const LINUX = process.platform === "linux"
const HEADER_BYTES = 8
const FRAME_BYTES = 13

/** Ids in the whole frames of a segment: of finished requests, and of calls under way. Written apart from the reader. */
const framesIn = (bytes: Buffer) => {
  const [records, intents] = [new Set<string>(), new Set<string>()]
  for (let at = HEADER_BYTES; at + FRAME_BYTES <= bytes.length; ) {
    const end = at + FRAME_BYTES + bytes.readUInt32LE(at)
    if (end > bytes.length) break
    const [id = ""] = bytes.toString("utf8", at + FRAME_BYTES, end).split("\n")
    if (bytes[at + 8] === 1) records.add(id)
    else intents.add(id)
    at = end
  }
  return { records, intents }
}

describe("a gateway that was killed", () => {
  it("has every whole record of a journal that was cut off anywhere, once", async () => {
    const { gateway, proxy, databaseUrl, ask } = await startGateway()
    const cuts: Array<string> = []
    const expected = new Map<string, string | null>()
    const shipped = async () => (await metric(gateway.url, "gateway_ledger_queue_records")) === 0
    for (let round = 0; round < 2; round++) {
      await eventually(shipped, 10_000)
      proxy.refuse()
      await Promise.all(
        Array.from({ length: 40 }, async (_, i) => assert.strictEqual((await ask(`wait ${i}`)).status, 200)),
      )
      const [path = ""] = journalFiles(gateway.dataDir)
      const written = () => framesIn(readFileSync(path)).records.size
      // Where a machine's starts have names, what is cut off later has a number.
      const noted = () => Number(readFileSync(join(path, "../written"), "latin1").split(/ +/)[2])
      if (LINUX) await eventually(() => existsSync(join(path, "../written")) && noted() === written())
      await gateway.kill()
      const before = written()
      const { length } = readFileSync(path)
      // Most of it is there.
      const cutAt = Math.floor(length * (0.5 + Math.random() / 2))
      cuts.push(`${cutAt} of ${length}`)
      truncateSync(path, cutAt)
      const { records, intents } = framesIn(readFileSync(path))
      for (const id of intents) expected.set(id, "gateway_crashed")
      for (const id of records) expected.set(id, null)
      assert.isAbove(records.size, 10, cuts.join(", "))
      proxy.accept()
      await gateway.start()
      await gateway.ready()
      // A new process knows no key yet.
      await eventually(async () => (await ask("wait 0")).status === 200)
      await known(ask)
      await eventually(shipped, 10_000)
      const lost = before - records.size
      const damaged = 'gateway_ledger_dropped_total{reason="damaged"}'
      if (LINUX && lost > 0) assert.strictEqual(await metric(gateway.url, damaged), lost, cuts.join(", "))
    }
    assert.strictEqual(await gateway.stop(), 0)
    const { rows, rollupFaults } = await readBooks(databaseUrl)
    assert.strictEqual(new Set(rows.map(({ id }) => id)).size, rows.length)
    const stored = new Map(rows.map(({ id, error }) => [id, error]))
    for (const [id, error] of expected) assert.strictEqual(stored.get(id), error, `${id}, ${cuts}`)
    // And two for each life, asked with its database there.
    assert.isAtMost(rows.length - expected.size, 3 * FIRST)
    assert.deepStrictEqual(rollupFaults, [])
    assert.deepStrictEqual(readdirSync(join(gateway.dataDir, "journal")), [])
  })
})

const onDatabase = <A, E>(url: string, work: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
  SqlClient.SqlClient.use(work).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), prepare: false }), { local: true }),
    Effect.runPromise,
  )

/** Holds the rows of all claims: whoever wants to change one waits. */
const holdClaims = async (url: string) => {
  const held = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  const transaction = onDatabase(url, (sql) =>
    sql`SELECT FROM idempotency_claims FOR UPDATE`.pipe(
      Effect.andThen(Effect.sync(held.resolve)),
      Effect.andThen(Effect.promise(() => over.promise)),
      sql.withTransaction,
    ),
  )
  await held.promise
  const letGo = () => {
    over.resolve()
    return transaction
  }
  return { letGo }
}

describe("keyed answers", () => {
  it("that were delivered are not run again, however slow their claims were stored and whenever the gateway died", async () => {
    const { gateway, databaseUrl, ask } = await startGateway()
    const prompts = Array.from({ length: 5 }, (_, i) => `wait ${500 + i}`)
    // A claim that a busy machine could not make in time has run nothing, and may stand for as long as its lease.
    const keyed = async (prompt: string): Promise<Awaited<ReturnType<typeof ask>>> => {
      const answer = await ask(prompt, { "idempotency-key": prompt.replace(" ", "-") })
      return answer.status !== 200 ? setTimeout(100).then(() => keyed(prompt)) : answer
    }
    const askAll = () => Promise.all(prompts.map(keyed))
    const calls = () => upstream.calls.filter(({ asked }) => prompts.includes(asked.prompt)).length
    const asked = askAll()
    await eventually(async () => calls() === prompts.length, 10_000)
    const { letGo } = await holdClaims(databaseUrl)
    const slow = setTimeout(3_000).then(letGo)
    const answers = await asked
    // Long enough for a statement that was given up to be cancelled, and not for another.
    await setTimeout(300)
    await gateway.kill()
    await letGo()
    await slow
    await onDatabase(databaseUrl, (sql) => sql`UPDATE idempotency_claims SET lease_until = clock_timestamp()`)
    await gateway.start()
    await gateway.ready()
    await eventually(async () => (await ask("wait 0")).status === 200)
    const again = await askAll()
    assert.strictEqual(calls(), prompts.length)
    for (const [i, { status, body, headers }] of again.entries()) {
      assert.deepStrictEqual([status, body], [200, answers[i]?.body])
      assert.strictEqual(headers.get("idempotent-replayed"), "true")
    }
  })
})

const faulty = async (options: { readonly more?: string } = {}) => {
  const file = join(folder, `fault-${Math.random()}`)
  const preload = pathToFileURL(join(import.meta.dirname, "../support/process-faults.ts")).href
  const started = await startGateway({
    ...options,
    env: { NODE_OPTIONS: `--import=${preload}`, FAULT_FILE: file },
  })
  const inject = async (what: string) => {
    await writeFile(file, what)
    process.kill(started.gateway.pid, "SIGUSR2")
  }
  return { ...started, inject }
}

describe("an error that no request and no fiber owns", () => {
  it("is logged as one line and ends the process with 1 at once, and nothing is lost", async () => {
    const { gateway, databaseUrl, ask, stream, inject } = await faulty()
    const expected = new Map<string, string | null>()
    for (const what of ["rejection", "exception"]) {
      const open = stream("stream 900x50")
      await open.until(({ bytes }) => bytes > 0, 10_000)
      const delivered = await Promise.all(Array.from({ length: 20 }, () => ask("wait 5")))
      const startedAt = performance.now()
      await inject(what)
      assert.strictEqual(await gateway.ended, 1)
      assert.isBelow(performance.now() - startedAt, scaled(5000))
      await open.ended
      assert.strictEqual(open.ending, "cut")
      for (const { headers } of delivered) expected.set(headers.get("x-request-id") ?? "", null)
      expected.set(open.requestId, "gateway_crashed")
      await gateway.start()
      await gateway.ready()
    }
    const fatal = gateway.log.filter(({ level }) => level === "FATAL")
    assert.deepStrictEqual(
      fatal.map(({ cause }) => String(cause).split("\n")[0]),
      ["Error: nobody awaits this", "Error: nobody catches this"],
    )
    assert.isTrue(gateway.stderr.split("\n").every((line) => line === "" || line.startsWith("{")))
    await eventually(async () => (await metric(gateway.url, "gateway_ledger_queue_records")) === 0, 20_000)
    assert.strictEqual(await gateway.stop(), 0)
    const rows = new Map((await readBooks(databaseUrl)).rows.map(({ id, error }) => [id, error]))
    for (const [id, error] of expected) assert.strictEqual(rows.get(id), error, id)
  })
})

describe.concurrent("a gateway that is told to stop", () => {
  it("with 200 open streams and requests coming resets nobody, finishes what fits and says so to the rest", async () => {
    const { gateway, databaseUrl, stream, ask } = await startGateway({ more: "timeouts: { drain_ms: 3000 }" })
    const OPEN = 200
    const agent = new Agent({ keepAlive: true })
    // Half of them are over in a second, half of them would take minutes.
    const short = Array.from({ length: OPEN / 2 }, (_, i) => stream(`stream 5x${150 + (i % 50)}`, agent))
    const long = Array.from({ length: OPEN / 2 }, () => stream("stream 900x250", agent))
    const open = [...short, ...long]
    await Promise.all(open.map((client) => client.until(({ bytes }) => bytes > 0, 20_000)))

    const asked: Array<Promise<number>> = []
    const visitFor = async (ms: number) => {
      for (const until = performance.now() + ms; performance.now() < until; await setTimeout(15)) {
        asked.push(ask("wait 100").then(({ status }) => status))
      }
    }
    await visitFor(300)
    const inFlight = asked.length
    const toldAt = performance.now()
    gateway.signal("SIGTERM")
    // For whoever has not noticed the port is open for half a second more. Who finds it closed then had time to.
    await visitFor(200)
    const answers = asked.map((answer, i) =>
      answer.catch((cause) => {
        if (i < inFlight || performance.now() - toldAt < 450) throw cause
        return undefined
      }),
    )
    const answered = (await Promise.all(answers)).filter((status) => status !== undefined)
    assert.strictEqual(await gateway.ended, 0)
    assert.isBelow(performance.now() - toldAt, scaled(8000))
    assert.deepStrictEqual([...new Set(answered)], [200])
    assert.isAbove(inFlight, 0)
    await Promise.all(open.map(({ ended }) => ended))
    assert.deepStrictEqual([...new Set(open.map(({ ending }) => ending))], ["end"])
    assert.deepStrictEqual([...new Set(short.map(({ text }) => endOf(text)))], ["done"])
    assert.deepStrictEqual([...new Set(long.map(({ text }) => endOf(text)))], ["error"])
    assert.isTrue(long.every(({ text }) => text.includes('"code":"request_aborted"')))

    const { rows, rollupFaults } = await readBooks(databaseUrl)
    const errors = new Map(rows.map(({ id, error }) => [id, error]))
    for (const { requestId } of short) assert.isNull(errors.get(requestId))
    for (const { requestId } of long) assert.strictEqual(errors.get(requestId), "request_aborted")
    const good = rows.filter(({ error }) => error === null).length
    assert.strictEqual(good, short.length + answered.length + FIRST)
    assert.deepStrictEqual(rollupFaults, [])
    assert.deepStrictEqual(readdirSync(join(gateway.dataDir, "journal")), [])
  })

  it("twice at the same time stops once and in order; once more later, it ends at once", async () => {
    const { gateway, ask } = await startGateway()
    const answer = ask("wait 30000").then(
      ({ status }) => status,
      () => "cut",
    )
    await upstream.until(({ calls }) => calls.some(({ asked }) => asked.prompt === "wait 30000"), 5000)
    // As Ctrl-C does it under npm.
    gateway.signal("SIGINT")
    gateway.signal("SIGINT")
    await setTimeout(1200)
    assert.isTrue(gateway.alive)
    const startedAt = performance.now()
    gateway.signal("SIGTERM")
    assert.strictEqual(await gateway.ended, 1)
    assert.isBelow(performance.now() - startedAt, scaled(1000))
    assert.strictEqual(await answer, "cut")
    const said = gateway.log.filter(({ message }) => String(message).includes("second signal"))
    assert.lengthOf(said, 1)
  })
})

describe.concurrent("a wall clock that jumps", () => {
  const HOUR_MS = 3_600_000

  it("an hour ahead and two back changes nothing for requests, limits, claims and waits", async () => {
    const { gateway, databaseUrl, ask, stream, inject } = await faulty({
      more: "routes: { troubled: { candidates: [p0/m] } }",
    })
    const sane = ({ headers }: { readonly headers: Headers }) => {
      const retryAfter = headers.get("retry-after")
      if (retryAfter !== null) {
        assert.match(retryAfter, /^[1-9]\d*$/)
        assert.isAtMost(Number(retryAfter), 60)
      }
      const remaining = /r=(\d+);t=(\d+)/.exec(headers.get("ratelimit") ?? "")
      if (remaining !== null) assert.isAtMost(Number(remaining[2]), 60)
    }
    const first = await ask("wait 0", { "idempotency-key": "before" })
    // Half an answer on each side of the jump.
    const across = stream("stream 12x100")
    await across.until(({ bytes }) => bytes > 0, 5000)
    const claimed = ask("wait 1500", { "idempotency-key": "across" })
    await upstream.until(({ calls }) => calls.some(({ asked }) => asked.prompt === "wait 1500"), 5000)
    for (const offset of [HOUR_MS, -HOUR_MS]) {
      const stumbling = ask(`stumble ${1500 + offset / HOUR_MS}`)
      await setTimeout(200)
      await inject(`clock ${offset}`)
      await setTimeout(100)
      for (let i = 0; i < 20; i++) {
        const answer = await ask("wait 0")
        assert.strictEqual(answer.status, 200, answer.body)
        sane(answer)
      }
      // The lease of the run under way is on the database's clock: it was neither taken over nor run again.
      const again = await ask("wait 0", { "idempotency-key": "before" })
      assert.deepStrictEqual([again.status, again.body], [200, first.body])
      assert.strictEqual(again.headers.get("idempotent-replayed"), "true")
      // Whoever retries has the time that has not passed.
      assert.strictEqual((await stumbling).status, 200)
      // Enough to open the circuit, which then closes again by the monotonic clock or not at all in this test's time.
      const trouble = await ask("trouble")
      assert.oneOf(trouble.status, [502, 503])
      sane(trouble)
      const { body } = await gateway.readyz()
      assert.strictEqual(body.status, "ready")
    }
    assert.strictEqual((await claimed).status, 200)
    const calls = upstream.calls.filter(({ asked }) => asked.prompt === "wait 1500")
    assert.lengthOf(calls, 1)
    await across.ended
    assert.strictEqual(endOf(across.text), "done")
    await inject("clock 0")
    assert.strictEqual((await ask("wait 0")).status, 200)
    assert.strictEqual(await gateway.stop(), 0)
    const { rows, rollupFaults } = await readBooks(databaseUrl)
    // It really was off.
    assert.isTrue(rows.some(({ startedAt }) => startedAt > Date.now() + HOUR_MS / 2))
    assert.isTrue(rows.some(({ startedAt }) => startedAt < Date.now() - HOUR_MS / 2))
    assert.deepStrictEqual(rollupFaults, [])
    const longest = Math.max(...rows.map(({ latencyMs }) => latencyMs))
    assert.isBelow(longest, scaled(20_000), "a step is no latency")
    assert.isAbove(longest, 1_500)
    assert.strictEqual(rows.find(({ id }) => id === across.requestId)?.error, null)
    assert.strictEqual(new Set(rows.map(({ id }) => id)).size, rows.length)
  })
})
