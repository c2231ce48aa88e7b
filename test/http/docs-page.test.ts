import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import * as DocsPage from "../../src/http/docs-page.ts"

it.effect("the page is made once, of the API's own description, and answers again", () =>
  Effect.gen(function* () {
    const { handler, dispose } = HttpRouter.toWebHandler(DocsPage.layer, { disableLogger: true })
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    const get = Effect.promise(async () => {
      const response = await handler(new Request("http://localhost/docs"))
      return { status: response.status, html: await response.text() }
    })
    const first = yield* get
    assert.strictEqual(first.status, 200)
    assert.include(first.html, "/v1/chat/completions")
    assert.include(first.html, "createApiReference")
    assert.deepStrictEqual(yield* get, first)
  }),
)
