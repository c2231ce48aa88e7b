import { connect, createServer, type Socket } from "node:net"
import { Clock, Context, Effect, Layer, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { Authenticator } from "../../src/auth/Authenticator.ts"
import { KeyChanges } from "../../src/auth/KeyChanges.ts"
import { Settings } from "../../src/config/Settings.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

/** Both kinds of database. */
export const databases = [
  { name: "PostgreSQL", database: layerPostgres },
  { name: "embedded", database: layerEmbedded },
]

/** Starts one more gateway's authenticator over the database in the context: own cache, own polling. */
export const replica: Effect.Effect<Authenticator["Service"], never, Scope.Scope | SqlClient.SqlClient> =
  Layer.build(
    Layer.fresh(Authenticator.layer.pipe(Layer.provide([KeyChanges.layer, Settings.layerTest()]))),
  ).pipe(Effect.map(Context.get(Authenticator)))

/**
 * Returns how many milliseconds passed until a request was sent whose answer fits. The promises are about that: what
 * the answer takes, a lookup and a bcrypt on a busy machine, does not count.
 */
export const sentAfterMs = <A, E, R>(ask: Effect.Effect<A, E, R>, fits: (answer: A) => boolean) =>
  Effect.gen(function* () {
    const startedAtMs = yield* Clock.currentTimeMillis
    while (true) {
      const sentAtMs = yield* Clock.currentTimeMillis
      if (fits(yield* ask)) return sentAtMs - startedAtMs
      yield* Effect.sleep("5 millis")
    }
  }).pipe(Effect.timeout("15 seconds"))

/** Says how a replica answers a token. */
export const reason = ({ authenticate }: Authenticator["Service"], token: string) =>
  Effect.match(authenticate(token), { onSuccess: () => "valid", onFailure: (error) => error.reason })

/** Returns the milliseconds until the replica refused the token, once it says that it is invalid. */
export const refusedAfterMs = (auth: Authenticator["Service"], token: string) =>
  Effect.tap(
    sentAfterMs(reason(auth, token), (said) => said !== "valid"),
    () => sentAfterMs(reason(auth, token), (said) => said === "invalid"),
  )

interface Proxy {
  port: number
  /** While true no byte passes, and every connection stays open: a database that hangs. */
  frozen: boolean
  /** Ends every connection; new ones are accepted and hang. */
  readonly cut: () => void
  readonly close: () => void
}

export const freezableProxy = (target: { readonly host: string; readonly port: number }) =>
  Effect.acquireRelease(
    Effect.callback<Proxy>((resume) => {
      const sockets = new Set<Socket>()
      let frozen = false
      const proxy: Proxy = {
        port: 0,
        get frozen() {
          return frozen
        },
        set frozen(value) {
          frozen = value
          for (const socket of sockets) value ? socket.pause() : socket.resume()
        },
        cut: () => {
          frozen = true
          for (const socket of sockets) socket.destroy()
        },
        close: () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        },
      }
      const forward = (from: Socket, to: Socket) => {
        sockets.add(from)
        from.on("data", (data) => to.write(data))
        from.on("error", () => from.destroy())
        from.on("close", () => {
          sockets.delete(from)
          to.destroy()
        })
        if (frozen) from.pause()
      }
      const server = createServer((client) => {
        const upstream = connect(target.port, target.host)
        forward(client, upstream)
        forward(upstream, client)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        if (typeof address === "object" && address !== null) proxy.port = address.port
        resume(Effect.succeed(proxy))
      })
    }),
    (proxy) => Effect.sync(proxy.close),
  )
