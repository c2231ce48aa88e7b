import { createHmac } from "node:crypto"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { Alerts } from "../../src/budgets/Alerts.ts"
import { Settings } from "../../src/config/Settings.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

const SECRET_BYTES = Buffer.alloc(32, 7)
const SECRET = `whsec_${SECRET_BYTES.toString("base64")}`

interface Received {
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: string
}

/** A receiver that answers with these statuses in turn, then 204. */
const receiver = (...statuses: Array<number>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const received: Array<Received> = []
      const server: Server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
          response.writeHead(statuses.shift() ?? 204, { location: "/elsewhere" }).end()
        })
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return { server, received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` }
    }),
    ({ server }) => Effect.sync(() => server.close()),
  )

/** Has the alerts of one process, apart from every other's. */
const process = (url?: string): Effect.Effect<Alerts["Service"], never, Scope.Scope | SqlClient.SqlClient> =>
  Effect.map(
    Layer.build(
      Layer.fresh(Alerts.layer).pipe(
        Layer.provide(
          Settings.layerTest({
            ...(url !== undefined && { alertWebhookUrl: Redacted.make(url) }),
            alertWebhookSecret: Redacted.make(SECRET),
          }),
        ),
      ),
    ),
    (services) => Context.get(services, Alerts),
  )

const raise = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`TRUNCATE budgets, budget_windows, budget_leases, budget_alerts`
  const [row] = yield* sql<{ id: number }>`
    INSERT INTO budgets (scope, subject, period, limit_nano_usd, alert_percents)
    VALUES ('team', 'search', 'total', 2000000000, '{80}') RETURNING id::float8`
  const id = row?.id ?? assert.fail()
  yield* sql`INSERT INTO budget_windows VALUES (${id}, '-infinity', 1700000000)`
  return id
})

const dueNow = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`UPDATE budget_alerts SET next_at = now() WHERE sent_at IS NULL`,
)

describe.each([
  { name: "PostgreSQL", database: layerPostgres },
  { name: "the embedded database", database: layerEmbedded },
])("alerts in $name", ({ database }) => {
  layer(database)((it) => {
    it.effect("are sent until they are taken, signed, and the same each time", () =>
      Effect.gen(function* () {
        const { received, url } = yield* receiver(500, 301)
        const id = yield* raise
        const alerts = yield* process(url)
        yield* alerts.round
        for (let tries = 0; tries < 4; tries++) {
          yield* dueNow
          yield* alerts.round
        }
        assert.strictEqual(received.length, 3)
        const [first, , last] = received
        assert.strictEqual(first?.body, last?.body)
        const message = JSON.parse(last?.body ?? "") as { data: object; type: string }
        assert.strictEqual(message.type, "budget.alert")
        assert.deepStrictEqual(message.data, {
          budget_id: id,
          ...{ scope: "team", subject: "search", window: "total", window_starts_at: null },
          ...{ percent: 80, spent_usd: 1.7, limit_usd: 2 },
        })
        const { headers } = last ?? assert.fail()
        const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${last?.body}`
        const expected = createHmac("sha256", SECRET_BYTES).update(signed).digest("base64")
        assert.strictEqual(headers["webhook-signature"], `v1,${expected}`)
      }),
    )

    it.effect("are sent by one of several processes", () =>
      Effect.gen(function* () {
        const { received, url } = yield* receiver()
        yield* raise
        const processes = yield* Effect.all([process(url), process(url), process(url)])
        yield* Effect.all(
          processes.map(({ round }) => round),
          { concurrency: "unbounded" },
        )
        assert.strictEqual(received.length, 1)
      }),
    )

    it.effect("are told of without a webhook too, once", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* raise
        const alerts = yield* process()
        yield* alerts.round
        const rows = yield* sql`SELECT tries, sent_at IS NOT NULL AS sent FROM budget_alerts`
        assert.deepStrictEqual(rows, [{ tries: 1, sent: true }])
      }),
    )
  })
})
