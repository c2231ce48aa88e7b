import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schema } from "effect"
import { decodeRows } from "../../src/database/decode-rows.ts"

const decode = decodeRows(Schema.Struct({ n: Schema.Int }))

it.effect("rows are given as the schema makes them, and one of another shape is a defect", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* decode(Effect.succeed([{ n: 1, more: true }, { n: 2 }])), [
      { n: 1 },
      { n: 2 },
    ])
    const exit = yield* Effect.exit(decode(Effect.succeed([{ n: 1 }, { n: "2" }])))
    assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
  }),
)
