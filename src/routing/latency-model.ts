/**
 * What one candidate's answers take, in one mode: milliseconds over output tokens and input tokens that no cache held, learned
 * slowly, times a level that follows how the candidate is just now. Milliseconds of a stream are those to its first token.
 * Synchronous, and all times are `monotonicMs`.
 */
export interface CallShape {
  readonly outputTokens: number
  /** Without those that are in a cache. */
  readonly inputTokens: number
  /** Calls under way at the candidate when it was chosen. */
  readonly inFlight: number
}

/** Prior of a candidate that has not answered: its overhead, and milliseconds for a token of a whole answer. */
const PRIOR_OVERHEAD_MS = 800
const PRIOR_MS_PER_OUTPUT_TOKEN = 10
/** Weight of the prior in answers of a usual size. */
const PRIOR_WEIGHT = 0.1
const USUAL_OUTPUT = 300
const USUAL_INPUT = 1_000

/** The shape is that of so many answers, and of this time. */
const SHAPE_ANSWERS = 400
const SHAPE_HALF_LIFE_MS = 30 * 60_000

/** A candidate that nobody asks drifts back to its usual level. */
const LEVEL_HALF_LIFE_MS = 5 * 60_000
/** Variance that the level gains in a second: how fast candidates change. */
const DRIFT_PER_SECOND = 0.0005
const MAX_VARIANCE = 0.5
/** Spread of answers around their prediction before any was seen, as a variance of the ratio. */
const PRIOR_NOISE = 0.15
const MIN_NOISE = 0.01

/** Bounds of the level: an answer in no time at all must not make every later one a multiple of nothing. */
const MIN_LEVEL = 0.001
const MAX_LEVEL = 1_000

/** Ratio to its prediction, or its inverse, beyond which an answer counts no further: an outlier, or news. */
const SURPRISE = 2.5
/** So many in a row and in one direction are news, and more of a candidate whose answers often surprise. */
const SURPRISES_TO_BELIEVE = 3
const MOST_SURPRISES_TO_BELIEVE = 6
/** Chance of as many in a row by luck, as a logarithm. */
const UNBELIEVABLE = Math.log(1e-5)
const FIRST_SURPRISE_RATE = 0.01
/** Weight of an answer in what lies beyond surprises: heavy tails count in the mean, and must not make it jump. */
const TAIL = 1 / 200
const MAX_TAIL = 30

/** Calls in flight that the slope must have seen vary, as a sum of squares, to be believed by half. */
const LOAD_RIDGE = 40
const LOAD_ANSWERS = 1_000

export class LatencyModel {
  readonly #priorOverheadMs = PRIOR_OVERHEAD_MS
  readonly #priorSlope: number
  readonly #priorWeight: number
  /** Weighted sums of products of (1, output, input) and of those with the milliseconds. */
  #weight = 0
  #a01 = 0
  #a02 = 0
  #a11 = 0
  #a12 = 0
  #a22 = 0
  #g0 = 0
  #g1 = 0
  #g2 = 0
  // A first value holds a number in place, see decision 39.
  #overheadMs = 0
  #perOutput = 0
  #perInput = 0
  #atMs = 0

  #level = 1
  #variance = MAX_VARIANCE
  #noise = PRIOR_NOISE
  #surprises = 0
  #surpriseRate = FIRST_SURPRISE_RATE
  #mildest = 1
  #tail = 0
  /** That were learned from. */
  answers = 0

  /** What calls beyond the usual number in flight add, as a share for each. */
  #usualInFlight = 0
  #loadSpread = 0
  #loadSlope = 0

  constructor(msPerOutputToken: number) {
    this.#priorSlope = msPerOutputToken
    this.#priorWeight = PRIOR_WEIGHT * (USUAL_MS / (PRIOR_OVERHEAD_MS + msPerOutputToken * USUAL_OUTPUT)) ** 2
    this.#overheadMs = PRIOR_OVERHEAD_MS
    this.#perOutput = msPerOutputToken
  }

  static readonly perMode = {
    whole: () => new LatencyModel(PRIOR_MS_PER_OUTPUT_TOKEN),
    stream: () => new LatencyModel(0),
  } as const

  /** Predicts milliseconds; > 0 and finite. */
  predict(nowMs: number, shape: CallShape): number {
    return Math.max(
      1,
      this.#usualMs(shape) * (this.#levelAt(nowMs) * this.#load(shape.inFlight) + this.#tail),
    )
  }

  /** What each call in flight adds to the others, as a share of their time. */
  get loadSlope(): number {
    return Math.min(this.#loadSlope / (this.#loadSpread + LOAD_RIDGE), 1 / Math.max(1, this.#usualInFlight))
  }

  observe(nowMs: number, shape: CallShape, ms: number): void {
    const usualMs = this.#usualMs(shape)
    const elapsedMs = this.answers > 0 ? Math.max(0, nowMs - this.#atMs) : 0
    this.#level = this.#levelAt(nowMs)
    this.#variance = Math.min(
      MAX_VARIANCE,
      this.#variance + ((DRIFT_PER_SECOND * elapsedMs) / 1_000) * this.#level ** 2,
    )
    const load = this.#load(shape.inFlight)
    this.#learnLevel(Math.max(MIN_LEVEL, ms / usualMs / load))
    // A candidate that has just become slow has more of its calls in flight: they are not why.
    if (this.#surprises === 0) this.#learnLoad(shape.inFlight, ms / usualMs / this.#level)
    this.#learnShape(elapsedMs, shape, ms, usualMs * Math.max(0.2, this.#level))
    // The level is a share of the shape: what it says of such an answer stays what it was.
    const scale = usualMs / this.#usualMs(shape)
    this.#level = Math.min(MAX_LEVEL, Math.max(MIN_LEVEL, this.#level * scale))
    this.#variance = Math.min(MAX_VARIANCE, this.#variance * scale ** 2)
    this.#atMs = nowMs
    this.answers += 1
  }

  #usualMs({ inputTokens, outputTokens }: CallShape): number {
    return Math.max(1, this.#overheadMs + this.#perOutput * outputTokens + this.#perInput * inputTokens)
  }

  #levelAt(nowMs: number): number {
    if (this.answers === 0 || nowMs <= this.#atMs) return this.#level
    return 1 + (this.#level - 1) * 2 ** ((this.#atMs - nowMs) / LEVEL_HALF_LIFE_MS)
  }

  #load(inFlight: number): number {
    return Math.max(0.2, 1 + this.loadSlope * (inFlight - this.#usualInFlight))
  }

  /** A one-dimensional Kalman filter, whose variance grows when answers in a row say that the level is another. */
  #learnLevel(ratio: number): void {
    const before = this.#level
    if (this.answers === 0) {
      // The first answer says more than any prior.
      this.#level = Math.min(50, Math.max(0.02, ratio))
      this.#variance = this.#noise * this.#level ** 2
      return
    }
    const direction = ratio >= SURPRISE * before ? 1 : ratio <= before / SURPRISE ? -1 : 0
    const clipped = direction === 0 ? ratio : before * SURPRISE ** direction
    this.#tail += TAIL * (Math.min(MAX_TAIL * before, ratio) - clipped - this.#tail)
    if (this.#tail < 0) this.#tail = 0
    this.#surprises =
      direction === 0 ? 0 : this.#surprises * direction > 0 ? this.#surprises + direction : direction
    if (direction !== 0) {
      const further =
        Math.abs(this.#surprises) > 1 &&
        Math.abs(Math.log(this.#mildest)) < Math.abs(Math.log(ratio / before))
      this.#mildest = further ? this.#mildest : ratio / before
    }
    const needed = Math.min(
      MOST_SURPRISES_TO_BELIEVE,
      Math.max(SURPRISES_TO_BELIEVE, UNBELIEVABLE / Math.log(this.#surpriseRate)),
    )
    this.#surpriseRate += 0.01 * ((direction === 0 ? 0 : 1) - this.#surpriseRate)
    this.#surpriseRate = Math.min(0.5, Math.max(0.005, this.#surpriseRate))
    if (Math.abs(this.#surprises) >= needed) {
      this.#level = before * this.#mildest
      this.#variance = this.#noise * this.#level ** 2
      this.#surprises = 0
      this.#surpriseRate = FIRST_SURPRISE_RATE
      return
    }
    const error = clipped - before
    const noise = this.#noise * before ** 2
    const gain = this.#variance / (this.#variance + noise)
    this.#level = before + gain * error
    this.#variance *= 1 - gain
    this.#noise = Math.max(MIN_NOISE, this.#noise + 0.02 * ((error / before) ** 2 - this.#noise))
  }

  /** How answers vary with the calls in flight around the usual number: a slow provider has more of them in any case. */
  #learnLoad(inFlight: number, ratio: number): void {
    const more = inFlight - this.#usualInFlight
    const error = Math.min(SURPRISE, ratio) - 1
    const keep = 1 - 1 / LOAD_ANSWERS
    this.#loadSpread = this.#loadSpread * keep + more * more
    this.#loadSlope = Math.max(0, this.#loadSlope * keep + more * error)
    this.#usualInFlight += 0.1 * more
  }

  #learnShape(
    elapsedMs: number,
    { inputTokens, outputTokens }: CallShape,
    ms: number,
    predictedMs: number,
  ): void {
    const aged = 2 ** (-elapsedMs / SHAPE_HALF_LIFE_MS) * (1 - 1 / SHAPE_ANSWERS)
    // Errors are shares: a long answer says no more than a short one.
    const w = (USUAL_MS / predictedMs) ** 2
    const x1 = outputTokens / USUAL_OUTPUT
    const x2 = inputTokens / USUAL_INPUT
    const y = Math.min(ms, SURPRISE * 2 * predictedMs)
    this.#weight = this.#weight * aged + w
    this.#a01 = this.#a01 * aged + w * x1
    this.#a02 = this.#a02 * aged + w * x2
    this.#a11 = this.#a11 * aged + w * x1 * x1
    this.#a12 = this.#a12 * aged + w * x1 * x2
    this.#a22 = this.#a22 * aged + w * x2 * x2
    this.#g0 = this.#g0 * aged + w * y
    this.#g1 = this.#g1 * aged + w * x1 * y
    this.#g2 = this.#g2 * aged + w * x2 * y
    this.#solve()
  }

  /** Least squares where nothing is negative, by coordinate descent from the last solution. */
  #solve(): void {
    const p = this.#priorWeight
    const a00 = this.#weight + p
    const a11 = this.#a11 + p
    const a22 = this.#a22 + p
    const g0 = this.#g0 + p * this.#priorOverheadMs
    const g1 = this.#g1 + p * this.#priorSlope * USUAL_OUTPUT
    let b0 = this.#overheadMs
    let b1 = this.#perOutput * USUAL_OUTPUT
    let b2 = this.#perInput * USUAL_INPUT
    for (let sweep = 0; sweep < SWEEPS; sweep++) {
      b0 = Math.max(0, (g0 - this.#a01 * b1 - this.#a02 * b2) / a00)
      b1 = Math.max(0, (g1 - this.#a01 * b0 - this.#a12 * b2) / a11)
      b2 = Math.max(0, (this.#g2 - this.#a02 * b0 - this.#a12 * b1) / a22)
    }
    this.#overheadMs = b0
    this.#perOutput = b1 / USUAL_OUTPUT
    this.#perInput = b2 / USUAL_INPUT
  }
}

/** Enough, as each answer begins where the one before it ended. */
const SWEEPS = 2
const USUAL_MS = 1_000
