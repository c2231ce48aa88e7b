import type { Budget } from "../../src/domain/Budget.ts"
import { startMsOf } from "../budgets/ModelStore.ts"
import { timeouts } from "../support/settings.ts"
import { START_MS } from "../support/started-clock.ts"
import { type AttemptRow, attemptsOf, type Row } from "./Books.ts"
import { budgetsOf, type Sight } from "./Client.ts"
import { limitsOf } from "./gateway.ts"
import { costOf, type Law, mayBeLost, stoodStill } from "./laws.ts"
import type { Run } from "./run.ts"
import type { UpstreamCall } from "./Upstream.ts"
import { eventsOf, type Visit } from "./World.ts"

/** What was left of a budget is believed for so long. */
const BELIEVED_MS = 250
/** Nobody waits longer for an exchange, nor for one that was under way before it. */
const EXCHANGE_MS = 2 * 800
/** A call leaves so long after it was reserved, at most, while its process runs. */
const SENT_WITHIN_MS = 5

// ---- What a run says of money ----

/** Nano-dollars that a provider has sold, and bills: an answer as it counts it, and of what was cut as much as it handed over. */
const soldOf = (call: UpstreamCall, attempt: AttemptRow | undefined): number => {
  const { outcome, pieces, pieceTokens, provider, target, unbilled, usage, visit } = call
  if (unbilled) return 0
  const isMute = visit.stream && pieces === 0
  const produced = visit.stream ? Math.min(visit.answerTokens, pieces * pieceTokens) : visit.answerTokens
  // A whole answer that nobody waits for any more is made all the same. The ledger estimates one that was cut for another.
  const answered = attempt?.outcome === "hedged" && !visit.stream ? 0 : produced
  const isCounted = usage !== null && !isMute
  return (
    costOf(provider, target.slice(2), {
      input_tokens: isCounted ? usage.inputTokens : visit.promptTokens,
      output_tokens:
        isCounted && outcome === "success" && attempt?.outcome !== "hedged" ? usage.outputTokens : answered,
      cached_tokens: isCounted ? usage.cachedTokens : 0,
    }) ?? 0
  )
}

/** The most that a call of a visit may cost, by what is known before it. */
const mostOf = (run: Run, { maxTokens, promptTokens }: Visit, provider: string, model: string): number =>
  costOf(provider, model, {
    // As the gateway estimates, with what it adds of its own.
    input_tokens: Math.ceil((promptTokens + 4) * 1.2) + 256,
    output_tokens: maxTokens ?? limitsOf(run.world.limits).defaultMaxOutputTokens,
    cached_tokens: 0,
  }) ?? 1

/** Windows of a budget that a request is charged to, and what of each. */
const chargesOf = (
  row: Row | undefined,
  { id }: Budget,
): ReadonlyArray<{ readonly startsAtMs: number | null; readonly nanoUsd: number }> =>
  (row?.charges ?? []).flatMap(({ nano_usd, windows }) =>
    windows.flatMap(([budget, startsAtS]) =>
      budget === id ? [{ startsAtMs: startMsOf(startsAtS), nanoUsd: nano_usd }] : [],
    ),
  )

const sumOf = (charges: ReturnType<typeof chargesOf>): number =>
  charges.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0)

const isOut = (run: Run, fromMs: number, toMs: number): boolean =>
  eventsOf(run.world, "outage").some(
    ({ atMs, forMs, of }) => of.startsWith("database") && atMs <= toMs && atMs + forMs >= fromMs,
  )

const windowOf = ({ world }: Run, atMs: number): number | null => {
  const windowMs = world.budgets?.windowMs ?? 0
  return windowMs === 0 ? null : Math.floor((START_MS + atMs) / windowMs) * windowMs
}

/** Sights whose requests count against a budget and were under way at some time. */
const concernedBy = (run: Run, { id }: Budget, fromMs: number, toMs: number): ReadonlyArray<Sight> =>
  run.sights.filter(
    ({ endedAtMs = Number.POSITIVE_INFINITY, visit }) =>
      visit.atMs <= toMs &&
      // Who keeps a key goes on without its client.
      endedAtMs + (visit.claim === undefined ? 0 : timeouts.streamMs) >= fromMs &&
      budgetsOf(run.world, visit.client).some((budget) => budget.id === id),
  )

// ---- Laws ----

const neverOverspent: Law = {
  name: "budgets",
  says: "What providers sold in a window of a budget is never more than its limit, and neither is what was spent and is held at any moment; nothing is sent for a window that is over",
  check: (run, report) => {
    for (const what of run.treasury.overdrawn) report(undefined, what)
    for (const budget of run.world.budgets?.all ?? []) {
      const sold = new Map<number | null, number>()
      for (const { process, visit } of run.sights) {
        if (!budgetsOf(run.world, visit.client).some(({ id }) => id === budget.id)) continue
        const row = run.rows.get(visit.id)
        const attempts = row === undefined ? [] : attemptsOf(row)
        const windows = chargesOf(row, budget).map(({ startsAtMs }) => startsAtMs)
        for (const [i, call] of run.callsOf(visit).entries()) {
          const now = windowOf(run, call.atMs)
          const at = windows.includes(now)
            ? now
            : (windows.findLast((start) => start !== null && now !== null && start < now) ?? now)
          if (at !== null && now !== null && at < now) {
            const lateMs = START_MS + call.atMs - (at + (run.world.budgets?.windowMs ?? 0))
            const stillMs = stoodStill(run, process, call.atMs - lateMs, call.atMs)
            if (lateMs > SENT_WITHIN_MS + stillMs)
              report(visit, `is charged to a window that was over for ${lateMs} ms`)
          }
          sold.set(at, (sold.get(at) ?? 0) + soldOf(call, attempts[i]))
        }
      }
      for (const [startsAtMs, nanoUsd] of sold)
        if (nanoUsd > budget.limitNanoUsd)
          report(
            undefined,
            `${nanoUsd} of ${budget.limitNanoUsd} were sold for budget ${budget.id} in its window ${startsAtMs}`,
          )
    }
  },
}

const charges: Law = {
  name: "charges",
  says: "What was spent of a budget is what its requests are charged, each once: exactly what their attempts cost, all of what one was to cost at most where nobody knows, and nothing where nothing was sent",
  check: (run, report) => {
    for (const budget of run.world.budgets?.all ?? []) {
      const booked = [...run.rows.values()].reduce((sum, row) => sum + sumOf(chargesOf(row, budget)), 0)
      const spent = [...run.treasury.store.windows].reduce(
        (sum, [name, window]) => (name.startsWith(`${budget.id} `) ? sum + window.spent : sum),
        0,
      )
      if (spent !== booked)
        report(undefined, `${spent} of budget ${budget.id} are spent, and ${booked} charged`)
    }
    const holders = new Set(run.holders.values())
    for (const { visit } of run.sights) {
      const row = run.rows.get(visit.id)
      if (row === undefined) continue
      const concerned = budgetsOf(run.world, visit.client)
      const calls = run.callsOf(visit)
      const attempts = attemptsOf(row)
      for (const { holder, windows } of row.charges ?? []) {
        if (!holders.has(holder)) report(visit, `is charged to ${holder}, which is nobody`)
        for (const [budget] of windows)
          if (!concerned.some(({ id }) => id === budget))
            report(visit, `is charged to budget ${budget}, not its own`)
      }
      for (const budget of concerned) {
        const charged = sumOf(chargesOf(row, budget))
        const least = attempts.reduce((sum, attempt) => sum + (attempt.cost_nano_usd ?? 0), 0)
        const most = attempts.reduce((sum, attempt) => sum + mostChargeOf(run, visit, attempt), 0)
        const sold = calls.reduce((sum, call, i) => sum + soldOf(call, attempts[i]), 0)
        const says = `is charged ${charged} of budget ${budget.id}`
        if (charged < least) report(visit, `${says}, and its attempts cost ${least}`)
        if (charged < sold) report(visit, `${says}, and ${sold} were sold to it`)
        if (charged > most) report(visit, `${says}, and its attempts cost ${most} at most`)
      }
    }
  },
}

/** What an attempt may be charged at most: its cost, nothing where nobody can bill it, and what was reserved where it is not known. */
const mostChargeOf = (
  run: Run,
  visit: Visit,
  { cost_nano_usd, dispatched, model, outcome, provider, upstream_status, usage_estimated }: AttemptRow,
): number => {
  // It goes on at its provider for a while.
  if (outcome === "hedged" && usage_estimated) return mostOf(run, visit, provider, model)
  if (cost_nano_usd !== null) return cost_nano_usd
  if (dispatched === "no") return 0
  if (outcome !== "success" && upstream_status !== null && upstream_status >= 400) return 0
  return mostOf(run, visit, provider, model)
}

const nothingLeaks: Law = {
  name: "leases",
  says: "Once every process has come to its end, and its records are in the books, nobody holds anything of a budget",
  check: (run, report) => {
    if (run.leftovers > 0 || run.sights.some(({ process }) => mayBeLost(run, process))) return
    for (const [name, { leases }] of run.treasury.store.windows)
      for (const [holder, { granted, returned, settled }] of leases)
        if (granted - returned - settled > 0)
          report(
            undefined,
            `${holder} holds ${granted - returned - settled} of the budget and window ${name}`,
          )
  },
}

const refusals: Law = {
  name: "refusals",
  says: "A client is told that a budget does not suffice only if less was left of it than its request may cost, beside what others were about to spend; that budgets cannot be asked only while the database is out, the process stood still or many wait at once; and who is refused so is sent nowhere",
  check: (run, report) => {
    for (const sight of run.sights) {
      const { code, endedAtMs = 0, process, replayed, retryAfterMs, understoodAtMs = 0, visit } = sight
      if ((code !== "budget_exceeded" && code !== "budget_unavailable") || replayed) continue
      const concerned = budgetsOf(run.world, visit.client)
      const calls = run.callsOf(visit)
      if (concerned.length === 0) report(visit, `is refused with ${code}, and has no budget`)
      if (calls.length > 0) report(visit, `is refused with ${code} after it was sent to ${calls[0]?.target}`)
      const stillMs = stoodStill(run, process, visit.atMs - EXCHANGE_MS, endedAtMs)
      const sinceMs = understoodAtMs - EXCHANGE_MS - BELIEVED_MS - stillMs
      if (code === "budget_unavailable") {
        const others = Math.max(
          ...concerned.map((budget) => concernedBy(run, budget, sinceMs, endedAtMs).length),
        )
        if (!isOut(run, sinceMs, endedAtMs) && stillMs === 0 && others < MANY)
          report(visit, `is told that budgets cannot be asked, beside ${others - 1} others`)
        continue
      }
      if (retryAfterMs !== undefined && run.world.budgets?.windowMs === 0)
        report(visit, `is to come back after ${retryAfterMs} ms, and the budget has no other window`)
      const holder = process === undefined ? undefined : run.holders.get(process)
      const need = mostOf(run, visit, "a", "m")
      const isTrue = concerned.some((budget) => {
        // Those at the same process may have taken what there was.
        const others = concernedBy(run, budget, sinceMs, endedAtMs)
          .filter((other) => other.process === process && other.visit.id !== visit.id)
          .reduce((sum, other) => sum + WAYS * mostOf(run, other.visit, "b", "m"), 0)
        return run.treasury.reaches.some(
          ({ atMs, budgetId, holder: who, nanoUsd }) =>
            budgetId === budget.id &&
            who === holder &&
            atMs >= sinceMs &&
            atMs <= endedAtMs &&
            nanoUsd - others < need,
        )
      })
      if (!isTrue) report(visit, `is told that its budget does not suffice for ${need}`)
    }
  },
}

/** So many that wait for one budget at once may overtake one of them again and again. */
const MANY = 8

/** Calls of a request at once. */
const WAYS = 2

export const budgetLaws: ReadonlyArray<Law> = [neverOverspent, charges, nothingLeaks, refusals]
