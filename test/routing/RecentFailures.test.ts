import { assert, describe, it } from "@effect/vitest"
import type { ProviderErrorKind } from "../../src/domain/ProviderError.ts"
import { RecentFailures } from "../../src/routing/RecentFailures.ts"

describe("recent failures", () => {
  const failure = (n: number, kind: ProviderErrorKind = "timeout") => ({
    ...{ requestId: `r${n}`, kind, status: null, atMs: n },
  })

  it("are the last five of each candidate, the latest first", () => {
    const failures = new RecentFailures()
    for (let n = 0; n < 8; n++) failures.note("a/m", failure(n))
    failures.note("b/m", failure(9))
    assert.deepStrictEqual(
      failures.of("a/m").map(({ requestId }) => requestId),
      ["r7", "r6", "r5", "r4", "r3"],
    )
    failures.forget("a/m")
    assert.isEmpty(failures.of("a/m"))
    assert.lengthOf(failures.of("b/m"), 1)
  })

  it("are not those that say nothing of the candidate", () => {
    const failures = new RecentFailures()
    failures.note("a/m", failure(1, "held_back"))
    failures.note("a/m", failure(2, "client_deadline"))
    assert.isEmpty(failures.of("a/m"))
  })
})
