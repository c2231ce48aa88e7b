/** What a circuit remembers of a call that began. */
export interface CircuitCall {
  /** A call of an earlier era than the circuit's knows nothing newer than what the circuit knows. */
  readonly era: number
  /** Begun half-open: how it ends decides. */
  readonly probe: boolean
}

const CONSECUTIVE_FAILURES = 5
/** 5, 10, 20, 40, 60, 60 ... seconds while it keeps failing. */
const FIRST_OPENING_MS = 5_000
const LONGEST_OPENING_MS = 60_000
/** Reported while a probe is out: its end is near but unknown. */
const PROBE_WAIT_MS = 1_000

/**
 * The circuit breaker of one candidate: closed; open for a time after failures in a row; then half-open until a call
 * says how the candidate is. It refuses nothing: a call that is made while it is open and succeeds makes it count as
 * closed until the next failure. Synchronous, since planning asks it for every request, and on a clock that never steps.
 */
export class Circuit {
  /** Grows with every opening and closing. */
  #era = 0
  /** In a row, while closed. */
  #failures = 0
  #isOpen = false
  #openUntilMs = 0
  #openings = 0
  #openedForMs = 0
  /** A candidate that fails again within this time goes on with the doubling. */
  #forgetOpeningsAtMs = Number.NEGATIVE_INFINITY
  /** Open, and the latest call succeeded. */
  #answering = false
  #probes = 0

  begin(nowMs: number): CircuitCall {
    const probe = this.#isOpen && nowMs >= this.#openUntilMs
    if (probe) this.#probes += 1
    return { era: this.#era, probe }
  }

  succeeded(call: CircuitCall, nowMs: number): void {
    if (!this.#end(call)) return
    this.#failures = 0
    if (!this.#isOpen) return
    if (nowMs < this.#openUntilMs) {
      this.#answering = true
      return
    }
    this.#isOpen = false
    this.#era += 1
    this.#forgetOpeningsAtMs = nowMs + this.#openedForMs
  }

  /** `waitMs` is what the provider asked for, if it did. */
  failed(call: CircuitCall, nowMs: number, waitMs: number): void {
    if (!this.#end(call)) return
    this.#answering = false
    this.#failures += 1
    const trips = this.#isOpen ? nowMs >= this.#openUntilMs : this.#failures >= CONSECUTIVE_FAILURES
    if (trips) this.#open(nowMs, waitMs)
  }

  /** Ends a call that says nothing of the candidate. */
  ignored(call: CircuitCall): void {
    this.#end(call)
  }

  /** Milliseconds until the candidate should be asked again; 0 = not open. */
  openForMs(nowMs: number): number {
    if (!this.#isOpen || this.#answering) return 0
    return Math.max(0, this.#openUntilMs - nowMs, this.#probes > 0 ? PROBE_WAIT_MS : 0)
  }

  /** Tells whether the call's end is news. */
  #end({ era, probe }: CircuitCall): boolean {
    if (era !== this.#era) return false
    if (probe) this.#probes -= 1
    return true
  }

  #open(nowMs: number, waitMs: number): void {
    if (nowMs >= this.#forgetOpeningsAtMs && !this.#isOpen) this.#openings = 0
    const openForMs = Math.max(waitMs, Math.min(FIRST_OPENING_MS * 2 ** this.#openings, LONGEST_OPENING_MS))
    this.#openings += 1
    this.#era += 1
    this.#isOpen = true
    this.#openUntilMs = nowMs + openForMs
    this.#openedForMs = openForMs
    this.#failures = 0
    this.#probes = 0
    this.#answering = false
  }
}
