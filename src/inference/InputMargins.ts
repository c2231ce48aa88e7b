import { Context, Layer } from "effect"
import { getOrInsert } from "../platform/get-or-insert.ts"

/** Below, what an estimate is wrong by is a number of tokens, such as a vendor's own prompt; above, a factor. */
const LONG_TOKENS = 1_000
const MOST_FACTOR = 8
const MOST_TOKENS = 20_000
/** Of a model that has not answered yet: how its vendor counts is not known. */
const UNKNOWN: Readonly<Margin> = { tokens: 256, factor: 1.2 }
/** Share of a margin that an answer without need of it takes away. */
const FADE = 0.01

/** API keys whose margins are kept: with a few models each about 2 MB. */
const MOST_KEYS = 5_000

interface Margin {
  tokens: number
  factor: number
}

/** By how much more than estimated vendors count, of each key at each model: the most of late, so that what is reserved is enough. */
export class InputMargins {
  /** By API key and then by model, since a name of both would have to be made and looked at anew for every call. */
  readonly #margins = new Map<string, Map<string, Margin>>()

  /** Returns the input tokens that are to be expected at most of an API key at a model. */
  above(keyId: string, model: string, estimated: number): number {
    const { factor, tokens } = this.#margins.get(keyId)?.get(model) ?? UNKNOWN
    return Math.ceil(estimated * factor + tokens)
  }

  observe(keyId: string, model: string, estimated: number, counted: number): void {
    const margin = getOrInsert(this.#of(keyId), model, () => ({ ...UNKNOWN }))
    const missing = counted - estimated
    margin.factor -= (margin.factor - 1) * FADE
    margin.tokens -= margin.tokens * FADE
    if (estimated < LONG_TOKENS) margin.tokens = Math.max(margin.tokens, Math.min(MOST_TOKENS, missing))
    else margin.factor = Math.max(margin.factor, Math.min(MOST_FACTOR, 1 + missing / estimated))
  }

  #of(keyId: string): Map<string, Margin> {
    const known = this.#margins.get(keyId)
    if (known !== undefined) return known
    if (this.#margins.size >= MOST_KEYS) {
      const [oldest] = this.#margins.keys()
      if (oldest !== undefined) this.#margins.delete(oldest)
    }
    const added = new Map<string, Margin>()
    this.#margins.set(keyId, added)
    return added
  }
}

/** Margins of this process. They outlive a change of the configuration. */
export class LearnedMargins extends Context.Service<LearnedMargins, InputMargins>()(
  "gateway/inference/LearnedMargins",
) {
  static readonly layer = Layer.sync(LearnedMargins, () => new InputMargins())
}
