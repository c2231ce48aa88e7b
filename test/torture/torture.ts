import { readdirSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { createPostgresServer, type PostgresServer } from "../support/postgres-server.ts"
import { eventually, metric } from "../support/process-watch.ts"
import { freePort, Replica } from "../support/Replica.ts"
import { behaviourOf, config, numberIn } from "./asks.ts"
import { type Books, readBooks } from "./Books.ts"
import { Clients, type Send } from "./Clients.ts"
import type { Scene } from "./disasters.ts"
import { violations } from "./laws.ts"
import { Random } from "./Random.ts"

/**
 * Gateways on one DATA_DIR and one PostgreSQL, under the load of real clients, while whatever `strike` says is killed.
 * When all is quiet again, what the clients and the providers saw is held against the database.
 */
export interface Torture {
  readonly seed: number
  readonly replicas: number
  readonly clients: number
  /** Where gateways keep what is not in the database yet. */
  readonly journal: "file" | "memory"
  readonly strike: (scene: Scene) => Promise<number>
  readonly say: (what: string) => void
}

interface Verdict {
  readonly violations: ReadonlyArray<string>
  readonly sends: ReadonlyArray<Send>
  readonly books: Books
  /** That providers counted. */
  readonly calls: number
  readonly disasters: number
  /** Of every gateway's last life. */
  readonly exitCodes: ReadonlyArray<number | null>
  /** What is in the journal's directory when no gateway runs any more. */
  readonly leftInJournal: ReadonlyArray<string>
}

export const torture = async (options: Torture): Promise<Verdict> => {
  const dataDir = await mkdtemp(join(tmpdir(), "gateway-torture-"))
  const postgres = await createPostgresServer()
  const upstreams = await Promise.all([FakeUpstream.start(), FakeUpstream.start()])
  const replicas: Array<Replica> = []
  try {
    await postgres.start()
    const [p0, p1] = upstreams
    const yaml = config([p0.openAiBaseUrl, p1.openAiBaseUrl], await freePort(), options.journal)
    for (let i = 0; i < options.replicas; i++) {
      replicas.push(await Replica.make({ databaseUrl: postgres.url, config: yaml, dataDir }))
    }
    await Promise.all(replicas.map((replica) => replica.start()))
    return await underway(options, dataDir, postgres, upstreams, replicas)
  } finally {
    await Promise.all(replicas.map((replica) => replica.remove()))
    await Promise.all([postgres.remove(), ...upstreams.map((upstream) => upstream.stop())])
    await rm(dataDir, { recursive: true, force: true })
  }
}

const underway = async (
  { clients, seed, say, strike }: Torture,
  dataDir: string,
  postgres: PostgresServer,
  upstreams: ReadonlyArray<FakeUpstream>,
  replicas: ReadonlyArray<Replica>,
): Promise<Verdict> => {
  await Promise.all(replicas.map((replica) => replica.ready()))
  const [first] = replicas
  if (first === undefined) throw new Error("no replica")
  const keys = [await first.createKey("one"), await first.createKey("two")].map(({ key }) => key)

  const calls = new Map<number, Map<string, number>>()
  for (const [i, upstream] of upstreams.entries()) {
    upstream.respond((exchange) => {
      const number = numberIn(exchange.asked.prompt)
      const ofAsk = calls.get(number) ?? new Map<string, number>()
      calls.set(number, ofAsk.set(`p${i}`, (ofAsk.get(`p${i}`) ?? 0) + 1))
      behaviourOf(seed, number, i === 0 ? 0 : 1)(exchange)
    })
  }
  const load = new Clients({ seed, clients, keys, urls: replicas.map(({ url }) => url) })
  const disasters = await strike({
    replicas,
    postgres,
    random: new Random(seed),
    delivered: () => load.delivered,
    say,
  })
  await load.stop()
  say(`${disasters} disasters, ${load.asks} asks; waiting for the gateways to be through`)

  for (const { ready, url } of replicas.map((replica) => ({ ready: replica.ready(), url: replica.url }))) {
    await ready
    await eventually(async () => (await metric(url, "gateway_in_flight_requests")) === 0, 20_000)
  }
  const shipped = async () => {
    const waiting = await Promise.all(replicas.map(({ url }) => metric(url, "gateway_ledger_queue_records")))
    return waiting.every((records) => records === 0)
  }
  await eventually(shipped, 30_000)
  const exitCodes = await Promise.all(replicas.map((replica) => replica.stop()))
  const leftInJournal = readJournal(dataDir)
  const books = await readBooks(postgres.url)
  const kills = replicas.flatMap((replica) => replica.kills)
  return {
    violations: violations({ sends: load.sends, calls, books, kills }),
    sends: load.sends,
    books,
    calls: [...calls.values()].reduce((sum, each) => sum + [...each.values()].reduce((a, b) => a + b, 0), 0),
    disasters,
    exitCodes,
    leftInJournal,
  }
}

const readJournal = (dataDir: string): ReadonlyArray<string> => {
  try {
    return readdirSync(join(dataDir, "journal"), { recursive: true }).map(String)
  } catch {
    return []
  }
}

/** One line for people. */
export const summary = ({ books, calls, disasters, sends, violations }: Verdict): string => {
  const of = (ending: Send["ending"]) => sends.filter((send) => send.ending === ending).length
  const lost = books.attempts.filter(({ outcome }) => outcome === "lost").length
  const replayed = sends.filter((send) => send.replayed).length
  const codes = Map.groupBy(
    sends.filter(({ ending }) => ending === "refused"),
    ({ code }) => code,
  )
  return (
    `${disasters} disasters, ${sends.length} requests: ${of("delivered")} delivered (${replayed} replays), ` +
    `${of("refused")} refused, ${of("broken")} broken, ${of("cut")} cut, ${of("left")} left; ` +
    `${books.rows.length} rows, ${calls} calls, ${books.attempts.length} attempts (${lost} lost); ` +
    `${violations.length} violations; refusals: ` +
    [...codes].map(([code, { length }]) => `${length} ${code}`).join(", ")
  )
}
