import type { Input } from "../catalog/model.ts"

/** One target that a request cannot be sent to, and the rule that says so. */
export type Exclusion = { readonly provider: string; readonly model: string } & ExclusionRule

export type ExclusionRule =
  /** The key's model list does not name it. */
  | { readonly rule: "not_allowed" }
  /** It is not for this kind of request. */
  | { readonly rule: "kind"; readonly kind: "chat" | "embedding" }
  /** Its provider's protocol cannot express a field; `text` is a sentence for the client. */
  | { readonly rule: "unsupported"; readonly param: string; readonly text: string }
  /** It does not read what stands in this field. */
  | {
      readonly rule: "input"
      readonly param: string
      readonly input: Input
      readonly inputs: ReadonlyArray<Input>
    }
  /** It does not take this parameter: as is stated of it, or as it answered so long ago, which is forgotten after a while. */
  | {
      readonly rule: "parameter"
      readonly param: string
      readonly refused?: { readonly agoMs: number; readonly leftMs: number }
    }
  /** More output tokens are asked for, in this field, than it can produce. */
  | {
      readonly rule: "max_output_tokens"
      readonly param: string
      readonly asked: number
      readonly limit: number
    }
  /** The input, with any output asked for, is longer than its context window. In tokens, the input estimated. */
  | {
      readonly rule: "context_window"
      readonly param: string
      readonly inputTokens: number
      readonly outputTokens: number
      readonly limit: number
    }

/** Renders an exclusion for people: `rule: explanation`. Decisions of the ledger hold these texts. */
export const exclusionText = (exclusion: ExclusionRule): string => `${exclusion.rule}: ${explain(exclusion)}`

const explain = (exclusion: ExclusionRule): string => {
  switch (exclusion.rule) {
    case "not_allowed":
      return "the key's model list does not name it"
    case "kind":
      return `a model of kind ${exclusion.kind} cannot take this request`
    case "unsupported":
      return `${exclusion.param}: ${exclusion.text}`
    case "input":
      return `${exclusion.input}: this model reads ${exclusion.inputs.join(", ")}`
    case "parameter": {
      const { param, refused } = exclusion
      return refused === undefined
        ? `${param}: the model's documentation says that it is not taken`
        : `${param}: refused ${minutes(refused.agoMs)} ago, forgotten in ${minutes(refused.leftMs)}`
    }
    case "max_output_tokens":
      return `${exclusion.asked} asked, at most ${exclusion.limit} possible`
    case "context_window": {
      const { inputTokens, limit, outputTokens } = exclusion
      const output = outputTokens > 0 ? ` plus ${outputTokens} of output` : ""
      return `about ${inputTokens} input tokens${output} do not fit ${limit}`
    }
  }
}

const minutes = (ms: number): string => {
  const whole = Math.round(ms / 60_000)
  return whole === 1 ? "1 minute" : `${whole} minutes`
}

/** Names the field of the request that is to blame; undefined where none is. */
export const blamedParam = (exclusion: ExclusionRule): string | undefined => {
  switch (exclusion.rule) {
    case "not_allowed":
      return undefined
    case "kind":
      return "model"
    default:
      return exclusion.param
  }
}
