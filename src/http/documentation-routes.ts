import { Effect } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { Settings } from "../config/Settings.ts"
import { makeDocsPage } from "./docs-page.ts"
import { commonHeaders } from "./error-response.ts"
import { answerFixed, type FixedAnswer } from "./fixed-answer.ts"
import { withPlacesUntilRead } from "./open-routes.ts"
import { makeOpenApiAnswer } from "./openapi.ts"
import { requestIdOf } from "./request-id.ts"

/** Times the 3.3 MB of the page as it is: 40 MB of buffers, if every client takes it like that and reads nothing. */
const PLACES = 12

/** `GET /docs` and `/openapi.json`. Each is made when it is first asked for, and once. */
export const documentationRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const { clientStallMs } = (yield* Settings).gateway.timeouts
    const bounded = withPlacesUntilRead(PLACES, clientStallMs)
    const answering = (make: () => Promise<FixedAnswer>) => {
      let made: Promise<FixedAnswer> | undefined
      const answer = Effect.promise(() => {
        made ??= make()
        return made
      })
      return bounded(
        Effect.zipWith(answer, HttpServerRequest.HttpServerRequest, (fixed, request) =>
          answerFixed(fixed, request.headers, commonHeaders(requestIdOf(request))),
        ),
      )
    }
    yield* router.add("GET", "/openapi.json", answering(makeOpenApiAnswer))
    yield* router.add("GET", "/docs", answering(makeDocsPage))
  }),
)
