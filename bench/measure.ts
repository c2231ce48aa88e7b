/** One run of load on one subject, with what it cost and whether its books agree. */
import { setTimeout } from "node:timers/promises"
import type { Load } from "./load.ts"
import { coreSeconds, cpuSeconds, peakMiB, residentMiB, untilQuiet } from "./proc.ts"
import { SUBJECT_CORE } from "./processes.ts"
import { percentile } from "./statistics.ts"
import type { Subject } from "./subject.ts"
import type { World } from "./world.ts"

interface Round {
  readonly requests: number
  readonly failures: number
  readonly perSecond: number
  /** CPU microseconds of the subject, and of PostgreSQL, for each call that the mock received. */
  readonly cpuUs: number
  readonly postgresUs: number
  /** Share of a core that the subject used while it was under load, and the shares of everything beside it. */
  readonly busy: number
  readonly loaderBusy: number
  readonly mockBusy: number
  readonly postgresBusy: number
  /** Share of the subject's core that somebody else used meanwhile. */
  readonly foreignBusy: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly firstP50: number
  readonly firstP99: number
  readonly residentMiB: number
  readonly peakMiB: number
  /** What is wrong with it: answers, pieces of streams or rows that are missing. */
  readonly faults: ReadonlyArray<string>
}

const MS_FOR_ROWS = 30_000

/** Waits for the rows of so many answers; what is missing afterwards, or too much, is a fault. */
const rowFaults = async (world: World, before: number, answered: number): Promise<ReadonlyArray<string>> => {
  const giveUpAt = performance.now() + MS_FOR_ROWS
  let rows = (await world.ledgerRows()) - before
  while (rows < answered && performance.now() < giveUpAt) {
    await setTimeout(200)
    rows = (await world.ledgerRows()) - before
  }
  return rows === answered ? [] : [`${answered} answers have ${rows} rows in the ledger`]
}

const loadFaults = (load: Load): ReadonlyArray<string> => [
  ...(load.failures === 0
    ? []
    : [`${load.failures} of ${load.requests} requests failed: ${JSON.stringify(load.failedWith)}`]),
  ...(load.markers === load.expectedMarkers
    ? []
    : [`${load.expectedMarkers - load.markers} pieces of ${load.expectedMarkers} are missing`]),
]

/** Counts CPU from before the load until the subject is quiet again, so that what it does later is paid for too. */
const measure = async (
  world: World,
  subject: Subject,
  put: (subject: Subject) => Promise<Load>,
): Promise<Round> => {
  await untilQuiet(subject.pid)
  const mock = world.subjects[0]?.pid ?? 0
  const used = () => ({
    subject: cpuSeconds(subject.pid),
    mock: cpuSeconds(mock),
    postgres: cpuSeconds(world.postgresPid),
    loader: process.cpuUsage(),
    core: coreSeconds(SUBJECT_CORE),
  })
  const callsBefore = await world.calls()
  const rowsBefore = subject.hasLedger ? await world.ledgerRows() : 0
  const before = used()
  const load = await put(subject)
  const loaded = used()
  await untilQuiet(subject.pid)
  const after = used()
  const calls = (await world.calls()) - callsBefore
  const loaderUs = loaded.loader.user - before.loader.user + (loaded.loader.system - before.loader.system)
  const share = (name: "subject" | "mock" | "postgres" | "core") =>
    (loaded[name] - before[name]) / load.seconds
  const rows = subject.hasLedger ? await rowFaults(world, rowsBefore, load.requests - load.failures) : []
  return {
    requests: load.requests,
    failures: load.failures,
    perSecond: load.requests / load.seconds,
    cpuUs: ((after.subject - before.subject) * 1e6) / calls,
    postgresUs: subject.hasLedger ? ((after.postgres - before.postgres) * 1e6) / calls : Number.NaN,
    busy: share("subject"),
    loaderBusy: loaderUs / 1e6 / load.seconds,
    mockBusy: share("mock"),
    postgresBusy: share("postgres"),
    foreignBusy: subject.pid === mock ? 0 : share("core") - share("subject"),
    p50: percentile(load.latencies, 0.5),
    p99: percentile(load.latencies, 0.99),
    firstP50: percentile(load.firstMarkers, 0.5),
    firstP99: percentile(load.firstMarkers, 0.99),
    residentMiB: residentMiB(subject.pid),
    peakMiB: peakMiB(subject.pid),
    faults: [...loadFaults(load), ...rows],
  }
}

export type Rounds = ReadonlyMap<Subject, ReadonlyArray<Round>>

/** Runs each subject once a round, in turned order every second time, after a round that does not count. */
export const interleaved = async (
  world: World,
  subjects: ReadonlyArray<Subject>,
  options: { readonly rounds: number; readonly say: (line: string) => void; readonly what: string },
  put: (subject: Subject, warmUp: boolean) => Promise<Load>,
): Promise<Rounds> => {
  const rounds = new Map<Subject, Array<Round>>(subjects.map((subject) => [subject, []]))
  for (const subject of subjects) {
    options.say(`${options.what}: warming ${subject.name} up`)
    await put(subject, true)
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
      const result = await measure(world, subject, (each) => put(each, false))
      rounds.get(subject)?.push(result)
      options.say(
        `${options.what}: round ${round + 1} of ${options.rounds}, ${subject.name}: ` +
          `${Math.round(result.perSecond)}/s, ${result.cpuUs.toFixed(1)} us, ${Math.round(result.busy * 100)} % busy`,
      )
      for (const fault of result.faults) options.say(`  FAULT ${subject.name}: ${fault}`)
    }
  }
  return rounds
}
