import { MAX_COOLDOWN_MS, OperatorRest, PROBE_WAIT_MS } from "../domain/OperatorRest.ts"
import {
  concernsAccount,
  dispositions,
  type ProviderError,
  type ProviderErrorKind,
} from "../domain/ProviderError.ts"
import { type Link, LinkedSet } from "../platform/LinkedSet.ts"
import { ConcurrencyLimit } from "./ConcurrencyLimit.ts"
import { Silence, type SilentCall } from "./Silence.ts"
import { unusualRun } from "./unusual-run.ts"

/** What is known of a call before it leaves. */
export interface CallForecast {
  /** Milliseconds that an answer, or the first of a stream, is predicted to take. */
  readonly expectedMs: number
  /** Milliseconds that it took, once it is there. */
  readonly tookMs: () => number
  /** Milliseconds after which it is late: far beyond its prediction. */
  readonly lateAfterMs: number
  /** True once something of the answer has come. */
  readonly isAnswering: () => boolean
  /** Its request leaves it too little time for a timeout to say anything of the candidate. */
  readonly isHurried?: boolean
}

/** What keeps traffic away from a candidate, as operators are shown it. */
export interface Trouble {
  /** `probation`: it may be asked, and is not yet known to be well again. */
  readonly state: "healthy" | "probation" | "degraded" | "tripped"
  /** Milliseconds until that is over or probed; null where nobody knows. */
  readonly leftMs: number | null
  readonly why: ProviderErrorKind | "limit_used_up" | "silent" | "calls_in_flight" | null
}

/** A trip, as other processes that ask the candidate hear of it. Times are durations: no two clocks agree. */
export interface TripNews {
  readonly trip: "circuit" | "cooldown"
  /** Until it is over or probed. */
  readonly forMs: number
  /** Since the first call began that failed. */
  readonly failingForMs: number
  readonly why: ProviderErrorKind
}

/** One call under way. */
interface Call {
  readonly forecast: CallForecast
  /** A call of an earlier era than the candidate's knows nothing newer. */
  readonly era: number
  /** As many as the candidate had when it began: after another it has no say. */
  readonly resets: number
  /** The first of its era. */
  readonly isFirst: boolean
  /** Begun after a trip's time: how it ends decides. */
  readonly probe: boolean
  readonly startedMs: number
  /** Calls under way when it began, itself included. */
  readonly inFlight: number
  /** Its places among those that have brought nothing yet. */
  readonly waiting: Link<CallForecast>
  readonly silent: Link<SilentCall>
}

/** Failures in a row that open the circuit: more of a candidate whose calls often fail, unless as many are that unlikely. */
const CONSECUTIVE_FAILURES = 5
const MOST_CONSECUTIVE_FAILURES = 15
const UNLIKELY = 0.001
/** A call that goes on for so many times what failures take, and for no less than this, is none of them. */
const OUTLIVES = 10
const LEAST_LIFE_MS = 1_000
/** Weight of a call in the share that fails. */
const SHARE_WEIGHT = 0.05
/** 2, 4 and 5 seconds, then a twentieth of the outage so far, and no less than what many failures would take: what probes cost stays small. */
const FIRST_OPENING_MS = 2_000
const SHORT_OPENING_MS = 5_000
const LONGEST_OPENING_MS = 60_000
const OPENING_PER_OUTAGE = 0.05
const OPENING_PER_FAILURE = 20
/** The first wait for a limit that does not say when it ends is half or twice this. */
const FIRST_LIMIT_MS = 1_000
const SHORTEST_LIMIT_MS = 100
/** Others are not told of less. */
const LEAST_TOLD_MS = 500
/** Less is over before the next request. */
const SHORTEST_REST_MS = 100
/** Answers after a trip with which a candidate is as good as before it. */
const ANSWERS_TO_RECOVER = 3
/** A candidate is taken to be better by no less than this share: it may have changed. */
const LEAST_GAIN = 0.02
const MAX_REQUESTS_BETWEEN_PROBES = 1_000

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
  /** How often it was started anew. */
  resets = 0
  /** In a row, while the circuit is closed; from the time on, a probe should say whether that goes on. */
  #failures = 0
  #failuresToTrip = CONSECUTIVE_FAILURES
  #doubtedFromMs = 0
  /** When the first call of those in a row began. */
  #failingSinceMs = 0
  /** The latest beginning of a call that was answered. */
  #answeredStartMs = Number.NEGATIVE_INFINITY
  /** Of a trip that others told of: an answer to a call that began since speaks against it. */
  #heardFromMs = Number.POSITIVE_INFINITY
  /** How long the latest failure took, and the first call under way that began since failures did. */
  #failureMs = 0
  #survivor: Call | undefined
  /** Share of calls that failed while the circuit was closed. */
  #failureShare = 0
  #trip: "none" | "circuit" | "cooldown" = "none"
  #untilMs = Number.NEGATIVE_INFINITY
  /** Of this era. */
  #answers = 0
  /** Tripped, and the latest call was answered. */
  #answering = false
  #probes = 0
  /** What the latest probe took to fail. */
  #failedProbeMs = 0
  #passedOver = 0
  /** Requests since the trip, or since its failures began. */
  #letBy = 0
  /** Since the circuit was closed. */
  #openings = 0
  #openedAtMs = 0
  /** Calls under way that have brought nothing yet; those that have leave when somebody counts. */
  readonly #waiting = new LinkedSet<CallForecast>()
  readonly #silence = new Silence()
  /** The era of the latest call. */
  #askedInEra = -1
  /** How long the latest limit was waited for that did not say when it ends. */
  #limitMs = FIRST_LIMIT_MS
  /** Of a limit that is used up, and when that was last told. */
  #restsUntilMs = Number.NEGATIVE_INFINITY
  #restToldMs = Number.NEGATIVE_INFINITY
  /** Set by a recovery until somebody takes note. */
  #recovered = false

  /** Calls under way. */
  inFlight = 0
  readonly #limit = new ConcurrencyLimit()
  readonly #rest: OperatorRest
  /** Of all models of the provider. */
  readonly #account: OperatorRest
  /** What the latest trip was for. */
  #why: ProviderErrorKind | null = null
  #askedAtMs = Number.NEGATIVE_INFINITY

  readonly #tell: (news: TripNews) => void

  /** `tell` hears of each trip that begins here. */
  constructor(account = new OperatorRest(), tell: (news: TripNews) => void = () => {}) {
    this.#account = account
    this.#tell = tell
    this.#rest = new OperatorRest(account)
  }

  /** Milliseconds since the latest call began. */
  askedMs(nowMs: number): number {
    return nowMs - this.#askedAtMs
  }

  /** Tells that so many calls wait for the first of their answers. */
  hasWaiting(calls: number): boolean {
    if (this.#waiting.size < calls) return false
    this.#waiting.forEach((call, link) => {
      if (call.isAnswering()) this.#waiting.delete(link)
    })
    return this.#waiting.size >= calls
  }

  begin(nowMs: number, forecast: CallForecast): Call {
    const probe = this.#isProbeDue(nowMs)
    if (probe) this.#probes += 1
    this.inFlight += 1
    const call = {
      forecast,
      era: this.#era,
      resets: this.resets,
      isFirst: this.#era !== this.#askedInEra,
      probe,
      startedMs: nowMs,
      inFlight: this.inFlight,
      waiting: this.#waiting.add(forecast),
      silent: this.#silence.begin({ forecast, startedMs: nowMs }),
    }
    this.#askedInEra = this.#era
    if (this.#failures > 0 || this.#trip !== "none") this.#survivor ??= call
    this.#askedAtMs = nowMs
    this.#rest.begin(call)
    this.#account.begin(call)
    return call
  }

  succeeded(call: Call, nowMs: number): void {
    this.#silence.answered(call.silent)
    const isNews = this.#end(call)
    if (call.resets !== this.resets) return
    this.#limit.answered(call, call.forecast.tookMs() / call.forecast.expectedMs, nowMs)
    if (call.startedMs > this.#restToldMs) this.#restsUntilMs = Number.NEGATIVE_INFINITY
    this.#rest.answered(call, nowMs)
    this.#account.answered(call, nowMs)
    this.#answeredStartMs = Math.max(this.#answeredStartMs, call.startedMs)
    if (call.startedMs >= this.#heardFromMs) this.#endTrip()
    // A call already in flight when the trip began knows nothing newer.
    if (!isNews) return
    this.#failures = 0
    this.#failedProbeMs = 0
    if (this.#trip === "none") {
      this.#failureShare -= SHARE_WEIGHT * this.#failureShare
      return
    }
    this.#answering = true
    this.#answers += 1
    if (this.#answers < ANSWERS_TO_RECOVER) return
    this.#endTrip()
  }

  #endTrip(): void {
    this.#trip = "none"
    this.#heardFromMs = Number.POSITIVE_INFINITY
    this.#era += 1
    this.#probes = 0
    this.#recovered = true
  }

  /**
   * Hears that the candidate failed elsewhere. What is known here comes first: a trip that lasts as long, and an answer to a
   * call that began since it fails there, where the trouble may be with the teller.
   */
  hear(nowMs: number, { failingForMs, forMs, trip, why }: TripNews): void {
    const sinceMs = nowMs - failingForMs
    if (this.trippedForMs(nowMs) >= forMs || this.#answeredStartMs >= sinceMs) return
    this.#why = why
    this.#failures = 0
    const untilMs = nowMs + Math.min(forMs, MAX_COOLDOWN_MS)
    // A limit met elsewhere closes no circuit that is open here.
    if (trip === "cooldown" && this.#trip === "circuit") {
      this.#coolDown(nowMs, untilMs)
      return
    }
    if (trip === "circuit") {
      // Counts like an opening here, so that the next one is longer; several tell of the same one.
      if (this.#trip !== "circuit" || nowMs >= this.#untilMs) this.#noteOpening(sinceMs)
      // No failure there took longer: a call that hangs here outlives none of them.
      this.#failureMs = failingForMs
    }
    this.#begin(trip, untilMs)
    this.#heardFromMs = sinceMs
  }

  failed(call: Call, nowMs: number, error: ProviderError): void {
    // Whatever it said, it is there.
    if (error.kind !== "timeout" && error.kind !== "client_deadline") this.#silence.broken(call.silent)
    const isNews = this.#end(call)
    const lesson = dispositions[error.kind].breaker
    if (call.resets !== this.resets || lesson === "ignore" || error.key?.othersFree === true) return
    this.#learnLimit(call, nowMs, error)
    // One call that is long among others that are answered is no outage.
    if (error.kind === "timeout" && this.livesSince(call.startedMs)) return
    if (isNews && call.probe) {
      this.#failedProbeMs = nowMs - call.startedMs
      this.#passedOver = 0
    }
    if (error.kind === "rate_limited") {
      const unsaidMs = this.#limitedMs(isNews, call)
      this.#why = error.kind
      const era = this.#era
      this.#coolDown(nowMs, nowMs + Math.min(error.retryAfterMs ?? unsaidMs, MAX_COOLDOWN_MS))
      if (era !== this.#era) this.#tellOf(error.kind, nowMs, call.startedMs)
    } else if (isNews && lesson === "open") {
      const isOfAccount = concernsAccount(error)
      // Of an account that rests already a refusal says nothing of the model.
      if (!isOfAccount || this.#account.leftMs(nowMs) === 0) this.#rest.refused(call, nowMs, error)
      if (isOfAccount) this.#account.refused(call, nowMs, error)
    }
    if (lesson === "open" || !isNews) return
    if (this.#failures > 0 && this.outlivesFailures(nowMs)) this.#failures = 0
    this.#failureMs = nowMs - call.startedMs
    if (this.#trip !== "circuit" && this.#failures === 0) {
      this.#survivor = undefined
      const share = this.#failureShare
      this.#failuresToTrip = unusualRun(share, UNLIKELY, CONSECUTIVE_FAILURES, MOST_CONSECUTIVE_FAILURES)
    }
    if (this.#trip === "none") {
      this.#failureShare += SHARE_WEIGHT * (1 - this.#failureShare)
    }
    if (this.#failures === 0) this.#failingSinceMs = call.startedMs
    this.#failures += error.kind === "timeout" ? 2 : 1
    this.#doubtedFromMs = nowMs + FIRST_OPENING_MS
    this.#answers = 0
    if (this.#trip === "circuit") this.#answering = false
    const trips = this.#trip === "circuit" ? nowMs >= this.#untilMs : this.#failures >= this.#failuresToTrip
    if (!trips) return
    this.#why = error.kind
    this.#open(nowMs, Math.min(error.retryAfterMs ?? 0, MAX_COOLDOWN_MS), nowMs - call.startedMs)
    this.#tellOf(error.kind, nowMs, this.#failingSinceMs)
  }

  #tellOf(why: ProviderErrorKind, nowMs: number, sinceMs: number): void {
    if (this.#trip === "none") return
    const [forMs, failingForMs] = [this.#untilMs - nowMs, nowMs - sinceMs]
    // Over before others could do much about it.
    if (forMs >= LEAST_TOLD_MS) this.#tell({ trip: this.#trip, forMs, failingForMs, why })
  }

  /** Ends a call that says nothing of the candidate: its client left, or it met a bug of ours. */
  abandoned(call: Call): void {
    this.#end(call)
  }

  /**
   * Hears that a limit is used up: others are preferred until it is whole again. It is no failure and no trip, and only an
   * answer to a call that began later ends it sooner.
   */
  rest(nowMs: number, untilMs: number): void {
    if (untilMs - nowMs < SHORTEST_REST_MS) return
    this.#restToldMs = nowMs
    this.#restsUntilMs = Math.max(this.#restsUntilMs, Math.min(untilMs, nowMs + MAX_COOLDOWN_MS))
  }

  isResting(nowMs: number): boolean {
    return nowMs < this.#restsUntilMs
  }

  /** Tells that it has as many calls in flight as it is good for: others are preferred. */
  get isAtLimit(): boolean {
    return this.inFlight >= this.#limit.value
  }

  /** Calls in flight above which others are preferred. */
  get limit(): number {
    return this.#limit.value
  }

  /** Tells that its latest news are failures: it is probed until that is known to be over. */
  isInDoubt(nowMs: number): boolean {
    return (this.#trip !== "none" || this.#failures > 0) && !this.outlivesFailures(nowMs)
  }

  /** Tells that failures are not in a row: a call which began after the first of them goes on, far longer than they take. */
  outlivesFailures(nowMs: number): boolean {
    return (
      this.#survivor !== undefined &&
      nowMs - this.#survivor.startedMs > Math.max(LEAST_LIFE_MS, OUTLIVES * this.#failureMs)
    )
  }

  /** Tells that a call which began later is answered. */
  livesSince(startedMs: number): boolean {
    return this.#silence.isAnsweredSince(startedMs)
  }

  /** Milliseconds until the candidate should be asked again; 0 = not tripped. */
  trippedForMs(nowMs: number): number {
    const restMs = Math.max(this.#rest.leftMs(nowMs), this.#account.leftMs(nowMs))
    if (this.#trip === "none" || this.#answering) return restMs
    if (this.#trip === "circuit" && this.outlivesFailures(nowMs)) return restMs
    const probing = this.#trip === "circuit" && this.#probes > 0
    return Math.max(restMs, this.#untilMs - nowMs, probing ? PROBE_WAIT_MS : 0)
  }

  troubleAt(nowMs: number): Trouble {
    const leftMs = this.trippedForMs(nowMs)
    const why = this.#account.why ?? this.#rest.why ?? (this.#trip === "none" ? null : this.#why)
    if (leftMs > 0) return { state: "tripped", leftMs, why }
    if (this.isResting(nowMs)) {
      return { state: "degraded", leftMs: this.#restsUntilMs - nowMs, why: "limit_used_up" }
    }
    if (this.isSuspect(nowMs)) return { state: "degraded", leftMs: null, why: "silent" }
    if (this.isAtLimit) return { state: "degraded", leftMs: null, why: "calls_in_flight" }
    return why === null ? { state: "healthy", leftMs: null, why } : { state: "probation", leftMs: null, why }
  }

  /** Tells that calls hang which have not failed yet. */
  isSuspect(nowMs: number): boolean {
    return this.#silence.isSuspicious(nowMs, this.#failures)
  }

  /**
   * Offers the candidate for a probe, one at a time: after a trip's time, and when it failed at last and was not asked
   * since. How many requests are let go by first weighs what a probe costs, by how long the last one took to fail beside what
   * requests usually take, against what is lost as long as nobody knows that the candidate is back: `gain` is by how much
   * better it would be, as a share. Trouble that has lasted long is likely to last.
   */
  offersProbe(nowMs: number, usualMs: number, gain: number): boolean {
    this.#letBy += 1
    if (this.#rest.leftMs(nowMs) > 0 || this.#account.leftMs(nowMs) > 0) return false
    // Once in minutes: what that costs needs no weighing.
    if (this.#rest.isProbeDue(nowMs) || this.#account.isProbeDue(nowMs)) return true
    if (this.#probes > 0 || !this.#isProbeDue(nowMs)) return false
    this.#passedOver += 1
    const cost = this.#failedProbeMs / usualMs
    const between = Math.sqrt((2 * cost * this.#letBy) / Math.max(LEAST_GAIN, gain))
    return this.#passedOver > Math.min(MAX_REQUESTS_BETWEEN_PROBES, between)
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
    this.resets += 1
    this.#begin("cooldown", Number.NEGATIVE_INFINITY)
    this.#failures = 0
    this.#failureShare = 0
    this.#failedProbeMs = 0
    this.#recovered = false
    this.#restsUntilMs = Number.NEGATIVE_INFINITY
    this.#limit.reset()
    this.#rest.reset()
    this.#account.reset()
    this.#why = null
    this.#silence.forget()
  }

  /**
   * How long to wait for a limit that does not say when it ends: longer when the first call after the last wait met it
   * again, and else shorter, so that little of what the limit allows goes by unused.
   */
  #limitedMs(isNews: boolean, { isFirst }: Call): number {
    if (isNews) {
      this.#limitMs = isFirst
        ? Math.min(LONGEST_OPENING_MS, this.#limitMs * 2)
        : Math.max(SHORTEST_LIMIT_MS, this.#limitMs / 2)
    }
    return this.#limitMs
  }

  #learnLimit(call: Call, nowMs: number, { kind }: ProviderError): void {
    if (kind === "timeout") this.#limit.timedOut(call, nowMs)
    else if (kind === "rate_limited") this.#limit.limited(call, nowMs)
    else if (kind === "overloaded") this.#limit.overloaded(call, nowMs)
    else if (dispositions[kind].breaker === "count") this.#limit.failed(call, nowMs)
  }

  #isProbeDue(nowMs: number): boolean {
    if (this.#trip === "none") return this.#failures > 0 && nowMs >= this.#doubtedFromMs
    return nowMs >= this.#untilMs || this.#answering
  }

  /** Ends the call; true when it is of the present era. */
  #end(call: Call): boolean {
    this.inFlight -= 1
    if (this.#survivor === call) this.#survivor = undefined
    this.#waiting.delete(call.waiting)
    this.#silence.end(call.silent)
    this.#rest.end(call)
    this.#account.end(call)
    if (call.era !== this.#era) return false
    if (call.probe) this.#probes -= 1
    return true
  }

  #open(nowMs: number, waitMs: number, failureMs: number): void {
    this.#noteOpening(nowMs)
    const longestMs = Math.min(
      LONGEST_OPENING_MS,
      Math.max(
        SHORT_OPENING_MS,
        OPENING_PER_OUTAGE * (nowMs - this.#openedAtMs),
        OPENING_PER_FAILURE * failureMs,
      ),
    )
    const openForMs = Math.max(waitMs, Math.min(FIRST_OPENING_MS * 2 ** (this.#openings - 1), longestMs))
    this.#failures = 0
    this.#limit.tripped(nowMs)
    this.#begin("circuit", Math.max(nowMs + openForMs, this.#answering ? 0 : this.#untilMs))
  }

  #noteOpening(atMs: number): void {
    if (this.#trip !== "circuit") {
      this.#openings = 0
      this.#openedAtMs = atMs
    }
    this.#openings += 1
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
    if (this.#trip === "none") this.#letBy = 0
    this.#era += 1
    this.#survivor = undefined
    this.#heardFromMs = Number.POSITIVE_INFINITY
    this.#trip = trip
    this.#untilMs = untilMs
    this.#answers = 0
    this.#answering = false
    this.#probes = 0
  }
}
