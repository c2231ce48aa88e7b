import { getOrInsert } from "../platform/get-or-insert.ts"

/**
 * How long answers are: that depends on what is asked more than on who answers. Learned over all candidates by the application
 * that asks, the size of the input and the most tokens that were asked for, each as far as there are answers of its kind.
 */
export interface Asked {
  /** See `applicationOf`. */
  readonly application: number | undefined
  /** Estimated. */
  readonly inputTokens: number
  /** Most output tokens that the client asks for; undefined = it does not say. */
  readonly outputLimit: number | undefined
}

const PRIOR_TOKENS = 300
/** A size is as good as its own answers beside so many of the next coarser kind. */
const SHRINK = 6
/** A size is known by so many answers. */
const KNOWN_ANSWERS = 20
/** Every sum is that of so many answers. */
const ANSWERS = 200
const MAX_APPLICATIONS = 1_000

class Mean {
  #weight = 0
  #sum = 0

  add(value: number): void {
    const keep = this.#weight > ANSWERS - 1 ? (ANSWERS - 1) / this.#weight : 1
    this.#weight = this.#weight * keep + 1
    this.#sum = this.#sum * keep + value
  }

  get isKnown(): boolean {
    return this.#weight >= KNOWN_ANSWERS
  }

  towards(other: number): number {
    return (this.#sum + SHRINK * other) / (this.#weight + SHRINK)
  }
}

const noMean = () => new Mean()

export class AnswerLengths {
  readonly #all = new Mean()
  readonly #byLimit = new Map<number, Mean>()
  readonly #bySize = new Map<number, Mean>()
  /** Latest last. */
  readonly #byApplication = new Map<number, Mean>()

  /** Expects output tokens, of a candidate that says as much as others do. */
  expect({ application, inputTokens, outputLimit }: Asked): number {
    const all = this.#all.towards(PRIOR_TOKENS)
    const byLimit = this.#byLimit.get(ofLimit(outputLimit))?.towards(all) ?? all
    const bySize = this.#bySize.get(ofSize(inputTokens, outputLimit))?.towards(byLimit) ?? byLimit
    const usual =
      application === undefined ? bySize : (this.#byApplication.get(application)?.towards(bySize) ?? bySize)
    return outputLimit === undefined ? usual : Math.min(usual, outputLimit)
  }

  /** Tells whether it is known what answers are compared by: before, nobody's are longer than what others say. */
  isKnown({ inputTokens, outputLimit }: Asked): boolean {
    return this.#bySize.get(ofSize(inputTokens, outputLimit))?.isKnown === true
  }

  observe({ application, inputTokens, outputLimit }: Asked, outputTokens: number): void {
    this.#all.add(outputTokens)
    getOrInsert(this.#byLimit, ofLimit(outputLimit), noMean).add(outputTokens)
    getOrInsert(this.#bySize, ofSize(inputTokens, outputLimit), noMean).add(outputTokens)
    if (application === undefined) return
    const mean = getOrInsert(this.#byApplication, application, noMean)
    mean.add(outputTokens)
    this.#byApplication.delete(application)
    this.#byApplication.set(application, mean)
    const [oldest] = this.#byApplication.keys()
    if (this.#byApplication.size > MAX_APPLICATIONS && oldest !== undefined)
      this.#byApplication.delete(oldest)
  }
}

/** Orders of magnitude of a limit; 0 for none. */
const ofLimit = (limit: number | undefined): number =>
  limit === undefined ? 0 : 1 + Math.floor(Math.log2(Math.max(1, limit)))

const ofSize = (inputTokens: number, limit: number | undefined): number =>
  64 * ofLimit(limit) + Math.floor(Math.log2(Math.max(1, inputTokens)))
