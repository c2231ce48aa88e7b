import { getOrInsert } from "../platform/get-or-insert.ts"

/**
 * What is where of conversations: how much of the next turn a candidate may have in its prompt cache, as measured by the turns
 * before, and how many turns are still to come. In this process only, bounded, and forgotten. Synchronous, and all times are
 * `monotonicMs`.
 */

const MAX_CONVERSATIONS = 10_000
/** Candidates that one conversation remembers to have been at. */
const MAX_PLACES = 4

/** Bounds of the ages that hits are counted by. */
const AGES_MS = [30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000] as const
/** A candidate whose cached tokens cost less is taken to have a cache, so far as vendors' have: five minutes, and often longer. */
const PRIOR_HITS = [0.8, 0.8, 0.8, 0.7, 0.2, 0.1, 0.05] as const
const PRIOR_WEIGHT = 2
const HITS = 50

/** Turns to come are expected to be no more than these: the further ahead, the less is known. */
const MAX_REST = 20
const TURNS = 500
const GAP_WEIGHT = 0.02
const FIRST_GAPS = [0.3, 0.2, 0.2, 0.2, 0.1, 0, 0, 0]

interface Place {
  readonly key: string
  /** Of the latest turn there. */
  inputTokens: number
  atMs: number
}

interface Conversation {
  turns: number
  atMs: number
  readonly places: Array<Place>
}

/** What may be cached at a candidate, in tokens: of the turn to come, and of the one after it. */
interface Warmth {
  readonly now: number
  readonly next: number
}

export class Conversations {
  /** Latest last. */
  readonly #known = new Map<string, Conversation>()
  readonly #hits = new Map<string, CacheHits>()
  #begun = 0
  #continued = 0
  /** The chance of each age at the next turn. */
  readonly #gaps: Array<number> = FIRST_GAPS.slice()

  /** Expects what a candidate has in its cache. `discounted`: its cached tokens cost less than others. */
  warmth(id: string, key: string, discounted: boolean, inputTokens: number, nowMs: number): Warmth {
    const hits = this.#hits.get(key)
    const share = (age: number): number => hits?.share(age, discounted) ?? priorHits(age, discounted)
    const place = this.#known.get(id)?.places.find((each) => each.key === key)
    let next = 0
    for (const [age, chance] of this.#gaps.entries()) if (chance > 0) next += chance * share(age)
    return {
      now:
        place === undefined ? 0 : Math.min(place.inputTokens, inputTokens) * share(ageOf(nowMs - place.atMs)),
      next: inputTokens * next,
    }
  }

  /** Expects how many turns follow the one to come. */
  get rest(): number {
    return this.#begun === 0 ? 0 : Math.min(MAX_REST, this.#continued / this.#begun)
  }

  /** Learns from a turn that a candidate answered; `cachedTokens` undefined = it did not say. */
  answered(
    id: string,
    key: string,
    inputTokens: number,
    cachedTokens: number | undefined,
    nowMs: number,
  ): void {
    const conversation = this.#touch(id, nowMs)
    const place = conversation.places.find((each) => each.key === key)
    if (place === undefined) {
      if (conversation.places.length >= MAX_PLACES) conversation.places.shift()
      conversation.places.push({ key, inputTokens, atMs: nowMs })
      return
    }
    if (cachedTokens !== undefined && place.inputTokens > 0) {
      getOrInsert(this.#hits, key, () => new CacheHits()).add(
        nowMs - place.atMs,
        Math.min(1, cachedTokens / place.inputTokens),
      )
    }
    place.inputTokens = inputTokens
    place.atMs = nowMs
  }

  #touch(id: string, nowMs: number): Conversation {
    const known = this.#known.get(id)
    const keep = 1 - 1 / TURNS
    this.#begun = this.#begun * keep + (known === undefined ? 1 : 0)
    this.#continued = this.#continued * keep + (known === undefined ? 0 : 1)
    if (known !== undefined) {
      const gap = ageOf(nowMs - known.atMs)
      for (const [age, chance] of this.#gaps.entries()) {
        this.#gaps[age] = chance + GAP_WEIGHT * ((age === gap ? 1 : 0) - chance)
      }
      this.#known.delete(id)
      this.#known.set(id, known)
      known.turns += 1
      known.atMs = nowMs
      return known
    }
    const [oldest] = this.#known.keys()
    if (this.#known.size >= MAX_CONVERSATIONS && oldest !== undefined) this.#known.delete(oldest)
    const fresh: Conversation = { turns: 1, atMs: nowMs, places: [] }
    this.#known.set(id, fresh)
    return fresh
  }
}

const ageOf = (ageMs: number): number => {
  const age = AGES_MS.findIndex((bound) => ageMs <= bound)
  return age < 0 ? AGES_MS.length : age
}

const priorHits = (age: number, discounted: boolean): number => (discounted ? (PRIOR_HITS[age] ?? 0) : 0)

/** The share of a turn that is still in one candidate's cache at the next, by the time between both. */
class CacheHits {
  readonly #sums = AGES_MS.map(() => 0)
  readonly #weights = AGES_MS.map(() => 0)

  share(age: number, discounted: boolean): number {
    const sum = this.#sums[age]
    const weight = this.#weights[age]
    if (sum === undefined || weight === undefined) return 0
    return (sum + PRIOR_WEIGHT * priorHits(age, discounted)) / (weight + PRIOR_WEIGHT)
  }

  /** What is found after a time was there before, and what is gone by then is gone later. */
  add(ageMs: number, share: number): void {
    const of = ageOf(ageMs)
    const isHit = share >= 0.5
    for (let age = 0; age < AGES_MS.length; age++) {
      if (isHit ? age > of : age < of) continue
      const keep = 1 - 1 / HITS
      this.#sums[age] = (this.#sums[age] ?? 0) * keep + share
      this.#weights[age] = (this.#weights[age] ?? 0) * keep + 1
    }
  }
}
