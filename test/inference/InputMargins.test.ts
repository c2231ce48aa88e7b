import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { InputMargins } from "../../src/inference/InputMargins.ts"

describe("what more a vendor may count", () => {
  it("is something for a model that has not answered, and little for one that counts as estimated", () => {
    const margins = new InputMargins()
    assert.isAbove(margins.of("key", "a/b").above(10), 200)
    for (let n = 0; n < 2_000; n++) {
      margins.of("key", "a/b").observe(10, 10)
      margins.of("key", "a/b").observe(2_000, 1_900)
    }
    assert.isAtMost(margins.of("key", "a/b").above(10), 12)
    assert.isAtMost(margins.of("key", "a/b").above(2_000), 2_010)
  })

  it("is at least what it just was", () => {
    fc.assert(
      fc.property(fc.nat(50_000), fc.nat(10_000), (estimated, more) => {
        const margins = new InputMargins()
        margins.of("key", "a/b").observe(estimated, estimated + more)
        assert.isAtLeast(
          margins.of("key", "a/b").above(estimated),
          estimated + Math.min(more, 7 * estimated || more),
        )
      }),
    )
  })
})
