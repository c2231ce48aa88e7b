import { assert, describe, it } from "@effect/vitest"
import { Effect, Tracer } from "effect"
import { type SamplerName, samplerNames } from "../../src/config/samplers.ts"
import { sampledBy } from "../../src/observability/sampler.ts"

const parents = {
  none: undefined,
  sampled: Tracer.externalSpan({
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    sampled: true,
  }),
  unsampled: Tracer.externalSpan({
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    sampled: false,
  }),
}

const spanUnder = (sampler: SamplerName, parent: Tracer.AnySpan | undefined, ratio = 0) =>
  Effect.useSpan("span", parent === undefined ? { root: true } : { parent }, (span) =>
    Effect.succeed(span),
  ).pipe(
    Effect.provideService(
      Tracer.Tracer,
      sampledBy(Tracer.make({ span: (options) => new Tracer.NativeSpan(options) }), sampler, ratio),
    ),
  )

const expected: Readonly<
  Record<SamplerName, readonly [none: boolean, sampled: boolean, unsampled: boolean]>
> = {
  always_on: [true, true, true],
  always_off: [false, false, false],
  traceidratio: [false, false, false],
  parentbased_always_on: [true, true, false],
  parentbased_always_off: [false, true, false],
  parentbased_traceidratio: [false, true, false],
}

describe("a sampler", () => {
  for (const name of samplerNames) {
    it.effect(`${name} decides as OpenTelemetry's`, () =>
      Effect.gen(function* () {
        const found: Array<boolean> = []
        for (const parent of Object.values(parents)) found.push((yield* spanUnder(name, parent)).sampled)
        assert.deepStrictEqual(found, [...expected[name]])
      }),
    )
  }

  it.effect("by a ratio takes its share, and the same traces as every other", () =>
    Effect.gen(function* () {
      let taken = 0
      for (let i = 0; i < 4_000; i++) {
        const span = yield* spanUnder("parentbased_traceidratio", undefined, 0.25)
        if (span.sampled) taken += 1
        const parent = Tracer.externalSpan({ traceId: span.traceId, spanId: span.spanId, sampled: false })
        assert.strictEqual((yield* spanUnder("traceidratio", parent, 0.25)).sampled, span.sampled)
      }
      assert.isAbove(taken, 850)
      assert.isBelow(taken, 1_150)
      const any = yield* spanUnder("traceidratio", undefined, 1)
      assert.isTrue(any.sampled)
    }),
  )
})
