import { Context, Data, Effect, Layer, Result, Schedule } from "effect"
import { ofConfig } from "../config/of-config.ts"
import { Settings } from "../config/Settings.ts"
import type { AnswerRoom } from "../domain/AnswerRoom.ts"
import { type PotRefusal, SharedPot } from "../domain/SharedPot.ts"
import * as Metrics from "../observability/Metrics.ts"
import { type AnswerHolder, AnswerPot } from "./AnswerPot.ts"
import { bodyBytesInFlight } from "./body-bytes.ts"
import { EventLoopDelay } from "./EventLoopDelay.ts"

/** Why a request is not taken on: the process has no room (503), or the key has its share of it already (429). */
export class NotAdmitted extends Data.TaggedError("NotAdmitted")<{
  readonly reason: "in_flight" | "event_loop_delay" | "key_in_flight" | "body_bytes" | "key_body_bytes"
  readonly retryAfterMs: number
}> {}

/** Place of one request among those that are worked on. */
export interface Slot extends AnswerRoom {
  /** Makes room for more bytes of the request's body until it leaves. */
  readonly takeBytes: (bytes: number) => Result.Result<void, NotAdmitted>
  /** Says that the answer is a stream that has begun: waiting for its next event costs memory and no work. */
  readonly streaming: () => void
  /** Gives everything back; again it does nothing. */
  readonly leave: () => void
}

const SAMPLE_EVERY_MS = 250
const RETRY_AFTER_MS = 1_000
/** Share of the room for requests that may be taken. */
const BUSY = 0.75

/**
 * Admits requests as far as there is room: for work, for streams that have begun, for the bytes of their bodies. What is
 * taken on keeps its latency, and no key takes the room of the others.
 */
export class Admission extends Context.Service<
  Admission,
  {
    /** The reason for which nobody is admitted at the moment. */
    readonly saturation: () => NotAdmitted | undefined
    /** Tells that little room is left: none for calls that could be done without. */
    readonly isBusy: () => boolean
    readonly enter: (keyId: string) => Result.Result<Slot, NotAdmitted>
  }
>()("gateway/limits/Admission") {
  static readonly layerNoDeps = Layer.effect(
    Admission,
    Effect.gen(function* () {
      const settings = yield* Settings
      const eventLoopDelay = yield* EventLoopDelay
      const update = yield* Metrics.updater
      const pots: Pots = {
        requests: new SharedPot(0, 0),
        streams: new SharedPot(0, 0),
        bodies: new SharedPot(0, 0),
        answers: new AnswerPot(),
        refused: (reason) => update(Metrics.shed(reason), 1),
      }
      const bounds = ofConfig(settings, ({ limits }) => {
        const { maxBodyBytesInFlight, maxEventLoopDelayMs, maxInFlight, maxKeyShare, maxStreams } = limits
        pots.requests.resize(maxInFlight, maxKeyShare)
        pots.streams.resize(maxStreams, maxKeyShare)
        const bytes = maxBodyBytesInFlight ?? bodyBytesInFlight(settings.maxBodyBytes)
        pots.bodies.resize(bytes, maxKeyShare)
        pots.answers.resize(bytes, maxKeyShare)
        return { maxEventLoopDelayMs, maxInFlight }
      })
      let previousMs = 0
      let currentMs = 0

      yield* Effect.sync(() => {
        previousMs = currentMs
        currentMs = eventLoopDelay.take()
      }).pipe(Effect.repeat(Schedule.spaced(SAMPLE_EVERY_MS)), Effect.forkScoped)
      yield* Metrics.observe(Metrics.inFlight, () => pots.requests.taken + pots.streams.taken)
      yield* Metrics.observe(Metrics.streamsInFlight, () => pots.streams.taken)
      yield* Metrics.observe(Metrics.bodyBytesInFlight, () => pots.bodies.taken)
      yield* Metrics.observe(Metrics.answerBytesInFlight, () => pots.answers.taken)
      yield* Metrics.observe(Metrics.eventLoopDelay, () => currentMs / 1000)

      const saturation = (): NotAdmitted | undefined => {
        const { maxEventLoopDelayMs } = bounds()
        if (pots.requests.full) return refusals.in_flight
        // Two periods in a row: one long task delays everyone once, and shedding would not undo it.
        return Math.min(previousMs, currentMs) > maxEventLoopDelayMs ? refusals.event_loop_delay : undefined
      }

      const enter = (keyId: string): Result.Result<Slot, NotAdmitted> => {
        const refusal = saturation() ?? inFlightRefusals(pots.requests.take(keyId, 1))
        if (refusal === undefined) return Result.succeed(new KeySlot(pots, keyId))
        pots.refused(refusal.reason)
        return Result.fail(refusal)
      }

      const isBusy = (): boolean =>
        pots.requests.taken >= BUSY * bounds().maxInFlight || saturation() !== undefined

      return Admission.of({ saturation, isBusy, enter })
    }),
  )

  static readonly layer = this.layerNoDeps.pipe(Layer.provide(EventLoopDelay.layer))
}

const refusal = (reason: NotAdmitted["reason"]) => new NotAdmitted({ reason, retryAfterMs: RETRY_AFTER_MS })

const refusals = {
  in_flight: refusal("in_flight"),
  event_loop_delay: refusal("event_loop_delay"),
  key_in_flight: refusal("key_in_flight"),
  body_bytes: refusal("body_bytes"),
  key_body_bytes: refusal("key_body_bytes"),
}

const inFlightRefusals = (refused: PotRefusal | undefined): NotAdmitted | undefined =>
  refused && (refused === "full" ? refusals.in_flight : refusals.key_in_flight)

interface Pots {
  readonly requests: SharedPot
  readonly streams: SharedPot
  readonly bodies: SharedPot
  readonly answers: AnswerPot
  readonly refused: (reason: NotAdmitted["reason"]) => void
}

const taken = Result.succeed(undefined)

class KeySlot implements Slot, AnswerHolder {
  readonly keyId: string
  hasAsked = false
  answerBytes = 0
  bytesInTurn = 0
  readonly #pots: Pots
  /** Where its place is; undefined once it has left. */
  #place: SharedPot | undefined
  #bytes = 0

  constructor(pots: Pots, keyId: string) {
    this.keyId = keyId
    this.#pots = pots
    this.#place = pots.requests
  }

  takeBytes(bytes: number): Result.Result<void, NotAdmitted> {
    if (this.#place === undefined) return taken
    const refused = this.#pots.bodies.take(this.keyId, bytes)
    if (refused !== undefined) {
      const refusal = refused === "full" ? refusals.body_bytes : refusals.key_body_bytes
      this.#pots.refused(refusal.reason)
      return Result.fail(refusal)
    }
    this.#bytes += bytes
    return taken
  }

  goesOn(bytes: number, resume: () => void): boolean {
    return this.#place === undefined || this.#pots.answers.goesOn(this, bytes, resume)
  }

  readEnds(resume: () => void): void {
    this.#pots.answers.readEnds(this, resume)
  }

  // With no room among the streams it keeps its place among the requests.
  streaming(): void {
    const { requests, streams } = this.#pots
    if (this.#place !== requests || streams.take(this.keyId, 1) !== undefined) return
    requests.giveBack(this.keyId, 1)
    this.#place = streams
  }

  leave(): void {
    this.#place?.giveBack(this.keyId, 1)
    this.#place = undefined
    if (this.#bytes > 0) this.#pots.bodies.giveBack(this.keyId, this.#bytes)
    this.#bytes = 0
    this.#pots.answers.leave(this)
  }
}
