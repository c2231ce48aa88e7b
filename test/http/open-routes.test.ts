import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { withPlaces } from "../../src/http/open-routes.ts"
import { migratedPostgresUrl } from "../support/Databases.ts"
import { GatewayInProcess } from "../support/GatewayInProcess.ts"
import { eventually } from "../support/process-watch.ts"
import { scaled } from "../support/slowness.ts"

describe("a route with places", () => {
  it.live("refuses whom it has no place for, and gives a place back when its client leaves", () =>
    Effect.gen(function* () {
      let asked = 0
      const route = HttpRouter.add(
        "GET",
        "/",
        withPlaces(2)(
          Effect.andThen(
            Effect.sync(() => {
              asked += 1
            }),
            Effect.never,
          ),
        ),
      )
      const served = HttpRouter.serve(route, { disableLogger: true, disableListenLog: true }).pipe(
        Layer.provideMerge(
          NodeHttpServer.layer(() => createServer(), {
            port: 0,
            host: "127.0.0.1",
            gracefulShutdownTimeout: 0,
          }),
        ),
      )
      const { address } = yield* Effect.provide(HttpServer.HttpServer, yield* Layer.build(served))
      const url = HttpServer.formatAddress(address)
      yield* Effect.promise(async () => {
        const clients = [new AbortController(), new AbortController()]
        const gone = clients.map(({ signal }) => fetch(url, { signal }).catch(() => "gone"))
        await eventually(() => asked === 2)
        const refused = await fetch(url, { signal: AbortSignal.timeout(scaled(2_000)) })
        assert.strictEqual(refused.status, 503)
        assert.strictEqual(refused.headers.get("retry-after"), "1")
        assert.strictEqual(asked, 2)
        clients[0]?.abort()
        const third = new AbortController()
        await eventually(async () => {
          const status = await Promise.race([
            fetch(url, { signal: third.signal }).then(
              (response) => response.status,
              () => 0,
            ),
            new Promise<string>((resolve) => setTimeout(resolve, 200, "waiting")),
          ])
          return status === "waiting"
        })
        assert.strictEqual(asked, 3)
        for (const client of [...clients, third]) client.abort()
        await Promise.all(gone)
      })
    }).pipe(Effect.scoped),
  )
})

describe("/metrics", () => {
  it.live("is shared by those who ask all the time, and never older than the question", () =>
    Effect.promise(async () => {
      const gateway = await GatewayInProcess.start({
        databaseUrl: await Effect.runPromise(migratedPostgresUrl),
      })
      // Each rendering has another text, as it counts the scrapes before it.
      const scrape = async () => (await fetch(`${gateway.url}/metrics`)).text()
      const startedAt = performance.now()
      const texts = new Set<string>()
      for (let round = 0; round < 30; round++) {
        for (const text of await Promise.all(Array.from({ length: 20 }, scrape))) texts.add(text)
      }
      const seconds = (performance.now() - startedAt) / 1000
      assert.isAtMost(texts.size, 20 + Math.ceil(seconds * 20))
      for (let asked = 1; asked <= 5; asked++) {
        await (await fetch(`${gateway.url}/livez`)).text()
        assert.include(await scrape(), `gateway_requests_total{endpoint="/livez",outcome="2xx"} ${asked}\n`)
      }
      await gateway.stop()
    }),
  )
})
