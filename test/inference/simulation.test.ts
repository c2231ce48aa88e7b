import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { IdempotencyLimits } from "../../src/idempotency/IdempotencyLimits.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { seeds } from "../support/seeds.ts"
import { START_MS } from "../support/started-clock.ts"
import { type Outcome, type Run, simulate, text, type Visit } from "./story.ts"
import { limits, models, timeouts, type UpstreamCall } from "./world.ts"

/**
 * Whole stories under virtual time: two replicas, three providers with trouble that a seed decides, and clients that
 * leave, repeat themselves and change their minds. The laws hold for every seed; a failing test's name has the
 * seed and its message the request, and the same seed makes the same story again.
 */
const SEEDS = seeds(Array.from({ length: 16 }, (_, i) => `seed-${i + 1}`))

// ---- Laws ----

/** The bill as the price list has it: 1 USD per million of `a`'s tokens is 1,000 nano-dollars a token. */
const nanoPerToken: Readonly<Record<string, number>> = { "a/m": 1_000, "b/m": 2_000, "b/big": 8_000 }

const ledgerIsExact = ({ calls, callsOf, outcomes, records, recordsOf }: Run): void => {
  /** Refusals that have no row of their own. */
  let onlyCounted = 0
  for (const { authenticated, error, left, reply, understoodAt, visit } of outcomes) {
    const understood = understoodAt !== undefined
    const rows = recordsOf(visit)
    const status = reply?.response.status ?? error?.status
    if (visit.dryRun && understood) {
      assert.strictEqual(rows.length, 0, `${visit.id}: a dry run is recorded`)
    } else if (left && understood && visit.claim !== undefined) {
      assert.isAtMost(rows.length, 1, visit.id)
      if (callsOf(visit).length > 0) assert.strictEqual(rows.length, 1, visit.id)
    } else if (left) {
      assert.deepStrictEqual(
        rows.map((row) => row.status),
        authenticated ? [499] : [],
        `${visit.id}: the client left`,
      )
    } else {
      const expected = !authenticated || reply?.replayed === true ? [] : [status]
      const refused = status !== undefined && status >= 400 && status !== 500 && callsOf(visit).length === 0
      if (refused && rows.length < expected.length) onlyCounted += 1
      else
        assert.deepStrictEqual(
          rows.map((row) => row.status),
          expected,
          visit.id,
        )
    }

    const [row] = rows
    if (row === undefined) {
      assert.strictEqual(callsOf(visit).length, 0, `${visit.id}: calls without a record`)
      continue
    }
    assert.deepStrictEqual(
      row.attempts.map((attempt) => ({
        target: `${attempt.provider}/${attempt.model}`,
        outcome: attempt.outcome,
        usage: attempt.usage,
      })),
      callsOf(visit).map(({ outcome = "reset", target, usage }) => ({ target, outcome, usage })),
      `${visit.id}: attempts`,
    )
    for (const [i, { endedAt = Number.NaN, startedAt }] of callsOf(visit).entries()) {
      const attempt = row.attempts[i]
      // Records have whole milliseconds.
      assert.approximately(attempt?.startedAt ?? Number.NaN, startedAt, 1, visit.id)
      assert.approximately(attempt?.latencyMs ?? Number.NaN, endedAt - startedAt, 2, visit.id)
    }

    const sold = callsOf(visit).find((call) => call.outcome === "success")
    assert.strictEqual(row.status === 200, sold !== undefined, `${visit.id}: sold or not`)
    if (sold === undefined) continue
    assert.deepStrictEqual(row.usage, sold.usage, visit.id)
    const perToken = nanoPerToken[sold.target]
    assert.strictEqual(
      row.costNanoUsd,
      perToken === undefined || sold.usage === null
        ? null
        : perToken * (sold.usage.inputTokens + sold.usage.outputTokens),
      `${visit.id}: cost`,
    )
  }
  assert.strictEqual(
    records.reduce((sum, { requests }) => sum + requests - 1, 0),
    onlyCounted,
    "refusals that are only counted",
  )
  for (const provider of Object.keys(models)) {
    assert.strictEqual(
      records.flatMap((row) => row.attempts).filter((attempt) => attempt.provider === provider).length,
      calls.filter((call) => call.target.startsWith(`${provider}/`)).length,
      `attempts at ${provider}`,
    )
  }
}

const workIsBounded = ({ callsOf, outcomes }: Run): void => {
  const asked = new Map<string, { requests: number; retries: number }>()
  for (const { settledAt, understoodAt, visit } of outcomes) {
    // Requests count whole milliseconds.
    const deadlineAt = START_MS + visit.atMs + timeouts.deadlineMs + 1
    // Reading the body and waiting for another replica's answer have bounds of their own.
    const waitMs = visit.claim === undefined ? 0 : IdempotencyLimits.defaultValue().waitMs
    const inTime = Math.max(deadlineAt, (understoodAt ?? settledAt) + waitMs)
    assert.isAtMost(settledAt, inTime, `${visit.id}: settled late`)

    const calls = callsOf(visit)
    assert.isAtMost(calls.length, limits.maxAttempts, `${visit.id}: attempts`)
    let previous: UpstreamCall | undefined
    for (const call of calls) {
      assert.isBelow(call.startedAt, deadlineAt, `${visit.id}: an attempt after the deadline`)
      assert.isAtMost(call.startedAt + call.timeoutMs, deadlineAt, `${visit.id}: time for an attempt`)
      assert.isAtMost(call.endedAt ?? Number.NaN, deadlineAt, `${visit.id}: an attempt outlives its request`)

      const name = `${visit.replica} ${call.target.slice(0, 1)}`
      const share = asked.get(name) ?? { requests: 0, retries: 0 }
      asked.set(name, share)
      if (previous?.target !== call.target) share.requests++
      else share.retries++

      if (previous !== undefined) follows(visit, previous, call)
      previous = call
    }
  }
  for (const [name, { requests, retries }] of asked) {
    assert.isAtMost(retries, 3 + limits.retryRatio * requests, `retries at ${name}`)
  }
}

/** What one attempt may be followed by. */
const follows = (visit: Visit, previous: UpstreamCall, call: UpstreamCall): void => {
  const kind = previous.outcome
  const why = `${visit.id}: ${call.target} after ${previous.target} ${kind}`
  assert.notInclude([undefined, "success", "cancelled", "bad_request", "content_filter"], kind, why)
  if (kind === "context_length_exceeded") assert.strictEqual(call.target, "b/big", why)
  if (call.target !== previous.target) return
  assert.notInclude(["auth", "model_not_found", "quota_exhausted", "timeout"], kind, why)
  assert.isAtLeast(call.startedAt, (previous.endedAt ?? Number.NaN) + (previous.retryAfterMs ?? 0), why)
}

const oneAnswerPerKey = ({ callsOf, outcomes, reliableClaims, writes }: Run): void => {
  const groups = Map.groupBy(
    outcomes.filter(({ visit }) => visit.claim !== undefined),
    ({ visit }) => `${visit.principal.keyId} ${visit.claim?.key}`,
  )
  for (const [name, group] of groups) {
    const runs = group
      .filter(({ visit }) => callsOf(visit).length > 0)
      .map(({ visit }) => ({
        id: visit.id,
        from: callsOf(visit)[0]?.startedAt ?? Number.NaN,
        to: callsOf(visit).at(-1)?.endedAt ?? Number.NaN,
      }))
      .sort((one, two) => one.from - two.from)
    for (const [i, run] of runs.entries()) {
      assert.isAtLeast(run.from, runs[i - 1]?.to ?? 0, `${name}: ${run.id} runs beside another`)
    }
    const noneCancelled = group.every(({ visit }) =>
      callsOf(visit).every((call) => call.outcome !== "cancelled"),
    )
    assert.isTrue(noneCancelled, `${name}: a run was cut off when its client left`)

    const kept = group.filter(({ visit }) => writes.get(visit.id)?.keep)
    assert.isAtMost(kept.length, 1, `${name}: answers kept`)
    const answer = kept[0] && writes.get(kept[0].visit.id)
    for (const { error, left, reply, understoodAt, visit } of group) {
      if (reply !== undefined) {
        const bytes = text(reply.response.body)
        const source = group.find((other) => writes.get(other.visit.id)?.text === bytes)
        assert.isDefined(source, `${visit.id}: a reply that nobody wrote`)
        assert.strictEqual(reply.replayed, source?.visit.id !== visit.id, visit.id)
        const written = writes.get(source?.visit.id ?? "")
        if (reply.replayed && written?.keep === false) {
          assert.isAtMost(understoodAt ?? Number.NaN, written.atMs, `${visit.id}: a failure outlives its run`)
        }
        assert.strictEqual(source?.visit.claim?.body, visit.claim?.body, `${visit.id}: another body's answer`)
      }
      if (answer === undefined || left || understoodAt === undefined || understoodAt <= answer.atMs) continue
      if (
        !reliableClaims &&
        (error?.code === "idempotency_unavailable" || error?.code === "idempotency_in_progress")
      ) {
        continue
      }
      if (visit.claim?.body === kept[0]?.visit.claim?.body) {
        assert.strictEqual(reply && text(reply.response.body), answer.text, `${visit.id}: the kept answer`)
      } else {
        assert.strictEqual(error?.code, "idempotency_key_reused", visit.id)
      }
    }
  }
}

const troubleIsOurs = ({ callsOf, outcomes }: Run): void => {
  for (const { error, reply, visit } of outcomes) {
    if (callsOf(visit).length === 0) continue
    assert.notInclude([401, 403], reply?.response.status ?? error?.status, visit.id)
  }
}

/** With one provider that works all the time, what the clients did right is answered. */
const steadyProviderIsEnough = ({ outcomes, steady }: Run): void => {
  if (steady === undefined) return
  const fair = outcomes.filter(
    ({ reply, visit }) =>
      reply?.replayed === false &&
      !visit.dryRun &&
      visit.mistake === undefined &&
      visit.uploadMs < 1_000 &&
      visit.model === "auto" &&
      reply.response.status !== 429,
  )
  const answered = fair.filter(({ reply }) => reply?.response.status === 200)
  assert.isAbove(fair.length, 100)
  assert.isAtLeast(
    answered.length / fair.length,
    0.99,
    `${fair.length - answered.length} of ${fair.length} failed`,
  )
}

/** The story is not an idle one. */
const muchHappened = ({ calls, outcomes, records }: Run): void => {
  const count = (predicate: (outcome: Outcome) => boolean) => outcomes.filter(predicate).length
  assert.isAbove(new Set(calls.map((call) => call.outcome)).size, 7, "kinds of outcome")
  assert.isAbove(
    count(({ reply }) => reply?.replayed === true),
    5,
    "replays",
  )
  assert.isAbove(
    count(({ error }) => error?.code === "idempotency_key_reused"),
    0,
    "other bodies",
  )
  assert.isAbove(records.filter(({ status }) => status === 499).length, 3, "clients that left")
  assert.isAbove(
    count(({ left, visit }) => left && visit.claim !== undefined),
    1,
    "keyed clients that left",
  )
  assert.isAbove(
    count(({ visit }) => visit.dryRun),
    3,
    "dry runs",
  )
  assert.isAbove(records.filter(({ attempts }) => attempts.length > 1).length, 10, "several attempts")
}

const end = ({ error, left, reply, settledAt, visit }: Outcome) => ({
  id: visit.id,
  left,
  settledAt,
  code: error?.code,
  status: reply?.response.status,
  replayed: reply?.replayed,
})

/** A record without what the wall clock says: an attempt's start counts from the request's. */
const withoutTimes = ({ startedAt, ...record }: LedgerRecord) => ({
  ...record,
  attempts: record.attempts.map((attempt) => ({ ...attempt, startedAt: attempt.startedAt - startedAt })),
})

describe("every story", () => {
  it.effect.each(SEEDS)("keeps the laws (%s)", (seed) =>
    Effect.gen(function* () {
      const run = yield* simulate(seed)
      ledgerIsExact(run)
      workIsBounded(run)
      oneAnswerPerKey(run)
      troubleIsOurs(run)
      steadyProviderIsEnough(run)
      muchHappened(run)
    }),
  )

  it.effect.each(SEEDS.slice(0, 4))("is the same whatever steps the wall clock makes (%s)", (seed) =>
    Effect.gen(function* () {
      const calm = yield* simulate(seed)
      const stepped = yield* simulate(seed, { clockSteps: true })
      assert.deepStrictEqual(stepped.calls, calm.calls)
      assert.deepStrictEqual(stepped.outcomes.map(end), calm.outcomes.map(end))
      assert.deepStrictEqual(stepped.records.map(withoutTimes), calm.records.map(withoutTimes))
      assert.notDeepEqual(
        stepped.records.map(({ startedAt }) => startedAt),
        calm.records.map(({ startedAt }) => startedAt),
      )
    }),
  )

  it.effect("is told again by its seed", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* simulate("again"), yield* simulate("again")]
      assert.deepStrictEqual(one.records, two.records)
      assert.deepStrictEqual(one.calls, two.calls)
    }),
  )
})
