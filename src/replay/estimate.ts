import type { CallMode } from "../domain/Chat.ts"
import {
  type ActualTotals,
  type ErrorTotals,
  type Evidence,
  type OutcomeTotals,
  type Part,
  type TargetTotals,
  Totals,
} from "./Evidence.ts"
import { Histogram } from "./Histogram.ts"

/**
 * Estimates what a policy would have come to from what a log says of it: the outcomes that there are, and where its
 * requests went elsewhere the outcomes of those that chance sent where it would. Predictions, corrected by what is known of
 * their errors, make up for what sets the ones apart from the others, and stand in where chance sent none (a doubly robust
 * estimate).
 *
 * Intervals are of the block bootstrap: the log is cut into stretches of requests that follow each other, since those
 * share what happened to their providers, and the estimate is made again and again of as many stretches drawn with
 * replacement, each time for another guess of how much the new policy would explore.
 */

/** A number, and between what 95 % of the draws lay. */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
}

export interface PolicyEstimate {
  readonly requests: number
  /** Requests whose cost is known. */
  readonly priced: number
  /** Of those. */
  readonly costUsd: Estimate | null
  readonly costUsdPer1000: Estimate | null
  /** Share of requests that are answered. */
  readonly availability: Estimate | null
  /** Until the whole answer or its first token. */
  readonly latency: ReadonlyArray<Latency>
}

interface Latency {
  readonly mode: CallMode
  readonly p50Ms: Estimate | null
  readonly p95Ms: Estimate | null
}

export interface ReplayEstimate {
  readonly logged: PolicyEstimate
  readonly new: PolicyEstimate
  /** From the logged policy to the new one, which every draw sees on the same requests: surer than the two are. */
  readonly costChange: Estimate | null
  /** Shares of the requests whose new estimate rests on their own outcomes, on those of others that chance sent, or on predictions. */
  readonly own: number
  readonly others: number
  readonly predicted: number
  /** As many outcomes of one weight say as much. */
  readonly effectiveOutcomes: number
  /** Outcomes that stand for others by the chance they had, and those of them that were rarer than may count. */
  readonly randomised: number
  readonly clipped: number
  readonly calibration: ReadonlyArray<Calibration>
}

/** How a candidate's predictions compare with what came when it was asked first. */
interface Calibration {
  readonly mode: CallMode
  /** `provider/model` */
  readonly candidate: string
  readonly outcomes: number
  /** Median of actual to predicted time. */
  readonly msRatio: number | null
  /** Actual to predicted cost, in sum. */
  readonly costRatio: number | null
}

const MODES: ReadonlyArray<CallMode> = ["whole", "stream"]

const DRAWS = 400
const SEED = 0x5eed

/** Deviation of the logarithm of how much the new policy explores beside what is taken for likely. */
const TRIALS_SPREAD = 0.5

/** While few requests were sent somewhere by chance, predictions count like so many outcomes. */
const PREDICTION_OUTCOMES = 10

/** Returns undefined for no request. */
export const estimate = (stretches: ReadonlyArray<Evidence>): ReplayEstimate | undefined => {
  const all = new Totals()
  for (const stretch of stretches) stretch.addTo(all, 1)
  const point = figuresOf(all, 1)
  if (point.logged.requests === 0) return undefined
  const draws = drawn(stretches)
  const between = (of: (figures: Figures) => number | null): Estimate | null => {
    const value = of(point)
    return value === null ? null : { value, ...middle(draws.map(of)) }
  }
  const policy = (name: "logged" | "new"): PolicyEstimate => ({
    requests: Math.round(point[name].requests),
    priced: Math.round(point[name].priced),
    costUsd: between((figures) => costPer(figures[name], point[name].priced)),
    costUsdPer1000: between((figures) => costPer(figures[name], 1_000)),
    availability: between(({ [name]: { answers, requests } }) => ratio(answers, requests)),
    latency: MODES.filter((mode) => point.logged.ms.has(mode)).map((mode) => ({
      mode,
      p50Ms: between((figures) => figures[name].ms.get(mode)?.quantile(0.5) ?? null),
      p95Ms: between((figures) => figures[name].ms.get(mode)?.quantile(0.95) ?? null),
    })),
  })
  return {
    logged: policy("logged"),
    new: policy("new"),
    costChange: between((figures) => {
      const before = costPer(figures.logged, 1)
      const after = costPer(figures.new, 1)
      return before === null || after === null || before === 0 ? null : after / before - 1
    }),
    ...restsOn(all),
    calibration: [...all.errors]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([, errors]) => calibrationOf(errors)),
  }
}

/** What one policy comes to. */
interface PolicyFigures {
  requests: number
  answers: number
  priced: number
  nanoUsd: number
  readonly ms: Map<CallMode, Histogram>
}

interface Figures {
  readonly logged: PolicyFigures
  readonly new: PolicyFigures
}

const nothing = (): PolicyFigures => ({ requests: 0, answers: 0, priced: 0, nanoUsd: 0, ms: new Map() })

/** `trials`: how many times as much the new policy explores as is taken for likely. */
const figuresOf = (totals: Totals, trials: number): Figures => {
  const figures = { logged: nothing(), new: nothing() }
  for (const actual of totals.actual.values()) addActual(figures.logged, actual)
  for (const targets of totals.targets.values()) {
    const times = targets.ofTrials ? trials : 1
    addTargets(figures.new, targets, totals, times)
  }
  return figures
}

const addActual = (
  figures: PolicyFigures,
  { answers, mode, ms, nanoUsd, priced, requests }: ActualTotals,
) => {
  figures.requests += requests
  figures.answers += answers
  figures.priced += priced
  figures.nanoUsd += nanoUsd
  msOf(figures, mode).add(ms, 1)
}

const msOf = ({ ms }: PolicyFigures, mode: CallMode): Histogram => {
  const known = ms.get(mode) ?? new Histogram()
  ms.set(mode, known)
  return known
}

/** Adds what is estimated of targets, so many times. */
const addTargets = (figures: PolicyFigures, targets: TargetTotals, totals: Totals, times: number): void => {
  const requests = times * targets.requests
  if (requests === 0) return
  const outcomes = totals.outcomesAt(targets.place)
  const errors = totals.errorsAt(targets.place)
  const trust = trustIn(outcomes, targets.place.part)
  figures.requests += requests
  const answers = requests * answeredShare(targets, outcomes, errors, trust)
  figures.answers += answers
  const priced = requests * (ratio(outcomes.priced, outcomes.weight) ?? targets.priced / targets.requests)
  figures.priced += priced
  if (priced !== 0) figures.nanoUsd += priced * meanNanoUsd(targets, outcomes, errors, trust)
  addTimes(msOf(figures, targets.place.mode), targets, outcomes, errors, trust, answers)
}

/** Returns how far outcomes are believed, 0 to 1: those of chance may be few, others are the targets' own, or as many. */
const trustIn = ({ outcomes, weight }: OutcomeTotals, part: Part): number => {
  if (weight === 0) return 0
  return part === "moved" ? outcomes / (outcomes + PREDICTION_OUTCOMES) : 1
}

const answeredShare = (
  targets: TargetTotals,
  outcomes: OutcomeTotals,
  errors: ErrorTotals | undefined,
  trust: number,
): number => {
  const seen = ratio(outcomes.answers, outcomes.weight) ?? 0
  const usual = (errors && ratio(errors.answers, errors.weight)) ?? targets.answers / targets.requests
  return trust * seen + (1 - trust) * usual
}

const meanNanoUsd = (
  targets: TargetTotals,
  outcomes: OutcomeTotals,
  errors: ErrorTotals | undefined,
  trust: number,
): number => {
  const bias = (errors && ratio(errors.actualNanoUsd, errors.predictedNanoUsd)) ?? 1
  const expected = targets.priced === 0 ? 0 : (bias * targets.nanoUsd) / targets.priced
  const seen = ratio(outcomes.nanoUsd, outcomes.priced)
  if (seen === null) return expected
  const expectedOfSeen = bias * (ratio(outcomes.predictedNanoUsd, outcomes.compared) ?? 0)
  // Nobody is paid for an answer, however far the outcomes were below what was predicted of them.
  return Math.max(0, expected + trust * (seen - expectedOfSeen))
}

/**
 * Adds the times of `answers` answers: those that were seen, and where predictions say that the targets' are others, the
 * difference of the two, spread as predictions are off.
 */
const addTimes = (
  into: Histogram,
  targets: TargetTotals,
  { ms, predictedMs }: OutcomeTotals,
  errors: ErrorTotals | undefined,
  trust: number,
  answers: number,
): void => {
  const seen = ms.total
  const believed = seen > 0 ? trust / seen : 0
  const difference = new Histogram()
  difference.add(targets.ms, 1 / targets.requests)
  difference.add(predictedMs, -believed)
  const spread =
    errors !== undefined && errors.ratios.total > 0 ? difference.spreadBy(errors.ratios) : difference
  into.add(spread, answers)
  into.add(ms, answers * believed)
}

const ratio = (part: number, whole: number): number | null => (whole > 0 ? part / whole : null)

/** Returns what so many requests of known cost cost, in dollars. */
const costPer = ({ nanoUsd, priced }: PolicyFigures, requests: number): number | null => {
  const mean = ratio(nanoUsd, priced)
  return mean === null ? null : (mean * requests) / 1e9
}

const restsOn = (
  totals: Totals,
): Pick<ReplayEstimate, "own" | "others" | "predicted" | "effectiveOutcomes" | "randomised" | "clipped"> => {
  let [requests, own, others, weight, weightSquared, randomised, clipped] = [0, 0, 0, 0, 0, 0, 0]
  for (const targets of totals.targets.values()) {
    const { part } = targets.place
    const outcomes = totals.outcomesAt(targets.place)
    requests += targets.requests
    if (part === "moved" || part === "swapped") others += targets.requests * trustIn(outcomes, part)
    else own += targets.requests
    if (targets.ofTrials || outcomes.weight === 0) continue
    const scale = targets.requests / outcomes.weight
    weight += targets.requests
    weightSquared += outcomes.weightSquared * scale ** 2
    if (part !== "moved") continue
    randomised += outcomes.outcomes
    clipped += outcomes.clipped
  }
  return {
    own: own / requests,
    others: others / requests,
    predicted: Math.max(0, 1 - (own + others) / requests),
    effectiveOutcomes: weightSquared === 0 ? 0 : weight ** 2 / weightSquared,
    randomised,
    clipped,
  }
}

const calibrationOf = (errors: ErrorTotals): Calibration => ({
  mode: errors.mode,
  candidate: errors.candidate,
  outcomes: errors.outcomes,
  msRatio: errors.ratios.quantile(0.5),
  costRatio: ratio(errors.actualNanoUsd, errors.predictedNanoUsd),
})

/** Draws as many stretches as there are, with replacement, again and again. */
const drawn = (stretches: ReadonlyArray<Evidence>): ReadonlyArray<Figures> => {
  const random = generator(SEED)
  return Array.from({ length: DRAWS }, () => {
    const times = new Uint32Array(stretches.length)
    for (let i = 0; i < stretches.length; i++) {
      const at = Math.floor(random() * stretches.length)
      times[at] = (times[at] ?? 0) + 1
    }
    const totals = new Totals()
    stretches.forEach((stretch, at) => {
      const drawn = times[at] ?? 0
      if (drawn > 0) stretch.addTo(totals, drawn)
    })
    return figuresOf(totals, Math.exp(TRIALS_SPREAD * gaussian(random)))
  })
}

const gaussian = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** Mulberry32: the same numbers from 0 to 1 for the same seed, so that the same log gives the same intervals. */
const generator = (seed: number) => {
  let state = seed
  return (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const middle = (values: ReadonlyArray<number | null>): { readonly low: number; readonly high: number } => {
  const sorted = values.filter((value) => value !== null).toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN
  return { low: at(0.025), high: at(0.975) }
}
