import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Command } from "effect/cli"
import { dollars } from "../../src/cli/dollars.ts"
import { instantFlag } from "../../src/cli/instant.ts"

const parsed = (text: string) =>
  Effect.gen(function* () {
    let seen: number | undefined
    const command = Command.make("test", { at: instantFlag("at") }, ({ at }) =>
      Effect.sync(() => {
        seen = at
      }),
    )
    const exit = yield* Effect.exit(Command.runWith(command, { version: "0" })(["--at", text]))
    return Exit.isSuccess(exit) ? seen : undefined
  }).pipe(Effect.provide(NodeServices.layer))

describe("a moment on the command line", () => {
  it.effect("is a UTC day or an instant with its zone", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* parsed("2026-11-23"), Date.UTC(2026, 10, 23))
      assert.strictEqual(yield* parsed("2026-11-23T08:30Z"), Date.UTC(2026, 10, 23, 8, 30))
      assert.strictEqual(
        yield* parsed("2026-11-23T08:30:15.250+02:00"),
        Date.UTC(2026, 10, 23, 6, 30, 15, 250),
      )
      assert.strictEqual(yield* parsed("2028-02-29"), Date.UTC(2028, 1, 29))
    }),
  )

  it.effect("is nothing that could mean several moments, or none", () =>
    Effect.gen(function* () {
      for (const text of [
        ...[
          "yesterday",
          "2026-11-23T08:30:00",
          "2026-02-30",
          "2026-02-29T00:00:00Z",
          "2026-13-01",
          "20261123",
          "December 17, 2027",
          "2027-02-30T00:00:00Z",
          "2027",
        ],
        ...["2026-11-23T24:30Z", "2026-11-23T08:61Z", "1764000000", " "],
      ]) {
        assert.isUndefined(yield* parsed(text), text)
      }
    }),
  )
})

describe("dollars", () => {
  it("have every digit of their nano-dollars", () => {
    assert.strictEqual(dollars(0n), "0.000000000")
    assert.strictEqual(dollars(-1n), "-0.000000001")
    assert.strictEqual(dollars(12_345_678_901n), "12.345678901")
    assert.strictEqual(dollars(-(2n ** 70n)), "-1180591620717.411303424")
  })
})
