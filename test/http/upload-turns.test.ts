import { createServer, request as httpRequest } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout } from "node:timers/promises"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { readBody } from "../../src/http/body.ts"
import { LinkedSet } from "../../src/platform/LinkedSet.ts"
import { ManualReadTurns } from "../support/ManualReadTurns.ts"

const SIZE = 8 * 1024 * 1024

describe("a large request body", () => {
  it.live("is read no faster than its turns come, and whole", () =>
    Effect.gen(function* () {
      const readTurns = new ManualReadTurns()
      let read: Buffer | undefined
      const app = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        read = yield* Effect.orDie(
          readBody(request, {
            maxBytes: 2 * SIZE,
            takeBytes: () => Result.succeed(undefined),
            uploads: new LinkedSet(),
            readTurns,
          }),
        )
        return HttpServerResponse.empty()
      })
      const server = createServer(yield* NodeHttpServer.makeHandler(app, { scope: yield* Effect.scope }))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.closeAllConnections()))
      yield* Effect.promise(async () => {
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        const { port } = server.address() as AddressInfo
        const body = Buffer.alloc(SIZE, "0123456789")
        const sent = httpRequest({ port, method: "POST", headers: { "content-type": "application/json" } })
        const answered = new Promise((resolve, reject) => sent.on("response", resolve).on("error", reject))
        sent.end(body)
        while (readTurns.paused.length === 0) await setTimeout(5)
        await setTimeout(50)
        assert.lengthOf(readTurns.paused, 1, "went on without its turn")
        const pauses = await readTurns.runToEnd(() => read !== undefined)
        assert.isAtLeast(pauses, SIZE / (64 * 1024) / 2)
        assert.isTrue(read?.equals(body))
        await answered
        server.close()
      })
    }).pipe(Effect.scoped),
  )
})
