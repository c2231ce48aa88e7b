import { assert } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { afterAll, describe, it } from "vitest"
import { runCli } from "../cli/run-cli.ts"
import { freshPostgresUrl } from "../support/Databases.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { ok } from "../support/fake-upstream-behaviours.ts"
import { ADMIN_JWT_SECRET } from "../support/GatewayClient.ts"
import { providersYaml } from "../support/gateway-environment.ts"
import { nextVersion, type OtherVersion, previousVersion } from "../support/other-versions.ts"
import { query } from "../support/postgres-signals.ts"
import { eventually } from "../support/process-watch.ts"
import { Replica } from "../support/Replica.ts"
import { StreamClient } from "../support/StreamClient.ts"
import { endOf } from "../support/StreamHistory.ts"
import { scaled } from "../support/slowness.ts"
import { readBooks } from "../torture/Books.ts"

/** An older and a newer gateway on one PostgreSQL: a rolling update in which the older one dies, and the way back. */

const TOKENS = { input: 40, output: 60 }
const CALL_NANO_USD = TOKENS.input * 1_000 + TOKENS.output * 2_000
const BUDGET_CALLS = 20
const PER_MINUTE = 30

/** What a later version may do to the schema without ado. */
const ADDS_SOMETHING = `
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql\`CREATE TABLE things (id bigint PRIMARY KEY, name text NOT NULL)\`
  yield* sql\`ALTER TABLE requests ADD COLUMN thing text NOT NULL DEFAULT ''\`
  yield* sql\`ALTER TABLE api_keys ADD COLUMN thing bigint REFERENCES things\`
  yield* sql\`ALTER TABLE usage_recent ADD COLUMN things bigint NOT NULL DEFAULT 0\`
})
`

const previous = previousVersion()
if (typeof previous === "string")
  console.warn(`Skipped: this version beside the one before it, as ${previous}.`)

interface Sent {
  readonly prompt: string
  readonly requestId: string
  readonly replayed: boolean
}

class Clients {
  readonly sent: Array<Sent> = []
  readonly faults: Array<string> = []
  /** Asked in turn. */
  gateways: ReadonlyArray<Replica> = []
  keys: ReadonlyArray<string> = []
  #asked = 0
  #isOver = false
  #running: ReadonlyArray<Promise<void>> = []

  start(): void {
    this.#running = Array.from({ length: 6 }, (_, i) => this.#run(i))
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
  }

  /** Resolves when so many more are answered. */
  async answered(count: number): Promise<void> {
    const until = this.sent.length + count
    await eventually(() => this.sent.length >= until || this.faults.length > 0, 30_000)
    this.check()
  }

  check(): void {
    assert.deepStrictEqual(this.faults.slice(0, 5), [])
  }

  async #run(client: number): Promise<void> {
    while (!this.#isOver) {
      const n = this.#asked++
      const prompt = `ask ${n}`
      const gateway = this.gateways[n % this.gateways.length]
      const key = this.keys[(n >> 1) % this.keys.length]
      if (gateway === undefined || key === undefined) return
      if (client % 3 < 2) await this.ask(gateway, key, prompt, client % 3 === 1)
      else {
        const first = await this.ask(gateway, key, prompt, n % 2 === 0, `key-${n}`)
        if (first === undefined) continue
        const other = this.gateways.find((each) => each !== gateway) ?? gateway
        const again = await this.ask(other, key, prompt, n % 2 === 0, `key-${n}`)
        if (again !== undefined && !again.replayed) this.faults.push(`${prompt} was answered anew`)
        if (again !== undefined && withoutIds(again.text) !== withoutIds(first.text)) {
          this.faults.push(`${prompt} was answered with ${first.text}, then with ${again.text}`)
        }
      }
    }
  }

  /** Undefined when there was no whole answer, which is a fault unless the gateway was killed meanwhile. */
  async ask(gateway: Replica, key: string, prompt: string, stream: boolean, idempotencyKey?: string) {
    const kills = gateway.kills.length
    const client = new StreamClient({
      ...{ url: gateway.url, path: "/infer", key },
      headers: idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey },
      body: { prompt, stream, model: "p0/m", max_tokens: 60 },
    })
    await client.ended
    const { requestId, status, text } = client
    if (status !== 200 || client.ending !== "end" || (stream && endOf(text) !== "done")) {
      if (kills === gateway.kills.length) this.faults.push(`${prompt}: ${status} ${client.ending} ${text}`)
      return undefined
    }
    const sent = { prompt, requestId, replayed: client.headers["idempotent-replayed"] === "true" }
    this.sent.push(sent)
    return { ...sent, text }
  }
}

const withoutIds = (text: string) => text.replace(/"request_id":"[^"]*"/g, "")

/** Asks all gateways at once and counts the answers. */
const flood = async (gateways: ReadonlyArray<Replica>, key: string, times: number) => {
  const statuses = await Promise.all(
    Array.from({ length: times }, async (_, i) => {
      const client = new StreamClient({
        ...{ url: gateways[i % gateways.length]?.url ?? "", path: "/infer", key },
        body: { prompt: "flood", stream: i % 3 === 0, model: "p0/m", max_tokens: 60 },
      })
      await client.ended
      return client.status
    }),
  )
  return statuses.filter((status) => status === 200).length
}

/** Starts a version that the schema does not take, and returns its last words. */
const refusalOf = async (replica: Replica): Promise<string> => {
  await replica.start().catch(() => {})
  assert.strictEqual(await replica.ended, 1)
  const lines = replica.stderr.trim().split("\n")
  return lines.at(-1) ?? ""
}

const update = async (older: OtherVersion | undefined, newer: OtherVersion | undefined) => {
  const upstream = await FakeUpstream.start()
  upstream.respond(ok({ usage: TOKENS, delayMs: 30, msBetween: 2 }))
  const databaseUrl = await Effect.runPromise(freshPostgresUrl).then(Redacted.value)
  const config = providersYaml(
    [upstream],
    "limits: { requests_per_minute: 1000000, max_event_loop_delay_ms: 60000, max_attempts: 1 }",
  )
  const options = { databaseUrl, config }
  const old = await Replica.make({ ...options, main: older?.main })
  const fresh = await Replica.make({ ...options, main: newer?.main })
  /** The newer version in the older one's place, and the older one in the newer one's. */
  const successor = await Replica.make({ ...options, main: newer?.main, dataDir: old.dataDir })
  const wayBack = await Replica.make({ ...options, main: older?.main, dataDir: fresh.dataDir })
  const clients = new Clients()
  try {
    await old.start()
    await old.ready()
    const { key: olderKey } = await old.createKey("made by the older")
    clients.gateways = [old]
    clients.keys = [olderKey]
    clients.start()
    await clients.answered(20)

    await fresh.start()
    await fresh.ready()
    const { key: newerKey } = await fresh.createKey("made by the newer")
    clients.keys = [olderKey, newerKey]
    clients.gateways = [old, fresh]
    await clients.answered(150)

    const limited = await old.createKey("limited", { rpm: PER_MINUTE })
    const paid = await fresh.createKey("paid", {
      budget_usd: (BUDGET_CALLS * CALL_NANO_USD) / 1e9,
      budget_window: "total",
    })
    const startedMs = performance.now()
    const admitted = await flood([old, fresh], limited.key, 3 * PER_MINUTE)
    const refilled = ((performance.now() - startedMs) / 60_000) * PER_MINUTE
    assert.isAtMost(admitted, (PER_MINUTE + refilled) * (scaled(100) > 150 ? 1.25 : 1.05) + 1)
    assert.isAtLeast(admitted, PER_MINUTE * 0.8)
    // More than once, as gateways hold for each request the most that it may cost until it is over.
    let afforded = 0
    for (let round = 0; round < 5; round++) afforded += await flood([old, fresh], paid.key, BUDGET_CALLS)
    assert.isAtMost(afforded, BUDGET_CALLS)
    assert.isAtLeast(afforded, BUDGET_CALLS * 0.8)

    const [{ oldest = 0 } = {}] = await query<{ oldest?: number }>(
      databaseUrl,
      "SELECT schema AS oldest FROM oldest_gateway",
    )
    const mayStart = older === undefined || older.schema >= oldest
    clients.gateways = [fresh]
    await old.kill()
    if (mayStart) {
      await old.start()
      await old.ready()
      clients.gateways = [old, fresh]
    } else assert.match(await refusalOf(old), /does not know: .* or restore a backup from before\.$/)
    await clients.answered(100)

    clients.gateways = [fresh]
    if (mayStart) assert.strictEqual(await old.stop(), 0)
    await successor.start()
    await successor.ready()
    clients.gateways = [successor, fresh]
    await clients.answered(50)

    clients.gateways = [successor]
    assert.strictEqual(await fresh.stop(), 0)
    if (mayStart) {
      await wayBack.start()
      await wayBack.ready()
      clients.gateways = [wayBack, successor]
      await clients.answered(50)
    } else assert.match(await refusalOf(wayBack), /does not know: .* or restore a backup from before\.$/)
    await clients.end()
    const last = mayStart ? [wayBack, successor] : [successor]
    assert.isTrue((await Promise.all(last.map((each) => each.stop()))).every((code) => code === 0))
    clients.check()

    const books = await readBooks(databaseUrl)
    const ids = books.rows.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    const answered = clients.sent.filter(({ replayed }) => !replayed).map(({ requestId }) => requestId)
    assert.includeMembers(ids, answered)
    // Who was killed may have had calls that left, and calls that did not.
    const lost = books.attempts.filter(({ outcome }) => outcome === "lost").length
    assert.isAtMost(upstream.count, books.attempts.length)
    assert.isAtLeast(upstream.count, books.attempts.length - lost)
    assert.deepStrictEqual(books.rollupFaults, [])
    const spent = await query<{ nano: number }>(
      databaseUrl,
      `SELECT spent_nano_usd::float8 AS nano FROM budget_windows JOIN budgets ON id = budget_id WHERE subject = '${paid.id}'`,
    )
    assert.deepStrictEqual(spent, [{ nano: afforded * CALL_NANO_USD }])
    const env = { DATABASE_URL: databaseUrl, ADMIN_JWT_SECRET, DATA_DIR: successor.dataDir }
    const doctor = await Effect.runPromise(runCli(["doctor"], env, successor.dataDir))
    assert.strictEqual(doctor.code, 0, doctor.stdout)
    console.log(
      `${clients.sent.length} answers by both versions, ${ids.length} rows, ${lost} lost attempts, ${admitted} admitted, ` +
        `${afforded} afforded; the older one ${mayStart ? "came back" : "was refused"}`,
    )
  } finally {
    await clients.end()
    for (const replica of [wayBack, successor, fresh, old]) await replica.remove()
    await upstream.stop()
  }
}

describe("two versions on one PostgreSQL account for everything once, and hold limits together", () => {
  const timeout = scaled(180_000)

  afterAll(() => {
    if (typeof previous !== "string") previous.remove()
  })

  it.skipIf(typeof previous === "string")(
    "when this one follows the one before the newest migration",
    { timeout },
    () => update(typeof previous === "string" ? undefined : previous, undefined),
  )

  it("when one follows this one that adds to the schema", { timeout }, async () => {
    const next = nextVersion(ADDS_SOMETHING)
    await update(undefined, next).finally(next.remove)
  })
})
