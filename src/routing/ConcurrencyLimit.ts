/** More than usual traffic has in flight: it grows before it binds, unless there is trouble. */
const START = 64
/** It is never less, but for what the provider says itself: a few calls show nothing of load. */
const LEAST = 8
const LEAST_REFUSED = 2
/** Answers are too slow when they take so many times as long as was expected, as an average over a few. */
const TOO_SLOW = 2
const MAX_SLOWNESS = 4
const SLOWNESS_WEIGHT = 0.1
/** What is left of the calls that were too many. */
const LEFT_WHEN_LIMITED = 0.9
const LEFT_WHEN_REFUSED = 0.75
const LEFT_WHEN_SILENT = 0.5
/** After so long without trouble it doubles with each round of answers again, and until then grows by one. */
const CAREFUL_MS = 60_000
/** By answer, while it is more than is needed. */
const DECAY = 1 / 16

/** When a call began, and as which of those in flight. */
interface BegunCall {
  readonly startedMs: number
  readonly inFlight: number
}

/**
 * How many calls one candidate may have in flight before others are preferred. It doubles at most with each round of answers,
 * so that no more than twice what was answered can come to hang. It shrinks when the provider says that there are too many, and
 * when those near it time out or take longer than is predicted for so many. Where there is room it follows twice what is
 * needed. After a trip it starts from one. Synchronous; all times are `monotonicMs`.
 */
export class ConcurrencyLimit {
  #limit = START
  /** Calls that began before the latest change to less know nothing of it. */
  #changedMs = Number.NEGATIVE_INFINITY
  #carefulUntilMs = Number.NEGATIVE_INFINITY
  #slowness = 1
  /** What it was before the trip, while a candidate gets its traffic back. */
  #before: number | undefined
  /** What the first answer after a trip makes of it. */
  #first = LEAST

  get value(): number {
    return Math.floor(this.#limit)
  }

  /** `slowness`: what the answer took beside what was expected. */
  answered(call: BegunCall, slowness: number, nowMs: number): void {
    if (call.startedMs < this.#changedMs) return
    if (this.#before !== undefined && this.#limit < this.#first) this.#limit = this.#first
    else if (!this.#isNear(call)) {
      this.#before = undefined
      if (this.#limit > START) this.#limit = Math.max(START, this.#limit - DECAY)
    } else {
      this.#slowness += SLOWNESS_WEIGHT * (Math.min(MAX_SLOWNESS, slowness) - this.#slowness)
      if (this.#slowness > TOO_SLOW) this.#shrinkTo(Math.max(LEAST, this.#limit / this.#slowness), nowMs)
      else this.#limit += nowMs < this.#carefulUntilMs ? 1 / this.#limit : 1
    }
    if (this.#before !== undefined && this.#limit >= this.#before) this.#before = undefined
  }

  /** A limit was met, which may be one of a time and not of calls at once. */
  limited(call: BegunCall, nowMs: number): void {
    this.#shrink(call, LEFT_WHEN_LIMITED, LEAST, nowMs)
  }

  /** The provider has too much to do. */
  overloaded(call: BegunCall, nowMs: number): void {
    this.#shrink(call, LEFT_WHEN_REFUSED, LEAST_REFUSED, nowMs)
  }

  timedOut(call: BegunCall, nowMs: number): void {
    if (this.#isNear(call)) this.#shrink(call, LEFT_WHEN_SILENT, LEAST, nowMs)
  }

  /** Any other failure shows load only while a candidate gets its traffic back. */
  failed(call: BegunCall, nowMs: number): void {
    if (this.#before !== undefined) this.#shrink(call, LEFT_WHEN_REFUSED, LEAST_REFUSED, nowMs)
  }

  /** Starts from one: who was down may be back with little room. */
  tripped(nowMs: number): void {
    if (this.#before === undefined) {
      this.#before = this.#limit
      this.#first = LEAST
      this.#carefulUntilMs = Number.NEGATIVE_INFINITY
    } else if (this.#limit > 1) this.#first = Math.max(1, this.#first / 2)
    this.#limit = 1
    this.#changedMs = nowMs
    this.#slowness = 1
  }

  reset(): void {
    this.#limit = START
    this.#changedMs = Number.NEGATIVE_INFINITY
    this.#carefulUntilMs = Number.NEGATIVE_INFINITY
    this.#slowness = 1
    this.#before = undefined
  }

  #isNear({ inFlight }: BegunCall): boolean {
    return 2 * inFlight >= this.#limit
  }

  #shrink({ inFlight, startedMs }: BegunCall, left: number, least: number, nowMs: number): void {
    if (startedMs >= this.#changedMs)
      this.#shrinkTo(Math.max(least, Math.min(this.#limit, inFlight) * left), nowMs)
  }

  #shrinkTo(limit: number, nowMs: number): void {
    this.#limit = Math.min(this.#limit, limit)
    this.#changedMs = nowMs
    this.#carefulUntilMs = nowMs + CAREFUL_MS
    this.#slowness = 1
  }
}
