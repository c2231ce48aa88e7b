import { openCooldownMs, type ProviderError, type ProviderErrorKind } from "./ProviderError.ts"

const LONGEST_MS = 60 * 60_000
/** A longer Retry-After is cut to this: one wrong header must not hide a provider for a day. */
export const MAX_COOLDOWN_MS = 10 * 60_000
/** Reported while a probe is out: its end is near but unknown. */
export const PROBE_WAIT_MS = 1_000

interface BegunCall {
  readonly startedMs: number
}

/**
 * Keeps traffic away from a model, or from all of an account's or a key's, for as long as an operator has not looked after what
 * refuses it: no credit, a key that is not taken, a model that the account may not use. Time alone seldom mends that, so the
 * rest gets longer each time that the probe after it is refused again. Whoever is asked all the same and answers ends it.
 */
export class OperatorRest {
  /** Undefined: there is nothing. */
  #why: ProviderErrorKind | undefined
  #untilMs = 0
  #restMs = 0
  /** Of the latest refusal: calls that began before it know nothing newer. */
  #refusedMs = Number.NEGATIVE_INFINITY
  #probe: BegunCall | undefined
  /** When an answer ended it. */
  #endedMs = Number.NEGATIVE_INFINITY
  readonly #account: OperatorRest | undefined

  /** `account`: of which the model is. Once another of its models is answered, a refused one waits no longer than at first. */
  constructor(account?: OperatorRest) {
    this.#account = account
  }

  get why(): ProviderErrorKind | undefined {
    return this.#why
  }

  /** Milliseconds until it is to be asked again; 0 = now. */
  leftMs(nowMs: number): number {
    if (this.#why === undefined) return 0
    return Math.max(this.#until(this.#why) - nowMs, this.#probe === undefined ? 0 : PROBE_WAIT_MS, 0)
  }

  isProbeDue(nowMs: number): boolean {
    return this.#why !== undefined && this.leftMs(nowMs) === 0
  }

  /** The first call after the rest's time is its probe; the others are kept away until it is back. */
  begin(call: BegunCall): void {
    if (this.isProbeDue(call.startedMs)) this.#probe = call
  }

  end(call: BegunCall): void {
    if (this.#probe === call) this.#probe = undefined
  }

  /** Returns whether it rests anew. */
  refused(call: BegunCall, nowMs: number, { kind, retryAfterMs }: ProviderError): boolean {
    if (this.#why !== undefined && call.startedMs < this.#refusedMs) return false
    this.#why = kind
    this.#refusedMs = nowMs
    // Asked in the middle of it, for want of anybody else.
    if (nowMs < this.#until(kind)) return false
    this.#restMs = Math.min(LONGEST_MS, this.#restMs === 0 ? openCooldownMs(kind) : 2 * this.#restMs)
    const longestMs = Math.max(MAX_COOLDOWN_MS, this.#restMs)
    this.#untilMs = nowMs + Math.min(retryAfterMs ?? this.#restMs, longestMs)
    return true
  }

  answered(call: BegunCall, nowMs: number): void {
    if (this.#why === undefined || call.startedMs < this.#refusedMs) return
    this.reset()
    this.#endedMs = nowMs
  }

  reset(): void {
    this.#why = undefined
    this.#untilMs = 0
    this.#restMs = 0
    this.#refusedMs = Number.NEGATIVE_INFINITY
    this.#probe = undefined
  }

  #until(kind: ProviderErrorKind): number {
    const account = this.#account
    if (account === undefined || account.#endedMs <= this.#refusedMs) return this.#untilMs
    return Math.min(this.#untilMs, account.#endedMs + openCooldownMs(kind))
  }
}
