import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ProviderError, type ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { makeReport } from "../../src/inference/attempt-report.ts"
import type { RequestRecorder } from "../../src/inference/RequestRecorder.ts"
import { logged } from "../ledger/logged.ts"

/** Lines about one failure, made known several times. */
const linesOfKey = (kind: ProviderErrorKind, othersFree: boolean, news: ReadonlyArray<boolean>) =>
  Effect.gen(function* () {
    const report = makeReport()
    const recorder = { requestId: "r" } as RequestRecorder
    const all = Effect.forEach(news, (startsRest) => {
      const key = { name: "search", othersFree, startsRest, waitsForLimit: false }
      return report("p/m", new ProviderError({ kind, provider: "p", model: "m", key }), recorder)
    })
    return (yield* logged(all)).lines
  })

const linesOf = (kind: ProviderErrorKind, detail?: string) =>
  Effect.gen(function* () {
    const report = makeReport()
    const error = new ProviderError({
      kind,
      provider: "p",
      model: "m",
      ...(detail !== undefined && { detail }),
    })
    // Of the request only its id is told.
    const recorder = { requestId: "r" } as RequestRecorder
    const { lines } = yield* logged(report("p/m", error, recorder))
    return lines.join()
  })

describe("a failed attempt", () => {
  it.effect("is told to operators, unless it is the client's alone", () =>
    Effect.gen(function* () {
      assert.include(yield* linesOf("server_error"), "An upstream attempt failed")
      for (const kind of ["auth", "quota_exhausted", "not_enabled", "model_not_found"] as const) {
        assert.include(yield* linesOf(kind), "look after its account or key")
      }
      for (const kind of ["bad_request", "refused", "unsupported", "content_filter"] as const) {
        assert.strictEqual(yield* linesOf(kind), "")
      }
      assert.strictEqual(yield* linesOf("client_too_slow", "paused"), "")
      assert.include(yield* linesOf("refused", "its words concern the account"), "An upstream attempt failed")
    }),
  )
})

describe("a key of several that is refused", () => {
  it.effect("is told once for each of its rests, and nothing of the provider while others are free", () =>
    Effect.gen(function* () {
      const lines = yield* linesOfKey("auth", true, [true, false, false, true])
      assert.lengthOf(lines, 2)
      for (const line of lines) assert.include(line, "A key of a pool is refused and rests")
      assert.lengthOf(yield* linesOfKey("rate_limited", true, [false, false]), 0)
    }),
  )

  it.effect("is told beside the provider's trouble when it was the last", () =>
    Effect.gen(function* () {
      const lines = yield* linesOfKey("auth", false, [true])
      assert.lengthOf(lines, 2)
      assert.include(lines.join(), "look after its account or key")
    }),
  )
})
