import { Effect } from "effect"
import { HttpRouter, HttpServerRequest } from "effect/http"
import { GatewayError } from "../domain/GatewayError.ts"
import { commonHeaders, errorResponse } from "./error-response.ts"
import { answerFixed, type FixedAnswer } from "./fixed-answer.ts"
import { UI_ASSETS, UI_SCREENS } from "./known-paths.ts"
import { withPlaces } from "./open-routes.ts"
import { requestIdOf } from "./request-id.ts"
import { readUiFiles, type UiFiles } from "./ui-files.ts"

/** Of some 100 KB at the most; a browser asks for a handful at once. */
const PLACES = 64

const notBuilt = new GatewayError({
  code: "ui_file_not_found",
  detail: "The page is not built here. In a checkout `npm run build:ui` builds it, and so does `npm start`.",
})

const noFile = new GatewayError({
  code: "ui_file_not_found",
  detail: "The page has no such file: it is of another version. Load /ui again.",
})

/** `GET /ui`, its screens, which are one page, and the files that it loads. They are read when somebody first asks. */
export const uiRoutes = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const bounded = withPlaces(PLACES)
    let files: Promise<UiFiles | undefined> | undefined
    const answering = (
      choose: (
        files: UiFiles,
        params: Readonly<Record<string, string | undefined>>,
      ) => FixedAnswer | undefined,
    ) =>
      bounded(
        Effect.gen(function* () {
          const request = yield* HttpServerRequest.HttpServerRequest
          const { params } = yield* HttpRouter.RouteContext
          const read = yield* Effect.promise(() => {
            files ??= readUiFiles()
            return files
          })
          if (read === undefined) return errorResponse(notBuilt, request)
          const chosen = choose(read, params)
          return chosen === undefined
            ? errorResponse(noFile, request)
            : answerFixed(chosen, request.headers, commonHeaders(requestIdOf(request)))
        }),
      )
    const page = answering(({ page }) => page)
    for (const path of UI_SCREENS) yield* router.add("GET", path, page)
    yield* router.add(
      "GET",
      UI_ASSETS,
      answering(({ assets }, { file = "" }) => assets.get(file)),
    )
  }),
)
