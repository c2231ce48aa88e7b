import { Context, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"

/** Where the operators' routes are: with `ADMIN_PORT` on a server of their own. */
export class OperatorsUrl extends Context.Service<OperatorsUrl, string>()("gateway/http/OperatorsUrl") {
  static readonly layer = Layer.effect(
    OperatorsUrl,
    Effect.map(HttpServer.HttpServer, ({ address }) => HttpServer.formatAddress(address)),
  )
}
