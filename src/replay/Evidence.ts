import { Struct } from "effect"
import type { CallMode } from "../domain/Chat.ts"
import { Histogram, SparseHistogram } from "./Histogram.ts"
import type { LoggedCandidate, LoggedRequest } from "./logged-request.ts"
import { loggedLeader, type Redecision } from "./redecide.ts"

/**
 * What a log says of a policy, in sums that can be added up: the requests that the policy sends somewhere (targets) beside
 * those that went there and whose outcome is known. Both by candidate, mode and part:
 *
 * - `led`: requests that the candidate led and leads. The outcomes are the targets' own.
 * - `moved`: requests that another led, or that were drawn. The outcomes are those of the ones that were sent to the
 *   candidate by chance, each counted as often as it stands for others: one by the chance that it had.
 * - `kept`: requests that go where they went, whatever decided it, with their own outcomes.
 * - `tried`: requests that were sent to another than the leader to see how that is, and are so in both policies.
 * - `swapped`: such ones whose candidate is the new leader. The old leader is tried in its place; the outcomes are those of
 *   requests that it led and that the new policy sends to another.
 */
export type Part = "led" | "moved" | "kept" | "tried" | "swapped"

/** A rarer choice than by one in so many stands for no more requests: one outcome must not be the whole estimate. */
const MAX_WEIGHT = 200

/** Makes what adds sums of one kind, so many times. */
const adderOf = <Name extends string>(kind: Readonly<Record<Name, number>>) => {
  const names = Struct.keys(kind)
  return (into: Record<Name, number>, from: Readonly<Record<Name, number>>, times: number): void => {
    for (const name of names) into[name] += times * from[name]
  }
}

class TargetSums {
  requests = 0
  /** Expected of them. */
  answers = 0
  /** Requests whose cost can be predicted, and that cost. */
  priced = 0
  nanoUsd = 0
}

const addTargets = adderOf(new TargetSums())

/** Requests that a policy sends somewhere, in a stretch of the log. */
class Targets extends TargetSums {
  readonly ms = new SparseHistogram()

  add({ availability, predictedMs, predictedNanoUsd }: LoggedCandidate, times: number): void {
    this.requests += times
    this.answers += times * availability
    if (predictedNanoUsd !== undefined) {
      this.priced += times
      this.nanoUsd += times * predictedNanoUsd
    }
    this.ms.add(predictedMs, times)
  }
}

/** Where requests go. */
interface Place {
  readonly mode: CallMode
  /** `provider/model` */
  readonly candidate: string
  readonly part: Part
}

export class TargetTotals extends TargetSums {
  readonly place: Place
  /**
   * True for what exploration does: requests that try a candidate, and as many fewer that its leader gets. How much of that
   * the new policy does nobody knows.
   */
  readonly ofTrials: boolean
  readonly ms = new Histogram()

  constructor(place: Place, ofTrials: boolean) {
    super()
    this.place = place
    this.ofTrials = ofTrials
  }

  plus(targets: Targets, times: number): void {
    addTargets(this, targets, times)
    targets.ms.addTo(this.ms, times)
  }
}

class OutcomeSums {
  outcomes = 0
  /** From here on with their weights: outcomes, the squares of these, answers, and those of known cost. */
  weight = 0
  weightSquared = 0
  answers = 0
  priced = 0
  nanoUsd = 0
  /** Of these, the ones that a cost was predicted for. */
  compared = 0
  predictedNanoUsd = 0
  /** Outcomes whose weight was cut. */
  clipped = 0
}

const addOutcomes = adderOf(new OutcomeSums())

/** What came of requests that went somewhere, in a stretch of the log. */
class Outcomes extends OutcomeSums {
  readonly ms = new SparseHistogram()
  /** Of those that were answered. */
  readonly predictedMs = new SparseHistogram()

  add({ answered, ms, nanoUsd }: LoggedRequest, predicted: LoggedCandidate, stated: number): void {
    const weight = Math.min(stated, MAX_WEIGHT)
    if (weight < stated) this.clipped += 1
    this.outcomes += 1
    this.weight += weight
    this.weightSquared += weight * weight
    if (answered) this.answers += weight
    if (nanoUsd !== undefined) {
      this.priced += weight
      this.nanoUsd += weight * nanoUsd
      if (predicted.predictedNanoUsd !== undefined) {
        this.compared += weight
        this.predictedNanoUsd += weight * predicted.predictedNanoUsd
      }
    }
    if (ms === undefined) return
    this.ms.add(ms, weight)
    this.predictedMs.add(predicted.predictedMs, weight)
  }
}

export class OutcomeTotals extends OutcomeSums {
  readonly ms = new Histogram()
  readonly predictedMs = new Histogram()

  plus(outcomes: Outcomes, times: number): void {
    addOutcomes(this, outcomes, times)
    outcomes.ms.addTo(this.ms, times)
    outcomes.predictedMs.addTo(this.predictedMs, times)
  }
}

class ErrorSums {
  outcomes = 0
  weight = 0
  answers = 0
  predictedNanoUsd = 0
  actualNanoUsd = 0
}

const addErrors = adderOf(new ErrorSums())

/** How far a candidate's predictions were off wherever it was asked first, in a stretch of the log. */
class Errors extends ErrorSums {
  /** Of the actual to the predicted time. */
  readonly ratios = new SparseHistogram()

  add({ answered, ms, nanoUsd }: LoggedRequest, predicted: LoggedCandidate, weight: number): void {
    this.outcomes += 1
    this.weight += weight
    if (answered) this.answers += weight
    if (nanoUsd !== undefined && predicted.predictedNanoUsd !== undefined) {
      this.predictedNanoUsd += weight * predicted.predictedNanoUsd
      this.actualNanoUsd += weight * nanoUsd
    }
    if (ms !== undefined) this.ratios.add(ms / predicted.predictedMs, weight)
  }
}

export class ErrorTotals extends ErrorSums {
  readonly mode: CallMode
  readonly candidate: string
  readonly ratios = new Histogram()

  constructor(mode: CallMode, candidate: string) {
    super()
    this.mode = mode
    this.candidate = candidate
  }

  plus(errors: Errors, times: number): void {
    addErrors(this, errors, times)
    errors.ratios.addTo(this.ratios, times)
  }
}

class ActualSums {
  requests = 0
  answers = 0
  priced = 0
  nanoUsd = 0
}

const addActual = adderOf(new ActualSums())

/** What was, in one mode and a stretch of the log. */
class Actual extends ActualSums {
  readonly ms = new SparseHistogram()

  add({ answered, ms, nanoUsd }: LoggedRequest): void {
    this.requests += 1
    if (answered) this.answers += 1
    if (nanoUsd !== undefined) {
      this.priced += 1
      this.nanoUsd += nanoUsd
    }
    if (ms !== undefined) this.ms.add(ms, 1)
  }
}

export class ActualTotals extends ActualSums {
  readonly mode: CallMode
  readonly ms = new Histogram()

  constructor(mode: CallMode) {
    super()
    this.mode = mode
  }

  plus(actual: Actual, times: number): void {
    addActual(this, actual, times)
    actual.ms.addTo(this.ms, times)
  }
}

/** Tells places apart. */
const nameOf = (...parts: ReadonlyArray<string>): string => parts.join(" ")

/** Collects the requests of one stretch of the log. */
export class Evidence {
  readonly #targets = new Map<string, readonly [Place, boolean, Targets]>()
  readonly #outcomes = new Map<string, Outcomes>()
  readonly #errors = new Map<string, readonly [CallMode, string, Errors]>()
  readonly #actual = new Map<CallMode, Actual>()

  add(request: LoggedRequest, { candidates, chances, trial, unchanged }: Redecision): void {
    const { choice, mode } = request
    const [first] = request.candidates
    if (first === undefined) return
    const predictionOf = new Map(candidates.map((candidate) => [candidate.key, candidate]))
    const leader = loggedLeader(request)
    const asked = predictionOf.get(first.key)
    const probability = "probability" in choice ? choice.probability : 1
    this.#actualOf(mode).add(request)
    this.#learn(request, asked ?? first)
    const placeOf = (candidate: string, part: Part): Place => ({ mode, candidate, part })
    if (unchanged || (choice.by === "probed" && asked !== undefined)) {
      const kept = placeOf(first.key, "kept")
      this.#targetsOf(kept, false).add(asked ?? first, 1)
      this.#outcomesOf(kept).add(request, asked ?? first, 1)
      return
    }
    for (const [key, share] of chances) {
      const candidate = predictionOf.get(key)
      if (candidate === undefined) continue
      const place = placeOf(key, key === leader?.key ? "led" : "moved")
      this.#targetsOf(place, false).add(candidate, share)
      if (trial !== undefined) this.#targetsOf(place, true).add(candidate, -share * trial.times)
    }
    if (trial !== undefined) {
      const { candidate, times } = trial
      const own = candidate.key === first.key
      const place = placeOf(candidate.key, own ? "tried" : "swapped")
      this.#targetsOf(place, true).add(candidate, times)
      if (own) this.#outcomesOf(place).add(request, candidate, times)
    }
    if (asked === undefined) return
    const chance = chances.get(first.key) ?? 0
    if (chance > 0) {
      const place = placeOf(asked.key, first === leader ? "led" : "moved")
      this.#outcomesOf(place).add(request, asked, chance / probability)
    } else if (choice.by === "led") {
      this.#outcomesOf(placeOf(asked.key, "swapped")).add(request, asked, 1)
    }
  }

  /** Takes from a request that the estimate is not of what it says of predictions. */
  learn(request: LoggedRequest): void {
    const [first] = request.candidates
    if (first !== undefined) this.#learn(request, first)
  }

  #learn(request: LoggedRequest, predicted: LoggedCandidate): void {
    const { choice, mode } = request
    const weight = "probability" in choice ? Math.min(1 / choice.probability, MAX_WEIGHT) : 1
    this.#errorsOf(mode, predicted.key).add(request, predicted, weight)
  }

  addTo(totals: Totals, times: number): void {
    for (const [name, [place, ofTrials, targets]] of this.#targets) {
      upsert(totals.targets, name, () => new TargetTotals(place, ofTrials)).plus(targets, times)
    }
    for (const [name, outcomes] of this.#outcomes) {
      upsert(totals.outcomes, name, () => new OutcomeTotals()).plus(outcomes, times)
    }
    for (const [name, [mode, candidate, errors]] of this.#errors) {
      upsert(totals.errors, name, () => new ErrorTotals(mode, candidate)).plus(errors, times)
    }
    for (const [mode, actual] of this.#actual) {
      upsert(totals.actual, mode, () => new ActualTotals(mode)).plus(actual, times)
    }
  }

  #targetsOf(place: Place, ofTrials: boolean): Targets {
    const { candidate, mode, part } = place
    const name = nameOf(mode, candidate, part, ...(ofTrials ? ["trials"] : []))
    return upsert(this.#targets, name, () => [place, ofTrials, new Targets()] as const)[2]
  }

  #outcomesOf({ candidate, mode, part }: Place): Outcomes {
    return upsert(this.#outcomes, nameOf(mode, candidate, part), () => new Outcomes())
  }

  #errorsOf(mode: CallMode, candidate: string): Errors {
    return upsert(this.#errors, nameOf(candidate, mode), () => [mode, candidate, new Errors()] as const)[2]
  }

  #actualOf(mode: CallMode): Actual {
    return upsert(this.#actual, mode, () => new Actual())
  }
}

const noOutcomes = new OutcomeTotals()

/** What some stretches of the log say together. */
export class Totals {
  readonly targets = new Map<string, TargetTotals>()
  readonly outcomes = new Map<string, OutcomeTotals>()
  readonly errors = new Map<string, ErrorTotals>()
  readonly actual = new Map<CallMode, ActualTotals>()

  outcomesAt({ candidate, mode, part }: Place): OutcomeTotals {
    return this.outcomes.get(nameOf(mode, candidate, part)) ?? noOutcomes
  }

  errorsAt({ candidate, mode }: Place): ErrorTotals | undefined {
    return this.errors.get(nameOf(candidate, mode))
  }
}

const upsert = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
