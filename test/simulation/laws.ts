import { dispositions } from "../../src/domain/ProviderError.ts"
import { IdempotencyLimits } from "../../src/idempotency/IdempotencyLimits.ts"
import { timeouts } from "../support/settings.ts"
import { type AttemptRow, attemptsOf, type Row } from "./Books.ts"
import { budgetLaws } from "./budget-laws.ts"
import { budgetsOf, principals, type Sight } from "./Client.ts"
import { hedge, idempotencyOf, limitsOf, models } from "./gateway.ts"
import type { Run } from "./run.ts"
import type { UpstreamCall } from "./Upstream.ts"
import { eventsOf, type Visit } from "./World.ts"
import { AFTERWARDS, AMPLE } from "./worlds.ts"

/** One way in which a world broke a law. */
export interface Violation {
  readonly law: string
  /** The visit that it is about, if it is about one. */
  readonly visit: string | undefined
  readonly what: string
}

export interface Law {
  readonly name: string
  /** What it says, as a sentence. */
  readonly says: string
  readonly check: (run: Run, report: Report) => void
}

type Report = (about: Visit | undefined, what: string) => void

const idempotency = IdempotencyLimits.defaultValue()

// ---- What a run says of a visit ----

const deadlineOf = (visit: Visit): number =>
  // Requests count whole milliseconds.
  visit.atMs +
  Math.min(
    visit.stream && !visit.dryRun ? timeouts.streamMs : timeouts.deadlineMs,
    visit.deadlineMs ?? Number.POSITIVE_INFINITY,
  ) +
  1

const died = (run: Run, process: string | undefined): boolean =>
  run.deaths.some((death) => death.process === process)

/** Milliseconds for which a process stood still within a time. */
export const stoodStill = (run: Run, process: string | undefined, fromMs: number, toMs: number): number =>
  eventsOf(run.world, "pause").reduce((sum, { atMs, forMs, replica }) => {
    if (process?.startsWith(`${replica}.`) !== true) return sum
    return sum + Math.max(0, Math.min(toMs, atMs + forMs) - Math.max(fromMs, atMs))
  }, 0)

const wasStopped = (run: Run, process: string | undefined): boolean =>
  eventsOf(run.world, "stop").some(({ replica }) => process?.startsWith(`${replica}.`))

/** The visit's process has ended, and perhaps could not write down what it knew until then. */
export const mayBeLost = (run: Run, process: string | undefined): boolean => {
  const withoutDisk = eventsOf(run.world, "outage").some(({ of }) => of === "disk")
  if (!died(run, process)) return withoutDisk && wasStopped(run, process)
  return withoutDisk || run.world.journalRecords < Number.POSITIVE_INFINITY
}

/** The call that another one was made beside, of those of its request: that was late. */
const besideOf = (call: UpstreamCall, calls: ReadonlyArray<UpstreamCall>): UpstreamCall | undefined =>
  calls.find(
    ({ atMs, endedAtMs = Number.POSITIVE_INFINITY, number }) =>
      number < call.number && atMs < call.atMs && endedAtMs > call.atMs,
  )

/** Tells whether there were two at once, so that one of them may have been cut for the other. */
const isRace = (call: UpstreamCall, calls: ReadonlyArray<UpstreamCall>): boolean =>
  besideOf(call, calls) !== undefined || calls.some((other) => besideOf(other, calls) === call)

/** What an upstream call may be in the books as. */
const asAttempt = (
  call: UpstreamCall,
  calls: ReadonlyArray<UpstreamCall>,
): ReadonlyArray<AttemptRow["outcome"]> =>
  // It was asked beside another one, and did not answer first.
  isRace(call, calls) && (call.outcome === "cancelled" || (call.outcome === "success" && !call.visit.stream))
    ? [...asAlone(call), "hedged"]
    : asAlone(call)

const asAlone = ({ bytes, outcome, visit }: UpstreamCall): ReadonlyArray<AttemptRow["outcome"]> => {
  const own = visit.deadlineMs === undefined ? [] : (["client_deadline"] as const)
  switch (outcome) {
    case undefined:
      return ["lost"]
    case "cancelled":
      // Left by the story, since nothing was said in time.
      return visit.stream ? ["cancelled", "timeout", "client_too_slow", ...own] : ["cancelled"]
    case "success":
      return visit.stream && bytes === 0 ? ["bad_response"] : ["success"]
    case "timeout":
      return visit.stream ? ["timeout", "client_too_slow", ...own] : ["timeout", ...own]
    default:
      return [outcome]
  }
}

const show = (calls: ReadonlyArray<UpstreamCall>): string =>
  calls.map(({ outcome = "lost", target }) => `${target} ${outcome}`).join(", ") || "none"

const showAttempts = (row: Row | undefined): string =>
  row === undefined
    ? "no row"
    : `${row.status} ${row.error_code}: ${row.attempts.map(({ model, outcome, provider }) => `${provider}/${model} ${outcome}`).join(", ") || "none"}`

// ---- Laws ----

const ledger: Law = {
  name: "ledger",
  says: "Every request that was answered has one row, and every call to a provider one attempt, whoever crashed when; no row is nobody's",
  check: (run, report) => {
    const { callsOf, leftovers, rows, sights } = run
    const known = new Set(sights.map(({ visit }): string => visit.id))
    for (const id of rows.keys()) if (!known.has(id)) report(undefined, `row ${id} is nobody's`)
    if (run.deaths.length === 0)
      for (const [id, times] of run.written)
        if (times > 1) report(undefined, `${id} was written down ${times} times`)
    if (leftovers > 0) report(undefined, `${leftovers} records never got into the database`)
    let counted = 0
    for (const sight of sights) {
      const { authenticated, code, endedAtMs, ending, process, replayed, status, visit } = sight
      const row = rows.get(visit.id)
      const calls = callsOf(visit)
      if (mayBeLost(run, process)) continue
      if (
        row !== undefined &&
        (visit.dryRun ? sight.understoodAtMs !== undefined && status === 200 : !authenticated)
      )
        report(visit, "has a row, and should have none")
      if (row === undefined) {
        if (calls.length > 0) report(visit, `has no row, and these calls: ${show(calls)}`)
        if (visit.dryRun || replayed || !authenticated) continue
        if (ending === "delivered" || ending === "broken") report(visit, `was ${ending}, and has no row`)
        if (ending === "refused" && status !== undefined && (status >= 499 ? status === 503 : true))
          counted += 1
        else if (ending === "refused") report(visit, `was refused with ${status}, and has no row`)
        if (ending === "left" && visit.claim === undefined && !died(run, process))
          report(visit, "left, and has no row")
        continue
      }
      const lost = died(run, process)
      if (
        visit.claim !== undefined &&
        sight.understoodAtMs !== undefined &&
        row.error_code === "client_closed_request"
      )
        report(visit, "is in the books as left, although its key lets it go on")
      const attempts = attemptsOf(row)
      const exact = attempts.length === calls.length
      // An intent may have been noted whose call did not leave any more.
      if (
        !exact &&
        !(lost && row.attempts.length === calls.length + 1 && attempts.at(-1)?.outcome === "lost")
      )
        report(visit, `its calls are ${show(calls)}, in the books is ${showAttempts(row)}`)
      for (const [i, call] of calls.entries()) {
        const attempt = attempts[i]
        if (attempt === undefined) break
        const may = lost ? [...asAttempt(call, calls), "lost"] : asAttempt(call, calls)
        if (`${attempt.provider}/${attempt.model}` !== call.target || !may.includes(attempt.outcome))
          report(visit, `its calls are ${show(calls)}, in the books is ${showAttempts(row)}`)
      }
      if (replayed) continue
      const says = `in the books is ${showAttempts(row)}`
      if (ending === "delivered" && (row.status !== 200 || row.error_code !== null))
        report(visit, `was delivered, ${says}`)
      // The end of a stream is withdrawn when its key has got another answer by then.
      const withdrawn = visit.claim !== undefined && code === "request_aborted"
      if (ending === "broken" && row.error_code === null && !withdrawn) report(visit, `broke, ${says}`)
      if (ending === "refused" && visit.claim === undefined && row.error_code !== code)
        report(visit, `was refused with ${code}, ${says}`)
      // What it did not wait for, or did not read, had come to its end.
      const ended =
        visit.atMs + row.latency_ms <= (endedAtMs ?? 0) + 2 || (visit.stream && row.status === 200)
      // Nor did anybody see it leave who stood still.
      const stillMs = stoodStill(run, process, visit.atMs, endedAtMs ?? visit.atMs)
      if (
        ending === "left" &&
        visit.claim === undefined &&
        row.status !== 499 &&
        !ended &&
        !lost &&
        stillMs === 0
      )
        report(visit, `left, ${says}`)
    }
    const aggregated = [...rows.values()].reduce((sum, { requests }) => sum + requests - 1, 0)
    const unlost = run.deaths.length === 0 && !sights.some(({ process }) => mayBeLost(run, process))
    if (unlost ? aggregated !== counted : aggregated > counted)
      report(undefined, `${counted} refusals have no row, and rows stand for ${aggregated} of them`)
  },
}

const money: Law = {
  name: "money",
  says: "Costs are the price list's to the nano-dollar, for every attempt and every request; or null, with a reason",
  check: (run, report) => {
    for (const { visit } of run.sights) {
      const row = run.rows.get(visit.id)
      if (row === undefined) continue
      const attempts = attemptsOf(row)
      for (const [i, attempt] of attempts.entries()) {
        const counted = run.callsOf(visit)[i]?.usage
        if (
          counted != null &&
          attempt.outcome !== "lost" &&
          attempt.outcome !== "hedged" &&
          (attempt.input_tokens !== counted.inputTokens || attempt.output_tokens !== counted.outputTokens)
        )
          report(visit, `an attempt has other tokens in the books than ${attempt.provider} counted`)
        const call = run.callsOf(visit)[i]
        // What was cut for another one's answer is estimated.
        if (attempt.outcome === "hedged") {
          if (attempt.input_tokens === null)
            report(visit, `${attempt.provider} was cut, and what it had read is not in the books`)
        } else if (
          call?.pieces === 0 &&
          !call.counted &&
          call.usage === null &&
          attempt.input_tokens !== null
        )
          report(
            visit,
            `an attempt has tokens in the books, and ${attempt.provider} counted and said nothing`,
          )
        const cost = costOf(attempt.provider, attempt.model, attempt)
        if (attempt.cost_nano_usd !== cost)
          report(
            visit,
            `an attempt at ${attempt.provider}/${attempt.model} costs ${cost}, not ${attempt.cost_nano_usd}`,
          )
      }
      const cost = row.provider === null ? null : costOf(row.provider, row.model, row)
      if (row.cost_nano_usd !== cost) report(visit, `costs ${cost}, not ${row.cost_nano_usd}`)
      if (row.provider !== null && (row.cost_nano_usd === null) !== (row.cost_reason !== null))
        report(visit, `costs ${row.cost_nano_usd}, and the reason is ${row.cost_reason}`)
      const sold = run
        .callsOf(visit)
        .find(
          ({ bytes, outcome }, i) =>
            outcome === "success" && attempts[i]?.outcome !== "hedged" && !(visit.stream && bytes === 0),
        )
      if (row.status !== 200 || row.error_code !== null || sold === undefined) continue
      const { cachedTokens = null, inputTokens = null, outputTokens = null } = sold.usage ?? {}
      if (
        row.input_tokens !== inputTokens ||
        row.output_tokens !== outputTokens ||
        row.cached_tokens !== cachedTokens
      )
        report(visit, "has other tokens in the books than the provider counted")
    }
  },
}

/** Nano-dollars of tokens, by the test's own arithmetic. */
export const costOf = (
  provider: string,
  model: string | null,
  used: Pick<AttemptRow, "input_tokens" | "output_tokens" | "cached_tokens">,
): number | null => {
  const price = Object.entries(models)
    .find(([name]) => name === provider)?.[1]
    .find(({ name }) => name === model)?.price
  if (price === undefined || used.input_tokens === null || used.output_tokens === null) return null
  const cached = BigInt(used.cached_tokens ?? 0)
  const total =
    (BigInt(used.input_tokens) - cached) * BigInt(price.inputNanoPer1M) +
    cached * BigInt(price.cachedInputNanoPer1M ?? price.inputNanoPer1M) +
    BigInt(used.output_tokens) * BigInt(price.outputNanoPer1M)
  return Number((total + 500_000n) / 1_000_000n)
}

const pointOfNoReturn: Law = {
  name: "point of no return",
  says: "Once a client has something of an answer, nobody else is asked, and who was asked beside is left at once; it gets a prefix of one provider's words, and all of them or an error",
  check: (run, report) => {
    for (const { ending, replayed, text, visit } of run.sights) {
      if (!visit.stream) continue
      const pieces = [...text.matchAll(/<(\d+)\.(\d+)>/g)]
      const [first] = pieces
      if (first === undefined) continue
      const call = run.calls[Number(first[1])]
      if (call === undefined || (call.visit.id !== visit.id && !replayed)) {
        report(visit, "got an answer that nobody gave to it")
        continue
      }
      if (pieces.some(([, number, piece], i) => number !== first[1] || Number(piece) !== i))
        report(visit, "got pieces of an answer out of their order, or of several")
      const { saidAtMs = call.atMs } = call
      const later = run
        .callsOf(call.visit)
        .some(({ atMs, number }) => number > call.number && atMs > saidAtMs)
      for (const other of run.callsOf(call.visit)) {
        const { endedAtMs = 0 } = other
        const stillMs = stoodStill(run, other.process, saidAtMs, endedAtMs)
        if (other !== call && endedAtMs > saidAtMs + stillMs + 1)
          report(visit, `got something of ${call.target}'s answer, and ${other.target} was not left`)
      }
      if (later)
        report(
          visit,
          `got something of ${call.target}'s answer, and another was asked: ${show(run.callsOf(call.visit))}`,
        )
      if ((text.match(/data: role/g) ?? []).length > 1) report(visit, "has several beginnings")
      const ends = text.match(/data: (\[DONE\]|error \w+)\n\n/g) ?? []
      if (ends.length > 1) report(visit, `has ${ends.length} ends`)
      if (ending === "delivered" && (pieces.length !== call.pieces || call.outcome !== "success"))
        report(visit, `was delivered ${pieces.length} of ${call.pieces} pieces of a ${call.outcome}`)
    }
  },
}

const boundedWork: Law = {
  name: "bounded work",
  says: "Attempts, deadline and the shares of retries and hedges hold for every request and provider, and what follows a failure is what its kind allows; no more than two are asked at once, and that only where the route says so",
  check: (run, report) => {
    const asked = new Map<string, { requests: number; retries: number }>()
    const hedges = new Map<string, { requests: number; hedges: number }>()
    for (const { process, understoodAtMs, visit } of run.sights) {
      const calls = run.callsOf(visit)
      const deadlineMs = deadlineOf(visit)
      if (calls.length > run.limits.maxAttempts) report(visit, `${calls.length} attempts`)
      let previous: UpstreamCall | undefined
      const raced = new Set<string>()
      if (visit.model === "hedged" && process !== undefined && understoodAtMs !== undefined) {
        const share = hedges.get(process) ?? { requests: 0, hedges: 0 }
        hedges.set(process, share)
        share.requests += 1
        share.hedges += calls.filter((call) => besideOf(call, calls) !== undefined).length
      }
      // Budgets may have held it back, which is a request at whoever was next all the same.
      if (
        process !== undefined &&
        understoodAtMs !== undefined &&
        budgetsOf(run.world, visit.client).length > 0
      ) {
        for (const provider of ["a", "b"]) {
          const name = `${process} ${provider}`
          const share = asked.get(name) ?? { requests: 0, retries: 0 }
          asked.set(name, share)
          if (!calls.some((call) => call.provider === provider)) share.requests += 1
        }
      }
      for (const call of calls) {
        if (call.atMs >= deadlineMs) report(visit, "an attempt after the deadline")
        if (call.atMs + call.timeoutMs > deadlineMs) report(visit, "an attempt with more time than there is")
        const { endedAtMs = 0 } = call
        if (endedAtMs > deadlineMs + stoodStill(run, call.process, call.atMs, endedAtMs))
          report(visit, "an attempt that outlives its request")
        const name = `${call.process} ${call.provider}`
        const share = asked.get(name) ?? { requests: 0, retries: 0 }
        asked.set(name, share)
        const beside = besideOf(call, calls)
        if (beside !== undefined) {
          share.requests += 1
          if (
            visit.model !== "hedged" ||
            beside !== calls[0] ||
            call !== calls[1] ||
            beside.target === call.target
          )
            report(visit, `${call.target} is asked beside ${beside.target}`)
          raced.add(call.target)
          // What follows when both have failed follows the first one.
          continue
        }
        if (raced.has(call.target))
          report(visit, `${call.target} is asked again, after it was asked beside another`)
        if (
          calls.some((other) => other.outcome === "success" && other.number < call.number && other.bytes > 0)
        )
          report(visit, `${call.target} is asked after there was an answer: ${show(calls)}`)
        if (previous?.target !== call.target) share.requests += 1
        else share.retries += 1
        if (previous !== undefined) {
          const fault = following(previous, call)
          if (fault !== undefined) report(visit, fault)
          // Others may cost more than a budget has left.
          const candidates = isBounded(run, visit) ? 0 : budgetsOf(run.world, visit.client).length > 0 ? 2 : 3
          const untried = isOfAll(visit) ? candidates - new Set(calls.map(({ target }) => target)).size : 0
          const leftMs = Math.max(
            ...calls
              .filter(({ number }) => number < call.number)
              .map(({ atMs, endedAtMs = atMs }) => endedAtMs),
          )
          const waitedMs = call.atMs - leftMs - stoodStill(run, call.process, leftMs, call.atMs)
          if (untried > 0 && call.target !== "b/big" && waitedMs > LONGEST_WAIT_MS)
            report(visit, `waits ${waitedMs} ms for ${call.target}, and others have not been asked`)
        }
        previous = call
      }
    }
    for (const [name, { requests, retries }] of asked)
      if (retries > 3 + run.limits.retryRatio * requests)
        report(undefined, `${retries} retries for ${requests} requests at ${name}`)
    for (const [name, { hedges: made, requests }] of hedges)
      if (made > hedge.traffic * requests)
        report(undefined, `${made} hedges for ${requests} requests at ${name}`)
  },
}

/** It may cost more than is left of its budgets. */
const isBounded = ({ world }: Run, { client }: Visit): boolean =>
  budgetsOf(world, client).some(({ limitNanoUsd }) => limitNanoUsd < AMPLE)

/** Asks whichever candidate there is. */
const isOfAll = ({ model }: Visit): boolean => model === "auto" || model === "hedged"

/** For one provider, with others to ask: less than these need for an answer. */
const LONGEST_WAIT_MS = 5_000

const FINAL = new Set<UpstreamCall["outcome"]>(["bad_request", "content_filter"])
const NEVER_AGAIN = new Set<UpstreamCall["outcome"]>([
  "auth",
  "model_not_found",
  "not_enabled",
  "quota_exhausted",
  "timeout",
  "cancelled",
])

/** What is wrong with asking again like this. */
const following = (previous: UpstreamCall, call: UpstreamCall): string | undefined => {
  const { outcome } = previous
  const why = `${call.target} was asked after ${previous.target} ${outcome}`
  const mute = outcome === "success" && previous.visit.stream && previous.bytes === 0
  if (outcome === undefined || (outcome === "success" && !mute) || FINAL.has(outcome)) return why
  if (outcome === "context_length_exceeded" && call.target !== "b/big") return why
  if (call.target !== previous.target) return undefined
  if (NEVER_AGAIN.has(outcome)) return why
  const waitedMs = call.atMs - (previous.endedAtMs ?? Number.NaN)
  return waitedMs >= (previous.retryAfterMs ?? 0)
    ? undefined
    : `${why}, after ${waitedMs} ms of ${previous.retryAfterMs}`
}

const providersTrouble: Law = {
  name: "whose trouble",
  says: "What providers do wrong never reaches a client as its own mistake: no 401, 403 or 400, and no 429 as if it had sent too much",
  check: (run, report) => {
    const stops = eventsOf(run.world, "stop").length > 0
    for (const { code, ending, replayed, retryAfterMs, status, understoodAtMs, visit } of run.sights) {
      const longestMs =
        code === "budget_exceeded" ? (run.world.budgets?.windowMs ?? 0) : LONGEST_RETRY_AFTER_MS
      if (retryAfterMs !== undefined && !(retryAfterMs >= 0 && retryAfterMs <= longestMs))
        report(visit, `is told to come back after ${retryAfterMs} ms`)
      if (code === undefined || replayed || (ending !== "refused" && ending !== "broken")) continue
      const calls = run.callsOf(visit)
      const says = `got ${code} (${status}); its calls: ${show(calls)}`
      const fair = isFair(code, visit, understoodAtMs, calls, stops)
      if (!fair) report(visit, says)
    }
  },
}

/** The gateway itself asks a provider again by then, whatever that said. */
const LONGEST_RETRY_AFTER_MS = 10 * 60_000

/** Tells whether a client may be told this. */
const isFair = (
  code: NonNullable<Sight["code"]>,
  visit: Visit,
  understoodAtMs: number | undefined,
  calls: ReadonlyArray<UpstreamCall>,
  stops: boolean,
): boolean => {
  const unasked = calls.length === 0
  switch (code) {
    case "invalid_api_key":
      return visit.credential === "invalid"
    case "invalid_json":
      return !visit.readable && unasked
    case "model_not_allowed":
      return principals[visit.client].models !== undefined && visit.model !== "auto" && unasked
    case "model_not_found":
      return visit.model === "nobody" && unasked
    case "rate_limited":
    case "concurrency_limited":
      return unasked
    case "budget_exceeded":
    case "budget_unavailable":
      // The law of refusals says when.
      return understoodAtMs !== undefined
    case "upstream_rate_limited":
      // The last word of each that was asked.
      return (
        !unasked &&
        [...Map.groupBy(calls, ({ target }) => target).values()].every(
          (asked) => asked.at(-1)?.outcome === "rate_limited",
        )
      )
    case "invalid_request":
      return (
        visit.mistake === "bad_request" ||
        calls.every(
          ({ outcome }) =>
            outcome === "unsupported" || outcome === "refused" || outcome === "needs_rewording",
        )
      )
    case "content_filter":
    case "context_length_exceeded":
      return visit.mistake === code
    case "client_too_slow":
      return visit.reads !== undefined
    case "idempotency_key_reused":
    case "idempotency_in_progress":
    case "idempotency_unavailable":
    case "idempotency_answer_not_stored":
      return (
        (visit.claim !== undefined && unasked) ||
        (code !== "idempotency_key_reused" && visit.claim !== undefined)
      )
    case "request_aborted":
      return stops || visit.claim !== undefined
    case "auth_unavailable":
    case "overloaded":
      return unasked
    case "upstream_timeout":
    case "upstream_auth":
    case "upstream_quota":
    case "upstream_error":
    case "upstream_bad_response":
    case "upstream_overloaded":
    case "no_provider_available":
      return understoodAtMs !== undefined
    default:
      return false
  }
}

const blame: Law = {
  name: "blame",
  says: "A candidate is tripped by its own failures alone, and by enough of them, or by what its account is refused: not by what clients do, nor by what it refuses of one request",
  check: (run, report) => {
    const callsTo = Map.groupBy(run.calls, ({ process, target }) => `${process} ${target}`)
    for (const { atMs, process, target } of run.trips) {
      if ([...run.steady].some((name) => target.startsWith(`${name}/`)))
        report(undefined, `${target} is tripped in ${process} at ${atMs} ms, and nothing is wrong with it`)
      const before = (callsTo.get(`${process} ${target}`) ?? []).filter(
        ({ atMs: ms, endedAtMs = ms }) => endedAtMs <= atMs,
      )
      const weight = before.reduce((sum, call) => sum + (isCut(run, call) ? 0 : weightOf(call)), 0)
      const ofAccount = run.calls.some(
        ({ atMs: ms, endedAtMs = ms, outcome, process: asked, target: other }) =>
          asked === process &&
          endedAtMs <= atMs &&
          (outcome === "auth" || outcome === "quota_exhausted") &&
          providerOf(other) === providerOf(target),
      )
      if (weight < WEIGHT_TO_TRIP && !ofAccount)
        report(undefined, `${target} is tripped in ${process} at ${atMs} ms after ${show(before.slice(-6))}`)
    }
  },
}

/** It was left for the answer of another one, which says nothing of it. */
const isCut = (run: Run, call: UpstreamCall): boolean => {
  const row = run.rows.get(call.visit.id)
  return row !== undefined && attemptsOf(row)[run.callsOf(call.visit).indexOf(call)]?.outcome === "hedged"
}

const providerOf = (target: string): string => target.slice(0, target.indexOf("/"))

/** Failures in a row, of which one that took all its time counts twice, and one that says to stay away is enough. */
const WEIGHT_TO_TRIP = 5

const weightOf = ({ outcome, visit }: UpstreamCall): number => {
  if (outcome === undefined) return 0
  // Left by the story, which had no word of it in time.
  if (outcome === "cancelled" || outcome === "timeout") return visit.stream || outcome === "timeout" ? 2 : 0
  if (outcome === "success") return visit.stream ? 1 : 0
  const { breaker } = dispositions[outcome]
  return breaker === "open" ? WEIGHT_TO_TRIP : breaker === "count" ? 1 : 0
}

const oneAnswer: Law = {
  name: "one answer per key",
  says: "Of a key at most one run is under way, over all gateways; who asks again gets the same bytes, and nobody is asked again once there is an answer",
  check: (run, report) => {
    const withoutDatabase = eventsOf(run.world, "outage").some(({ of }) => of.startsWith("database"))
    const pauses = eventsOf(run.world, "pause").length > 0
    const { expireMs } = idempotencyOf(run.world.idempotency)
    const expires = expireMs < run.world.endMs
    const unsure =
      pauses || run.deaths.length > 0 || withoutDatabase || eventsOf(run.world, "stop").length > 0
    const groups = Map.groupBy(
      run.sights.filter(({ visit }) => visit.claim !== undefined),
      ({ visit }) => `${visit.client} ${visit.claim?.key}`,
    )
    for (const [name, group] of groups) {
      const runs = group
        .filter(({ visit }) => run.callsOf(visit).length > 0)
        .map((sight) => {
          const calls = run.callsOf(sight.visit)
          const death = run.deaths.find(({ process }) => process === sight.process)
          return {
            sight,
            fromMs: calls[0]?.atMs ?? Number.NaN,
            toMs: calls.at(-1)?.endedAtMs ?? death?.atMs ?? Number.NaN,
          }
        })
        .sort((one, other) => one.fromMs - other.fromMs)
      for (const [i, { fromMs, sight }] of runs.entries()) {
        const before = runs[i - 1]
        if (
          before !== undefined &&
          fromMs < before.toMs &&
          !isLeaseLost(run, before.sight.process, before.fromMs, fromMs)
        )
          report(sight.visit, `runs for ${name} while ${before.sight.visit.id} does`)
        if (
          run.callsOf(sight.visit).some(({ outcome }) => outcome === "cancelled") &&
          !sight.visit.stream &&
          !unsure
        )
          report(sight.visit, "was cut off, although its key lets it go on")
      }
      const complete = runs.filter(({ sight }) => {
        const row = run.rows.get(sight.visit.id)
        return row?.status === 200 && row.error_code === null
      })
      if (complete.length > 1 && !unsure && !expires)
        report(complete[1]?.sight.visit, `${complete.length} runs for ${name} were completed`)

      const answers = Map.groupBy(
        group.filter(({ ending }) => ending === "delivered"),
        ({ text }) => ownerOf(run, text),
      )
      for (const [owner, same] of answers) {
        for (const { replayed, stored, text, understoodAtMs, visit } of same) {
          if (!stored && !withoutDatabase) report(visit, "has a whole answer, and its claim has none")
          if (withoutComments(text) !== withoutComments(same[0]?.text ?? ""))
            report(visit, `has another answer than ${same[0]?.visit.id}`)
          if (replayed !== (owner !== visit.id))
            report(visit, `got ${owner}'s answer as ${replayed ? "a replay" : "its own"}`)
          const source = group.find((other) => other.visit.id === owner)
          if (source === undefined) report(visit, `got ${owner}'s answer, which has another key`)
          else if ((source.endedAtMs ?? 0) + expireMs + 2_000 < (understoodAtMs ?? 0))
            report(visit, `got ${owner}'s answer after its time`)
          else if (source.visit.claim?.body !== visit.claim?.body)
            report(visit, `got the answer to another body`)
        }
      }
      const answered = group.find(({ ending, replayed }) => ending === "delivered" && !replayed)
      const expiresAtMs = (answered?.understoodAtMs ?? 0) + expireMs
      const again = runs.find(
        ({ fromMs }) => fromMs > (answered?.endedAtMs ?? Number.POSITIVE_INFINITY) && fromMs < expiresAtMs,
      )
      if (again !== undefined && !withoutDatabase)
        report(again.sight.visit, `runs for ${name}, although ${answered?.visit.id} had the answer`)
      if (answers.size > 1 && !withoutDatabase && !expires)
        report(group[0]?.visit, `${name} has ${answers.size} answers`)
    }
  },
}

/** Tells whether a lease could not be renewed: while the database is away, or its owner stands still, it runs out, and somebody else may take over. */
const isLeaseLost = (run: Run, process: string | undefined, fromMs: number, toMs: number): boolean =>
  stoodStill(run, process, fromMs, toMs) > idempotency.leaseMs - idempotency.renewEveryMs - 5_000 ||
  (eventsOf(run.world, "outage").some(
    ({ atMs, forMs, of }) => of.startsWith("database") && atMs < toMs && atMs + forMs > fromMs,
  ) &&
    toMs - fromMs >= idempotency.leaseMs - idempotency.renewEveryMs)

const withoutComments = (text: string): string => text.replaceAll(": keep-alive\n\n", "")

/** The visit whose run made an answer. */
const ownerOf = (run: Run, text: string): string | undefined => {
  const streamed = /<(\d+)\./.exec(text)?.[1]
  if (streamed !== undefined) return run.calls[Number(streamed)]?.visit.id
  return /"requestId":"([^"]+)"/.exec(text)?.[1]
}

const fairShares: Law = {
  name: "fair shares",
  says: "Who has nothing else under way is never turned away for want of room, whatever others send; no more than nine tenths of all places wait for one candidate",
  check: (run, report) => {
    const bound = Math.max(1, Math.floor(run.limits.maxInFlight * 0.9))
    for (const [name, calls] of Map.groupBy(run.calls, ({ process, target }) => `${process} ${target}`)) {
      const waiting = calls.filter(({ pieces }) => pieces === 0)
      const changes = waiting
        .flatMap(({ atMs, endedAtMs = Number.POSITIVE_INFINITY }) => [
          { atMs, by: 1 },
          { atMs: endedAtMs, by: -1 },
        ])
        .sort((one, other) => one.atMs - other.atMs || one.by - other.by)
      let now = 0
      let most = 0
      for (const { by } of changes) {
        now += by
        most = Math.max(most, now)
      }
      if (most > bound) report(undefined, `${most} calls wait for ${name} at the same time`)
    }
    for (const { code, process, visit } of run.sights) {
      if (code !== "overloaded" && code !== "concurrency_limited") continue
      // Where one key may have all, it may.
      if (run.limits.maxKeyShare === 1) continue
      const others = run.sights.filter(
        (other) =>
          other.visit.client === visit.client &&
          other.process === process &&
          other.visit.id !== visit.id &&
          other.visit.atMs <= visit.atMs &&
          (other.endedAtMs ?? Number.POSITIVE_INFINITY) >= visit.atMs,
      )
      if (others.length === 0) report(visit, `is refused with ${code}, and has nothing else under way`)
    }
  },
}

/** Bytes that every buffer on the way holds together, and what is being written. */
const AHEAD_BYTES = (64 + 16 + 3 * 8) * 1024

const boundedMemory: Law = {
  name: "bounded memory",
  says: "Nothing is left of requests that have ended, no fiber and no wait; a provider is held up by a client that does not read",
  check: (run, report) => {
    for (const { aheadBytes, visit } of run.calls)
      if (visit.claim === undefined && aheadBytes > AHEAD_BYTES)
        report(visit, `a provider was ${aheadBytes} bytes ahead of its client`)
    for (const { fibersLeft, name, stuck, taken } of run.processes) {
      if (fibersLeft !== 0) report(undefined, `${fibersLeft} fibers are left over in ${name}`)
      if (taken !== 0)
        report(undefined, `${taken} requests, bytes and records are still under way in ${name}`)
      if (stuck) report(undefined, `${name} does not stop`)
    }
  },
}

const noDefects: Law = {
  name: "no defects",
  says: "Nothing unexpected happens inside: no defect, no error without a code, no times that contradict each other",
  check: (run, report) => {
    for (const { defect, untimely, visit } of run.sights) {
      if (defect !== undefined) report(visit, defect)
      if (untimely !== undefined) report(visit, `has ${untimely}`)
    }
    for (const { errors, name } of run.processes)
      for (const error of errors)
        if (/unexpected|writer failed|did not start|refused by/.test(error))
          report(undefined, `${name}: ${error}`)
    for (const row of run.rows.values())
      if (row.error_code === "internal_error" || row.attempts.some(({ outcome }) => outcome === "defect"))
        report(undefined, `${row.id}: ${showAttempts(row)}`)
  },
}

const liveness: Law = {
  name: "liveness",
  says: "Every request comes to an end by its deadline; with one provider that is well nearly all are answered, and with none somebody is still asked; minutes after all trouble everybody is answered in every way",
  check: (run, report) => {
    let served = 0
    const failed: Array<Sight> = []
    for (const sight of run.sights) {
      const { ending, endedAtMs, understoodAtMs, visit } = sight
      if (ending === undefined || endedAtMs === undefined) {
        report(visit, "never ends")
        continue
      }
      const readMs =
        visit.reads === undefined
          ? 0
          : (visit.reads.everyMs * AHEAD_BYTES) / visit.reads.bytes + visit.reads.everyMs
      const claimMs =
        visit.claim === undefined
          ? 0
          : idempotency.waitMs +
            idempotency.deliverAnywayMs +
            4 * idempotency.statementMs +
            idempotency.leaseMs
      const byMs = Math.max(deadlineOf(visit), (understoodAtMs ?? 0) + 1, visit.atMs + visit.uploadMs + 10)
      const stillMs = stoodStill(run, sight.process, visit.atMs, endedAtMs)
      if (endedAtMs > byMs + readMs + claimMs + stillMs)
        report(visit, `ends ${Math.round(endedAtMs - byMs)} ms late`)
      if (visit.id.startsWith(AFTERWARDS) && ending !== "delivered")
        report(visit, `is ${ending} with ${sight.code} when all trouble is over`)
      if (!isOrdinary(sight) || stillMs > 0) continue
      // One that fails may leave too little for another one.
      if (isBounded(run, visit)) continue
      // Nobody without a price is asked for those who have a budget.
      const isAlone = run.steady.size === 1 && run.steady.has("c")
      const isOut = eventsOf(run.world, "outage").some(
        ({ atMs, forMs, of }) =>
          of.startsWith("database") && atMs <= endedAtMs && atMs + forMs + 1_000 >= visit.atMs,
      )
      if ((isAlone || isOut) && budgetsOf(run.world, visit.client).length > 0) continue
      if (ending === "delivered") served += 1
      else if (ending === "refused") failed.push(sight)
    }
    for (const { code, visit } of failed)
      if (run.callsOf(visit).length === 0 && code !== "overloaded" && code !== "concurrency_limited")
        report(visit, `is refused with ${code}, and nobody was asked`)
    if (run.steady.size === 0 || failed.length <= 1) return
    if (failed.length > 0.01 * (served + failed.length))
      report(
        failed[0]?.visit,
        `${failed.length} of ${served + failed.length} ordinary requests failed, although ${[...run.steady]} is well`,
      )
  },
}

/** Has done all right, and stays to hear of it. */
const isOrdinary = ({ authenticated, code, replayed, visit }: Sight): boolean =>
  authenticated &&
  visit.readable &&
  isOfAll(visit) &&
  !visit.dryRun &&
  visit.mistake === undefined &&
  visit.claim === undefined &&
  visit.reads === undefined &&
  visit.deadlineMs === undefined &&
  visit.uploadMs < 1_000 &&
  !replayed &&
  code !== "rate_limited" &&
  code !== "overloaded" &&
  code !== "concurrency_limited" &&
  code !== "budget_exceeded" &&
  code !== "budget_unavailable"

const rateLimits: Law = {
  name: "rate limits",
  says: "A key is let through at its rate and never beyond it, and is told truly when to come back",
  check: (run, report) => {
    const groups = Map.groupBy(
      run.sights.filter(({ authenticated, process }) => authenticated && process !== undefined),
      ({ process, visit }) => `${process} ${visit.client}`,
    )
    for (const [name, group] of groups) {
      const [first] = group
      if (first === undefined) continue
      const perMinute =
        principals[first.visit.client].limits[0].requestsPerMinute ??
        limitsOf(run.world.limits).requestsPerMinute
      const admitted = group.filter(
        ({ code }) => code !== "rate_limited" && code !== "overloaded" && code !== "concurrency_limited",
      )
      const times = admitted.map(({ visit }) => visit.atMs).toSorted((one, other) => one - other)
      let from = 0
      for (const [to, atMs] of times.entries()) {
        while (atMs - (times[from] ?? 0) > 60_000) from += 1
        // A full bucket, and what comes back into it in a minute.
        if (to - from + 1 > 2 * perMinute + 1)
          report(undefined, `${to - from + 1} requests a minute for ${name}`)
      }
      for (const { code, retryAfterMs, visit } of group) {
        if (code !== "rate_limited") continue
        const before = times.filter((ms) => ms <= visit.atMs + 10 && ms > visit.atMs - 60_000).length
        if (before < Math.min(perMinute, 1)) report(visit, "is limited, and sent nothing in the last minute")
        if (retryAfterMs === undefined || retryAfterMs > 60_000)
          report(visit, `is to come back after ${retryAfterMs} ms`)
      }
    }
  },
}

export const laws: ReadonlyArray<Law> = [
  ledger,
  money,
  pointOfNoReturn,
  boundedWork,
  providersTrouble,
  blame,
  oneAnswer,
  fairShares,
  rateLimits,
  ...budgetLaws,
  boundedMemory,
  liveness,
  noDefects,
]

/** Every way in which a run broke a law. */
export const violationsOf = (
  run: Run,
  expects?: (run: Run) => ReadonlyArray<string>,
): ReadonlyArray<Violation> => {
  const found: Array<Violation> = []
  for (const { check, name } of laws)
    check(run, (about, what) => found.push({ law: name, visit: about?.id, what }))
  for (const what of expects?.(run) ?? []) found.push({ law: "expectation", visit: undefined, what })
  return found
}
