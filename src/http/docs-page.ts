import { Context, Effect, Layer, Scope } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiScalar } from "effect/http-api"
import { DocumentedApi } from "./openapi.ts"

/**
 * Serves the page at `/docs`, made when it is first asked for: its script takes 12 MiB of memory, which a gateway whose
 * page nobody opens does not spend.
 */
export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const scope = yield* Effect.scope
    const page = yield* Effect.cached(Effect.provideService(makePage, Scope.Scope, scope))
    yield* router.add("GET", "/docs", Effect.flatten(page))
  }),
)

/** Fresh, or the page would be added to the router that asks for it. */
const makePage = Layer.build(
  Layer.fresh(Layer.provideMerge(HttpApiScalar.layer(DocumentedApi, { path: "/docs" }), HttpRouter.layer)),
).pipe(Effect.map((built) => Context.get(built, HttpRouter.HttpRouter).asHttpEffect()))
