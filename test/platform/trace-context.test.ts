import { assert, describe, it } from "@effect/vitest"
import { Effect, Tracer } from "effect"
import { passableTraceState, TraceState, traceHeaders } from "../../src/platform/trace-context.ts"

const PARENT = Tracer.externalSpan({
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  sampled: true,
})

describe("trace context", () => {
  it.effect("of a call is that of the span that it is made in", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* traceHeaders, [])
      assert.deepStrictEqual(yield* traceHeaders.pipe(Effect.withParentSpan(PARENT)), [
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      ])
      assert.deepStrictEqual(
        yield* traceHeaders.pipe(
          Effect.provideService(TraceState, "a=b"),
          Effect.withParentSpan(Tracer.externalSpan({ ...PARENT, sampled: false })),
        ),
        ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "tracestate", "a=b"],
      )
    }),
  )

  it("takes a state as the standard has it, and no other", () => {
    for (const [said, passed] of [
      ["a=b", "a=b"],
      ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"],
      [" a=b ,, c_d/e-f*g=h:i;j ", "a=b,c_d/e-f*g=h:i;j"],
      ["fw529a3039@dt=x", "fw529a3039@dt=x"],
      [`a=${"x".repeat(256)}`, `a=${"x".repeat(256)}`],
      ["", undefined],
      [",", undefined],
      ["a", undefined],
      ["a=", undefined],
      ["A=b", undefined],
      ["a=b=c", undefined],
      ["a=é", undefined],
      ["a=b\u0001", undefined],
      ["a b=c", undefined],
      [`a=${"x".repeat(257)}`, undefined],
      [Array.from({ length: 33 }, (_, i) => `a${i}=b`).join(","), undefined],
      [`a=${"x".repeat(250)},b=${"x".repeat(250)},c=${"x".repeat(250)}`, undefined],
    ] as const) {
      assert.strictEqual(passableTraceState(said), passed, said)
    }
    assert.isUndefined(passableTraceState(undefined))
  })
})
