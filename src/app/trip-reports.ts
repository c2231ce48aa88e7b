import { randomUUID } from "node:crypto"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Option, Queue, Schema, Struct } from "effect"
import { Database } from "../database/Database.ts"
import { dispositions } from "../domain/ProviderError.ts"
import { Siblings } from "../platform/Siblings.ts"
import type { TripNews } from "../routing/CandidateHealth.ts"
import { TripReports } from "../routing/TripReports.ts"

/** Among the workers of a machine, and the channel of PostgreSQL. */
const TOPIC = "gateway_trips"

const LISTEN_AGAIN_AFTER = "1 second"
/** What takes longer is no news. */
const TOLD_WITHIN = "1 second"

const HOUR_MS = 3_600_000
const milliseconds = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: HOUR_MS }))

/** Of anybody who may write to the database. */
const Report = Schema.Struct({
  from: Schema.String,
  key: Schema.String.check(Schema.isMaxLength(300)),
  trip: Schema.Literals(["circuit", "cooldown"]),
  forMs: milliseconds,
  failingForMs: milliseconds,
  why: Schema.Literals(Struct.keys(dispositions)),
})

const decode = Schema.decodeUnknownOption(Report)
const decodeText = Schema.decodeUnknownOption(Schema.fromJsonString(Report))

type Hear = (key: string, news: TripNews) => void

const make = Effect.gen(function* () {
  const siblings = yield* Siblings
  const { kind } = yield* Database
  const sql = yield* PgClient.PgClient
  const scope = yield* Effect.scope
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const from = randomUUID()
  /** The embedded database tells nobody of anything, and has only the workers of one machine. */
  const isShared = kind === "server"

  const receive = (hear: Hear) =>
    Effect.gen(function* () {
      const notifications = yield* sql.listen(TOPIC)
      while (true) {
        const { payload } = yield* Queue.take(notifications)
        const report = Option.getOrUndefined(decodeText(payload))
        if (report !== undefined && report.from !== from) hear(report.key, report)
      }
    }).pipe(
      Effect.scoped,
      Effect.tapCause((cause) => Effect.logDebug("other replicas' news cannot be heard", cause)),
      Effect.exit,
      Effect.andThen(Effect.sleep(LISTEN_AGAIN_AFTER)),
      Effect.forever,
    )

  return {
    tell: (key: string, news: TripNews) => {
      const report = { from, key, ...news }
      siblings.tell(TOPIC, report)
      if (!isShared) return
      const told = Effect.timeoutOption(sql.notify(TOPIC, JSON.stringify(report)), TOLD_WITHIN)
      runFork(Effect.forkIn(Effect.exit(told), scope))
    },
    listen: (hear: Hear) =>
      Effect.gen(function* () {
        yield* siblings.listen(TOPIC, (body) => {
          const report = Option.getOrUndefined(decode(body))
          if (report !== undefined) hear(report.key, report)
        })
        if (isShared) yield* Effect.forkScoped(receive(hear))
      }),
  }
})

/** Tells the workers of the machine through their supervisor, and other replicas through PostgreSQL's notifications. */
export const layerTripReports = Layer.effect(TripReports, make)
