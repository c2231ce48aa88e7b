import { Option, type Tracer } from "effect"
import type { SamplerName } from "../config/samplers.ts"

/** Tells whether a span of a trace is to be sent. */
type Sampler = (traceId: string, parent: Option.Option<Tracer.AnySpan>) => boolean

/** The bits of a trace's id that are random by the standard, from which all who sample by a ratio decide alike. */
const RANDOM_DIGITS = 14

const byRatio =
  (ratio: number): Sampler =>
  (traceId) =>
    Number.parseInt(traceId.slice(-RANDOM_DIGITS), 16) >= (1 - ratio) * 16 ** RANDOM_DIGITS

/** Does as the parent does, and asks `root` for a span that has none. */
const parentBased =
  (root: Sampler): Sampler =>
  (traceId, parent) =>
    Option.isSome(parent) ? parent.value.sampled : root(traceId, parent)

const samplerOf = (name: SamplerName, ratio: number): Sampler => {
  switch (name) {
    case "always_on":
      return () => true
    case "always_off":
      return () => false
    case "traceidratio":
      return byRatio(ratio)
    case "parentbased_always_on":
      return parentBased(() => true)
    case "parentbased_always_off":
      return parentBased(() => false)
    case "parentbased_traceidratio":
      return parentBased(byRatio(ratio))
  }
}

/** Makes a tracer that sends what a sampler chooses. What it does not choose has an id all the same, for calls to carry. */
export const sampledBy = (tracer: Tracer.Tracer, name: SamplerName, ratio: number): Tracer.Tracer => {
  const isSampled = samplerOf(name, ratio)
  return {
    ...tracer,
    span: (options) => {
      const span = tracer.span(options)
      // The id on which it may depend is the span's own.
      return Object.assign(span, { sampled: isSampled(span.traceId, options.parent) })
    },
  }
}
