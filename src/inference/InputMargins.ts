import { Context, Layer } from "effect"

/** Below, what an estimate is wrong by is a number of tokens, such as a vendor's own prompt; above, a factor. */
const LONG_TOKENS = 1_000
const MOST_FACTOR = 8
const MOST_TOKENS = 20_000
/** Of a model that has not answered yet: how its vendor counts is not known. */
const UNKNOWN: Readonly<Margin> = { tokens: 256, factor: 1.2 }
/** Share of a margin that an answer without need of it takes away. */
const FADE = 0.01

/** Margins kept, about 2 MB. */
const MOST_MARGINS = 10_000

interface Margin {
  tokens: number
  factor: number
}

/** By how much more than estimated vendors count, of each key at each model: the most of late, so that what is reserved is enough. */
export class InputMargins {
  readonly #margins = new Map<string, Margin>()

  /** Returns the input tokens that are to be expected at most of an API key at a model. */
  above(key: string, estimated: number): number {
    const { factor, tokens } = this.#margins.get(key) ?? UNKNOWN
    return Math.ceil(estimated * factor + tokens)
  }

  observe(key: string, estimated: number, counted: number): void {
    const margin = this.#margins.get(key) ?? this.#add(key)
    const missing = counted - estimated
    margin.factor -= (margin.factor - 1) * FADE
    margin.tokens -= margin.tokens * FADE
    if (estimated < LONG_TOKENS) margin.tokens = Math.max(margin.tokens, Math.min(MOST_TOKENS, missing))
    else margin.factor = Math.max(margin.factor, Math.min(MOST_FACTOR, 1 + missing / estimated))
  }

  #add(key: string): Margin {
    if (this.#margins.size >= MOST_MARGINS) {
      const [oldest] = this.#margins.keys()
      if (oldest !== undefined) this.#margins.delete(oldest)
    }
    const margin = { ...UNKNOWN }
    this.#margins.set(key, margin)
    return margin
  }
}

/** Margins of this process. They outlive a change of the configuration. */
export class LearnedMargins extends Context.Service<LearnedMargins, InputMargins>()(
  "gateway/inference/LearnedMargins",
) {
  static readonly layer = Layer.sync(LearnedMargins, () => new InputMargins())
}
