import { connect, createServer, type Socket } from "node:net"
import { Context, Effect, Layer, type Scope } from "effect"
import type { SqlClient } from "effect/sql"
import { Authenticator } from "../../src/auth/Authenticator.ts"
import { KeyChanges } from "../../src/auth/KeyChanges.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

/** Both kinds of database. */
export const databases = [
  { name: "PostgreSQL", database: layerPostgres },
  { name: "embedded", database: layerEmbedded },
]

/** Starts one more gateway's authenticator over the database in the context: own cache, own polling. */
export const replica: Effect.Effect<Authenticator["Service"], never, Scope.Scope | SqlClient.SqlClient> =
  Layer.build(Layer.fresh(Authenticator.layer.pipe(Layer.provide(KeyChanges.layer)))).pipe(
    Effect.map(Context.get(Authenticator)),
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
