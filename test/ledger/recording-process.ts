import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Redacted } from "effect"
import { KeyId } from "../../src/domain/Ids.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import { numberedRecord } from "./records.ts"
import { tell } from "./tell.ts"

/**
 * A process with a ledger, to be killed: records numbered requests from FROM on until it is, and names each on its
 * output when it was recorded. Every tenth is still being asked for when its process dies.
 */
const [, , directory = "", databaseUrl = "", from = "0"] = process.argv

const program = Effect.gen(function* () {
  const ledger = Context.get(yield* Layer.build(Ledger.layerFile({ directory, maxBytes: 1e9 })), Ledger)
  for (let n = Number(from); ; n++) {
    const request = numberedRecord(n)
    yield* ledger.recordIntent({
      id: request.id,
      requestStartedAt: request.startedAt,
      keyId: KeyId.make(request.keyId),
      endpoint: request.endpoint,
      route: request.route,
      requestedModel: request.requestedModel,
      stream: request.stream,
      provider: "openai",
      model: "gpt-5-mini",
      startedAt: request.startedAt + 5,
    })
    if (n % 10 === 9) {
      tell(`asked ${n}`)
      continue
    }
    yield* ledger.record(request)
    tell(`recorded ${n}`)
    if (n % 40 === 0) yield* Effect.sleep(2)
  }
})

const database = PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections: 2 })

Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(database))).catch((error) => {
  console.error(error)
  process.exit(1)
})
