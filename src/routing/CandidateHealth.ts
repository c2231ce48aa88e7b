import { dispositions, openCooldownMs, type ProviderError } from "../domain/ProviderError.ts"

/** What is known of a call before it leaves. */
export interface CallForecast {
  /** Milliseconds after which it is late: far beyond its prediction. */
  readonly lateAfterMs: number
  /** True once something of the answer has come. */
  readonly isAnswering: () => boolean
}

/** One call under way. */
interface Call {
  readonly forecast: CallForecast
  /** A call of an earlier era than the candidate's knows nothing newer. */
  readonly era: number
  /** Begun after a trip's time: how it ends decides. */
  readonly probe: boolean
  readonly startedMs: number
}

const CONSECUTIVE_FAILURES = 5
/** 5, 10, 20, 40, 60, 60 ... seconds while it keeps failing. */
const FIRST_OPENING_MS = 5_000
const LONGEST_OPENING_MS = 60_000
/** A longer Retry-After is cut to this: one wrong header must not hide a provider for a day. */
export const MAX_COOLDOWN_MS = 10 * 60_000
/** Reported while an open circuit's probe is out: its end is near but unknown. */
const PROBE_WAIT_MS = 1_000
/** Answers after a trip with which a candidate is as good as before it. */
const ANSWERS_TO_RECOVER = 3
/** Requests between two probes that clients pay for, at most, while every probe fails. */
const MAX_REQUESTS_BETWEEN_PROBES = 4
/** Calls without any sign of life with which a candidate is suspected, the first of them being late. */
const SILENT_CALLS = 10

/**
 * Health of one candidate, from how its calls end and, while they hang, from that they do not. Synchronous, as planning
 * asks it for every request; all times are `monotonicMs`.
 *
 * A trip keeps traffic away for a time: the circuit opens after failures in a row, and an error that says to stay away
 * starts a cooldown at once, without a word to the circuit. Afterwards the candidate is on probation: it competes, its
 * next requests are probes, and three answers end it. It refuses nothing: a call that is made all the same, for want of
 * a better candidate, and is answered, ends the trip's time at once.
 */
export class CandidateHealth {
  /** Grows with every trip and every recovery. */
  #era = 0
  /** In a row, while the circuit is closed; from the time on, a probe should say whether that goes on. */
  #failures = 0
  #doubtedFromMs = 0
  #trip: "none" | "circuit" | "cooldown" = "none"
  #untilMs = Number.NEGATIVE_INFINITY
  /** Of this era. */
  #answers = 0
  /** Tripped, and the latest call was answered. */
  #answering = false
  #probes = 0
  #failedProbes = 0
  #passedOver = 0
  /** An opening in this time after a recovery goes on with the doubling. */
  #openings = 0
  #openedForMs = 0
  #forgetOpeningsAtMs = Number.NEGATIVE_INFINITY
  /** Calls under way that have brought nothing yet; those that have leave when somebody counts. */
  readonly #waiting = new Set<Call>()
  /** Calls under way that began since the last sign of life, oldest first. */
  readonly #silent = new Set<Call>()
  /** Set by a recovery until somebody takes note. */
  #recovered = false

  /** Tells that so many calls wait for the first of their answers. */
  hasWaiting(calls: number): boolean {
    if (this.#waiting.size < calls) return false
    for (const call of this.#waiting) if (call.forecast.isAnswering()) this.#waiting.delete(call)
    return this.#waiting.size >= calls
  }

  begin(nowMs: number, forecast: CallForecast): Call {
    const probe = this.#isProbeDue(nowMs)
    if (probe) this.#probes += 1
    const call = { forecast, era: this.#era, probe, startedMs: nowMs }
    this.#waiting.add(call)
    this.#silent.add(call)
    return call
  }

  succeeded(call: Call, nowMs: number): void {
    const isNews = this.#end(call)
    this.#silent.clear()
    // A call already in flight when the trip began knows nothing newer.
    if (!isNews) return
    this.#failures = 0
    if (this.#trip === "none") {
      this.#failedProbes = 0
      return
    }
    this.#answering = true
    this.#answers += 1
    if (this.#answers < ANSWERS_TO_RECOVER) return
    if (this.#trip === "circuit") this.#forgetOpeningsAtMs = nowMs + this.#openedForMs
    this.#trip = "none"
    this.#era += 1
    this.#failedProbes = 0
    this.#recovered = true
  }

  failed(call: Call, nowMs: number, error: ProviderError): void {
    const isNews = this.#end(call)
    // Whatever it said, it is there.
    if (error.kind !== "timeout") this.#silent.clear()
    const lesson = dispositions[error.kind].breaker
    if (lesson === "ignore") return
    if (isNews && call.probe) {
      this.#failedProbes += 1
      this.#passedOver = 0
    }
    if (lesson === "open") {
      const waitMs = Math.min(error.retryAfterMs ?? openCooldownMs(error.kind), MAX_COOLDOWN_MS)
      this.#coolDown(nowMs, nowMs + waitMs)
    }
    if (lesson === "open" || !isNews) return
    this.#failures += 1
    this.#doubtedFromMs = nowMs + FIRST_OPENING_MS
    this.#answers = 0
    if (this.#trip === "circuit") this.#answering = false
    const trips = this.#trip === "circuit" ? nowMs >= this.#untilMs : this.#failures >= CONSECUTIVE_FAILURES
    if (trips) this.#open(nowMs, Math.min(error.retryAfterMs ?? 0, MAX_COOLDOWN_MS))
  }

  /** Ends a call that says nothing of the candidate: its client left, or it met a bug of ours. */
  abandoned(call: Call): void {
    this.#end(call)
  }

  /** Milliseconds until the candidate should be asked again; 0 = not tripped. */
  trippedForMs(nowMs: number): number {
    if (this.#trip === "none" || this.#answering) return 0
    const probing = this.#trip === "circuit" && this.#probes > 0
    return Math.max(0, this.#untilMs - nowMs, probing ? PROBE_WAIT_MS : 0)
  }

  /**
   * Tells that calls hang which have not failed yet: many wait, none that began since the last sign of life has
   * brought another, and the oldest is late. In a row as the circuit counts, so that a few long answers among others
   * are none of it.
   */
  isSuspect(nowMs: number): boolean {
    if (this.#silent.size + this.#failures < SILENT_CALLS) return false
    const [oldest] = this.#silent
    if (oldest === undefined || nowMs - oldest.startedMs < oldest.forecast.lateAfterMs) return false
    for (const call of this.#silent) {
      if (!call.forecast.isAnswering()) continue
      this.#silent.clear()
      return false
    }
    return true
  }

  /**
   * Offers the candidate for a probe, one at a time: after a trip's time, and when it failed at last and was not asked
   * since. While probes keep failing more and more requests are let go by between two of them.
   */
  offersProbe(nowMs: number): boolean {
    if (this.#probes > 0 || !this.#isProbeDue(nowMs)) return false
    if (this.#passedOver < Math.min(this.#failedProbes, MAX_REQUESTS_BETWEEN_PROBES)) {
      this.#passedOver += 1
      return false
    }
    return true
  }

  /** Tells once of each recovery: what was learned of the trouble before it is out of date. */
  takeRecovery(): boolean {
    const recovered = this.#recovered
    this.#recovered = false
    return recovered
  }

  /**
   * Starts anew, on a probation: it is asked at once, and by whom it fails is answered by another. Calls under way have no
   * say any more.
   */
  reset(): void {
    this.#begin("cooldown", Number.NEGATIVE_INFINITY)
    this.#failures = 0
    this.#failedProbes = 0
    this.#forgetOpeningsAtMs = Number.NEGATIVE_INFINITY
    this.#recovered = false
    this.#silent.clear()
  }

  #isProbeDue(nowMs: number): boolean {
    if (this.#trip === "none") return this.#failures > 0 && nowMs >= this.#doubtedFromMs
    return nowMs >= this.#untilMs || this.#answering
  }

  /** Ends the call; true when it is of the present era. */
  #end(call: Call): boolean {
    this.#waiting.delete(call)
    this.#silent.delete(call)
    if (call.era !== this.#era) return false
    if (call.probe) this.#probes -= 1
    return true
  }

  #open(nowMs: number, waitMs: number): void {
    if (this.#trip !== "circuit" && nowMs >= this.#forgetOpeningsAtMs) this.#openings = 0
    const openForMs = Math.max(waitMs, Math.min(FIRST_OPENING_MS * 2 ** this.#openings, LONGEST_OPENING_MS))
    this.#openings += 1
    this.#openedForMs = openForMs
    this.#failures = 0
    this.#begin("circuit", Math.max(nowMs + openForMs, this.#answering ? 0 : this.#untilMs))
  }

  /** Several calls in flight may be told to stay away at once; none shortens what another was told. */
  #coolDown(nowMs: number, untilMs: number): void {
    if (!this.#answering && nowMs < this.#untilMs) {
      this.#untilMs = Math.max(this.#untilMs, untilMs)
      return
    }
    this.#begin(this.#trip === "circuit" ? "circuit" : "cooldown", untilMs)
  }

  #begin(trip: "circuit" | "cooldown", untilMs: number): void {
    this.#era += 1
    this.#trip = trip
    this.#untilMs = untilMs
    this.#answers = 0
    this.#answering = false
    this.#probes = 0
  }
}
