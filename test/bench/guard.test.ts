import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { exceeded, readCommitted } from "../../bench/guard-limits.ts"
import { measureCosts } from "../../bench/guard-measure.ts"
import { freshPostgresUrl, temporaryDirectory } from "../support/Databases.ts"

const faults = Effect.gen(function* () {
  const [folder, url] = [yield* temporaryDirectory, yield* freshPostgresUrl]
  const costs = yield* Effect.promise(() => measureCosts(folder, Redacted.value(url)))
  return exceeded(costs, readCommitted())
})

describe("what a request costs", () => {
  it.live(
    "is no more than what is committed in bench/guard.json (node bench/guard.ts --update, with a reason)",
    () =>
      Effect.gen(function* () {
        // Two starts of the same gateway differ by up to four hundredths: what is too much is so in each.
        if ((yield* faults).length === 0) return
        assert.deepStrictEqual(yield* faults, [])
      }).pipe(Effect.scoped),
  )

  it("is refused above its tolerance and not below it", () => {
    const committed = readCommitted()
    const more = (bytes: number, writes: number) => ({
      ...committed,
      whole: {
        ...committed.whole,
        bytes: committed.whole.bytes * bytes,
        writes: committed.whole.writes + writes,
      },
    })
    assert.deepStrictEqual(exceeded(more(1.04, 0.2), committed), [])
    assert.deepStrictEqual(exceeded(more(0.5, -1), committed), [])
    const refused = exceeded(more(1.06, 1), committed)
    assert.match(refused[0] ?? "", /^whole: [\d.]+ bytes a request, [\d.]+ are committed/)
    assert.match(refused[1] ?? "", /^whole: [\d.]+ writes a request/)
    assert.lengthOf(refused, 2)
  })
})
