import { Context, Layer } from "effect"
import { getOrInsert } from "../platform/get-or-insert.ts"

/** Below, what an estimate is wrong by is a number of tokens, such as a vendor's own prompt; above, a factor. */
const LONG_TOKENS = 1_000
const MOST_FACTOR = 8
const MOST_TOKENS = 20_000
/** Share of a margin that an answer without need of it takes away. */
const FADE = 0.01

/** API keys whose margins are kept: with a few models each about 2 MB. */
const MOST_KEYS = 5_000

/** By how much more than estimated a vendor counts of one key at one model: the most of late, so that what is reserved is enough. */
export class Margin {
  // Of a model that has not answered yet: how its vendor counts is not known.
  #tokens = 256
  #factor = 1.2

  /** Returns the input tokens that are to be expected at most. */
  above(estimated: number): number {
    return Math.ceil(estimated * this.#factor + this.#tokens)
  }

  observe(estimated: number, counted: number): void {
    const missing = counted - estimated
    this.#factor -= (this.#factor - 1) * FADE
    this.#tokens -= this.#tokens * FADE
    if (estimated < LONG_TOKENS) this.#tokens = Math.max(this.#tokens, Math.min(MOST_TOKENS, missing))
    else this.#factor = Math.max(this.#factor, Math.min(MOST_FACTOR, 1 + missing / estimated))
  }
}

/** The margins of each API key at each model. */
export class InputMargins {
  /** By API key and then by model, since a name of both would have to be made and looked at anew for every call. */
  readonly #margins = new Map<string, Map<string, Margin>>()

  of(keyId: string, model: string): Margin {
    return getOrInsert(this.#ofKey(keyId), model, () => new Margin())
  }

  #ofKey(keyId: string): Map<string, Margin> {
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
