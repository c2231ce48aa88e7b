import { Effect, Exit, Layer, Scope } from "effect"
import { AuthError } from "../../src/auth/AuthError.ts"
import { Authenticator } from "../../src/auth/Authenticator.ts"
import type { LeaseAnswer } from "../../src/budgets/LeaseStore.ts"
import { Dice } from "../fuzz/Dice.ts"
import { timeouts } from "../support/settings.ts"
import { START_MS } from "../support/started-clock.ts"
import { VirtualTime } from "../support/virtual-time.ts"
import { Books, type Row } from "./Books.ts"
import { Client, principalIn, principals, type Sight } from "./Client.ts"
import { Disk } from "./Disk.ts"
import {
  type Gateway,
  idempotencyOf,
  type Limits,
  limitsOf,
  type ProviderName,
  providerNames,
  startGateway,
  targets,
} from "./gateway.ts"
import { Process } from "./Process.ts"
import { Treasury } from "./Treasury.ts"
import { Upstream, type UpstreamCall } from "./Upstream.ts"
import { eventsOf, isDuring, type Outage, type Visit, type World } from "./World.ts"

/** Everything that happened in a world, for its laws to judge. All times count from the start of the world. */
export interface Run {
  readonly world: World
  readonly limits: Limits
  readonly sights: ReadonlyArray<Sight>
  readonly calls: ReadonlyArray<UpstreamCall>
  /** What the database has in the end, by id. */
  readonly rows: ReadonlyMap<string, Row>
  readonly callsOf: (visit: Visit) => ReadonlyArray<UpstreamCall>
  readonly deaths: ReadonlyArray<{ readonly process: string; readonly atMs: number }>
  /** How often the journals took each request, by its id. */
  readonly written: ReadonlyMap<string, number>
  /** Records that never got into the database. */
  readonly leftovers: number
  /** Tripped at a moment at which somebody came. */
  readonly trips: ReadonlyArray<{ readonly atMs: number; readonly process: string; readonly target: string }>
  readonly processes: ReadonlyArray<End>
  /** Providers that have no trouble at all. */
  readonly steady: ReadonlySet<ProviderName>
  /** What the database knows of budgets in the end. */
  readonly treasury: Treasury
  /** Names of the processes in what they are charged, by their own. */
  readonly holders: ReadonlyMap<string, string>
}

/** What was left of a process when everybody had gone. */
interface End {
  readonly name: string
  /** Fibers more than when it had started, and those that are there after its end. */
  fibersLeft: number
  /** Requests, streams and bytes that it took for under way still, and records for unwritten. */
  readonly taken: number
  /** It did not come to its end within a minute. */
  stuck: boolean
  readonly errors: ReadonlyArray<string>
}

interface Replica {
  readonly number: number
  generation: number
  process: Process
  gateway: Gateway | undefined
  fibers: number
  /** It is dead or stops, or will at once. */
  isDoomed: boolean
  readonly clients: Set<Client>
  close: Effect.Effect<void>
}

/** Gauges that say what is under way. */
const TAKEN = [
  "gateway_in_flight_requests",
  "gateway_in_flight_body_bytes",
  "gateway_ledger_queue_records",
] as const

/** Streams are told of the end so long before the rest is cut. */
const LAST_WORDS_MS = 500

/** A gateway that stops has less than this. */
const STOP_MS = 60_000

/** What a test changes to see that it is noticed. */
export interface Changes {
  /** Changes a row on its way into the database; undefined: it is lost. */
  readonly row?: (row: Row) => Row | undefined
  /** Changes what an exchange of leases is answered. */
  readonly answer?: (answer: LeaseAnswer) => LeaseAnswer
  /** Leases of processes that have ended are kept. */
  readonly keepsLeases?: boolean
}

export const run = (world: World, changes: Changes = {}): Run => {
  const time = new VirtualTime()
  const nowMs = () => time.nowMs - START_MS
  const outages = eventsOf(world, "outage")
  const isOut = (of: Outage["of"]) => outages.some((outage) => outage.of === of && isDuring(outage, nowMs()))
  const treasury = new Treasury(world.budgets, nowMs, changes)
  const books = new Books(
    new Dice(`${world.seed} books`, 0),
    idempotencyOf(world.idempotency),
    () => (["database", "database hangs", "database answers"] as const).find(isOut),
    treasury,
    changes.row,
  )
  const disk = new Disk(new Dice(`${world.seed} disk`, 0), world.journalRecords, () => !isOut("disk"))
  const sights = new Map<string, Sight>()
  const upstream = new Upstream(world, ({ id }) => sights.get(id)?.text.length ?? 0)
  const visits = new Map(eventsOf(world, "visit").map((visit): [string, Visit] => [visit.id, visit]))
  const deaths: Array<Run["deaths"][number]> = []
  const trips: Array<Run["trips"][number]> = []
  const ends: Array<End> = []
  const aheadMs: Array<number> = Array(world.replicas).fill(0)

  const authenticator = Layer.succeed(Authenticator, {
    ownerOf: () => Effect.undefined,
    authenticate: (token) =>
      Effect.gen(function* () {
        const visit = visits.get(token)
        const sight = sights.get(token)
        yield* Effect.sleep(1)
        if (visit === undefined || sight === undefined || visit.credential === "invalid")
          return yield* new AuthError({ reason: "invalid" })
        if (visit.credential === "unavailable" || isOut("keys"))
          return yield* new AuthError({ reason: "unavailable" })
        sight.authenticated = true
        return principalIn(world, visit.client)
      }),
  })

  const start = (replica: Pick<Replica, "number" | "generation">): Replica => {
    const { generation, number } = replica
    const process = new Process(`${number}.${generation}`, time, () => aheadMs[number] ?? 0)
    const started: Replica = {
      number,
      generation,
      process,
      gateway: undefined,
      fibers: 0,
      isDoomed: false,
      clients: new Set(),
      close: Effect.void,
    }
    process.whenDead(() => deaths.push({ process: process.name, atMs: nowMs() }))
    const edges = Layer.mergeAll(books.layer, authenticator, upstream.layerFor(process))
    const fiber = process.fork(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        started.close = Scope.close(scope, Exit.void)
        return yield* Scope.provide(
          startGateway({
            edges,
            journal: disk.open(process),
            budgets: world.budgets,
            limits: world.limits,
            idempotency: world.idempotency,
          }),
          scope,
        )
      }),
    )
    fiber?.addObserver((exit) => {
      if (Exit.isFailure(exit)) process.errors.push(`did not start: ${exit.cause}`)
      else started.gateway = exit.value
      started.fibers = process.fibers
    })
    return started
  }

  const replicas = Array.from({ length: world.replicas }, (_, number) => start({ number, generation: 0 }))

  const lookAt = ({ gateway, process }: Replica) => {
    for (const target of targets)
      if ((gateway?.breakers.healthOf(target).trippedForMs(time.nowMs) ?? 0) > 0)
        trips.push({ atMs: nowMs(), process: process.name, target })
  }

  const come = (visit: Visit): void => {
    const sight = sights.get(visit.id)
    if (sight === undefined) return
    // As from a load balancer, which knows who is there.
    const replica = replicas
      .map((_, i) => replicas[(visit.replica + i) % replicas.length])
      .find((each) => each?.gateway !== undefined && each.process.alive)
    if (replica?.gateway === undefined) {
      sight.ending = "unreached"
      sight.endedAtMs = nowMs()
      return
    }
    lookAt(replica)
    const client = new Client(
      visit,
      time,
      replica.process,
      sight,
      () => visit.claim !== undefined && books.hasAnswer(principals[visit.client].keyId, visit.claim.key),
    )
    replica.clients.add(client)
    client.send(replica.gateway)
  }

  for (const event of world.events) {
    const at = (action: () => void) => time.at(START_MS + event.atMs, action)
    switch (event.kind) {
      case "visit":
        sights.set(event.id, unseen(event))
        at(() => come(event))
        break
      case "step":
        at(() => {
          aheadMs[event.replica] = (aheadMs[event.replica] ?? 0) + event.ms
        })
        break
      case "crash":
        at(() => {
          const replica = replicas[event.replica]
          if (replica === undefined || replica.isDoomed) return
          replica.isDoomed = true
          replica.process.whenDead(() => {
            time.at(time.nowMs + event.downMs, () => {
              replicas[event.replica] = start({ number: replica.number, generation: replica.generation + 1 })
            })
          })
          replica.process.dieAfter(event.afterSteps)
        })
        break
      case "stop":
        at(() => {
          const replica = replicas[event.replica]
          if (replica === undefined || replica.isDoomed) return
          replica.isDoomed = true
          replicas[event.replica] = start({ number: replica.number, generation: replica.generation + 1 })
          stop(replica)
        })
        break
      case "pause":
        at(() => replicas[event.replica]?.process.pause(event.forMs))
        break
      case "reset":
        at(() => void replicas[event.replica]?.gateway?.inference.resetProvider(event.provider))
        break
      default:
    }
  }

  /** As a process does that is told to: streams are ended before the rest is cut, and then everything is closed. */
  const stop = (replica: Replica): void => {
    const { gateway, process } = replica
    if (gateway === undefined) return
    time.at(time.nowMs + timeouts.drainMs - LAST_WORDS_MS, () => process.fork(gateway.inference.endStreams))
    time.at(time.nowMs + timeouts.drainMs, () => {
      for (const client of replica.clients) client.cut()
      // Whoever was cut is gone when the rest is closed.
      process.soon(() => close(replica, false))
    })
  }

  const close = ({ close, fibers, process }: Replica, isQuiet: boolean): void => {
    const end: End = {
      name: process.name,
      fibersLeft: isQuiet ? process.fibers - fibers : 0,
      taken: isQuiet ? TAKEN.reduce((sum, name) => sum + (process.levels().get(name) ?? 0), 0) : 0,
      stuck: true,
      errors: process.errors,
    }
    ends.push(end)
    process.fork(close)?.addObserver(() => {
      end.stuck = false
      end.fibersLeft += process.fibers
      process.exit()
    })
  }

  const pass = (ms: number) => void time.run(Effect.sleep(ms))
  pass(world.endMs)
  for (const replica of replicas) close(replica, true)
  pass(STOP_MS)
  const calls = Map.groupBy(upstream.calls, ({ visit }) => visit.id)
  return {
    world,
    limits: limitsOf(world.limits),
    sights: [...sights.values()],
    calls: upstream.calls,
    rows: books.rows,
    callsOf: ({ id }) => calls.get(id) ?? [],
    deaths,
    written: disk.written,
    leftovers: disk.leftovers(),
    trips,
    processes: ends,
    steady: steadyIn(world),
    treasury,
    holders: disk.names,
  }
}

const steadyIn = (world: World): ReadonlySet<ProviderName> => {
  const troubled = new Set(eventsOf(world, "weather").map(({ provider }) => provider))
  return new Set(providerNames.filter((name) => !troubled.has(name)))
}

const unseen = (visit: Visit): Sight => ({
  visit,
  process: undefined,
  authenticated: false,
  understoodAtMs: undefined,
  headAtMs: undefined,
  status: undefined,
  code: undefined,
  retryAfterMs: undefined,
  replayed: false,
  text: "",
  ending: undefined,
  endedAtMs: undefined,
  stored: false,
  untimely: undefined,
  defect: undefined,
})
