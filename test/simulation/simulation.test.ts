import { assert, describe, it } from "vitest"
import type { Charge } from "../../src/domain/Budget.ts"
import type { Row } from "./Books.ts"
import { tell } from "./history.ts"
import { judge } from "./judge.ts"
import { laws, violationsOf } from "./laws.ts"
import { type Changes, type Run, run } from "./run.ts"
import { shrink } from "./shrink.ts"
import type { World } from "./World.ts"
import { makeWorld, worldKinds } from "./worlds.ts"

const worldOf = (name: string, seed = "1"): World => {
  const kind = worldKinds.find((kind) => kind.name === name)
  if (kind === undefined) throw new Error(`no world ${name}`)
  return makeWorld(kind, seed)
}

const broken = (world: World, changes?: Changes): ReadonlySet<string> =>
  new Set(judge(world, { changes }).violations.map(({ law }) => law))

/** A seed whose budgets have windows. */
const WINDOWED = "2"

const withSights =
  (change: (sight: Run["sights"][number]) => Run["sights"][number]) =>
  (run: Run): Run => ({ ...run, sights: run.sights.map(change) })

const withCharges = (
  charges: Row["charges"],
  change: (charge: Charge) => ReadonlyArray<Charge>,
): Row["charges"] => charges?.flatMap(change) ?? null

/** Changes what requests are charged, and to which window. */
const charged = (
  nanoUsd: (nanoUsd: number) => number,
  startsAt: (startsAtMs: number) => number = (startsAtMs) => startsAtMs,
): Changes => ({
  row: (row) => ({
    ...row,
    charges: withCharges(row.charges, ({ holder, nano_usd, windows }) => [
      {
        ...{ holder, nano_usd: nanoUsd(nano_usd) },
        windows: windows.map(([budget, start]) => [
          budget,
          start === null ? null : startsAt(start * 1_000) / 1_000,
        ]),
      },
    ]),
  }),
})

describe("a law", () => {
  const world = worldOf("outages")

  it.each<readonly [law: string, what: string, change: (row: Row) => Row | undefined]>([
    ["ledger", "a row that is lost", (row) => (row.attempts.length > 1 ? undefined : row)],
    [
      "ledger",
      "an attempt that is not in the books",
      (row) => (row.attempts.length > 1 ? { ...row, attempts: row.attempts.slice(1) } : row),
    ],
    [
      "ledger",
      "an attempt that is there twice",
      (row) => (row.stream ? { ...row, attempts: [...row.attempts, ...row.attempts] } : row),
    ],
    [
      "money",
      "a nano-dollar too much",
      (row) => ({ ...row, cost_nano_usd: row.cost_nano_usd === null ? null : row.cost_nano_usd + 1 }),
    ],
    [
      "money",
      "an unknown cost that is taken for nothing",
      (row) => ({ ...row, cost_nano_usd: row.cost_nano_usd ?? 0 }),
    ],
    ["no defects", "a defect", (row) => (row.stream ? { ...row, error_code: "internal_error" } : row)],
  ])("%s notices %s", (law, _, row) => {
    assert.notInclude([...broken(world)], law)
    assert.include([...broken(world, { row })], law)
  })

  it.each<readonly [law: string, what: string, changes: Changes]>([
    ["budgets", "requests that cost more than was reserved for them", charged((nanoUsd) => 3 * nanoUsd)],
    [
      "budgets",
      "what is charged to a window that is over",
      charged(
        (nanoUsd) => nanoUsd,
        (startsAtMs) => startsAtMs - 1_200_000,
      ),
    ],
    [
      "charges",
      "a request that is charged nothing",
      { row: (row) => (row.stream ? { ...row, charges: null } : row) },
    ],
    [
      "charges",
      "a request that is charged twice",
      {
        row: (row) => ({
          ...row,
          charges: withCharges(row.charges, (charge) => [charge, charge]),
        }),
      },
    ],
    [
      "charges",
      "somebody else's budget that is charged",
      {
        row: (row) => ({
          ...row,
          charges: withCharges(row.charges, (charge) => [
            { ...charge, windows: charge.windows.map(([, start]) => [2, start]) },
          ]),
        }),
      },
    ],
    [
      "refusals",
      "a budget that is said to be used up and is not",
      { answer: (answer) => ({ ...answer, granted: 0, leftNanoUsd: 0 }) },
    ],
  ])("%s notices %s", (law, _, changes) => {
    const world = worldOf("budgets", WINDOWED)
    assert.strictEqual(world.budgets?.windowMs, 1_200_000)
    assert.notInclude([...broken(world)], law)
    assert.include([...broken(world, changes)], law)
  })

  it("leases notices those of the dead that nobody ends", () => {
    assert.include([...broken(worldOf("budgets and crashes"), { keepsLeases: true })], "leases")
  })

  it.each<readonly [law: string, what: string, change: (run: Run) => Run]>([
    [
      "refusals",
      "one that was sent somewhere and is told of its budget",
      withSights((sight) =>
        sight.visit.client === "thrifty" && sight.ending === "delivered"
          ? { ...sight, code: "budget_exceeded" }
          : sight,
      ),
    ],
    [
      "refusals",
      "one that is told that budgets cannot be asked while they can",
      withSights((sight) =>
        sight.code === "budget_exceeded" ? { ...sight, code: "budget_unavailable" } : sight,
      ),
    ],
    [
      "budgets",
      "providers that sell more than there is",
      (run) => ({
        ...run,
        calls: [],
        callsOf: (visit) => [...run.callsOf(visit), ...run.callsOf(visit)].flatMap((call) => [call, call]),
      }),
    ],
  ])("%s notices %s", (law, _, change) => {
    const found = violationsOf(change(run(worldOf("budgets", WINDOWED))))
    assert.include([...new Set(found.map((violation) => violation.law))], law)
  })

  it.each<readonly [law: string, what: string, change: (run: Run) => Run]>([
    [
      "bounded work",
      "a second one asked beside the first, where no route says so",
      (run) => ({
        ...run,
        sights: run.sights.map((sight) => ({ ...sight, visit: { ...sight.visit, model: "auto" } })),
      }),
    ],
    [
      "point of no return",
      "one that goes on, although another one answers",
      (run) => ({
        ...run,
        callsOf: (visit) =>
          run
            .callsOf(visit)
            .map((call) => (call.outcome === "cancelled" ? { ...call, endedAtMs: 1e9 } : call)),
      }),
    ],
    [
      "ledger",
      "one that was cut and is not in the books",
      (run) => ({
        ...run,
        rows: new Map(
          [...run.rows].map(([id, row]) => [
            id,
            { ...row, attempts: row.attempts.filter(({ outcome }) => outcome !== "hedged") },
          ]),
        ),
      }),
    ],
    [
      "money",
      "one that was cut and cost nothing",
      (run) => ({
        ...run,
        rows: new Map(
          [...run.rows].map(([id, row]) => [
            id,
            {
              ...row,
              attempts: row.attempts.map((attempt) =>
                attempt.outcome === "hedged"
                  ? { ...attempt, input_tokens: null, cost_nano_usd: null }
                  : attempt,
              ),
            },
          ]),
        ),
      }),
    ],
  ])("%s notices of two at once %s", (law, _, change) => {
    const hedged = run(worldOf("hedges"))
    const lawsOf = (run: Run) => [...new Set(violationsOf(run).map((violation) => violation.law))]
    assert.notInclude(lawsOf(hedged), law)
    assert.include(lawsOf(change(hedged)), law)
  })

  it("has a name of its own", () => {
    assert.strictEqual(new Set(laws.map(({ name }) => name)).size, laws.length)
  })
})

describe("a world that breaks a law", () => {
  /** Loses the rows of streams that were asked for twice. */
  const changes: Changes = {
    row: (row) => (row.stream && row.attempts.length > 1 ? undefined : row),
  }
  const world = worldOf("outages")

  it("is shrunk to the events that it takes, which break it again", async () => {
    assert.isAbove(world.events.length, 200)
    const small = await shrink(world, "ledger", { changes })
    assert.deepStrictEqual(small.events.map(({ kind }) => kind).toSorted(), ["visit", "weather"])
    assert.include([...broken(small, changes)], "ledger")
    assert.deepStrictEqual([...broken(small)], [])
    const told = tell(run(small, changes)).join("\n")
    assert.match(told, /comes to gateway \d as \w+ for auto: streamed/)
    assert.match(told, /is in trouble for \d+ ms: down/)
    assert.match(told, /ends: connect/)
  })

  it("has the same events without the others", () => {
    const without = {
      ...world,
      events: world.events.filter((event, i) => event.kind !== "visit" || i % 2 === 0),
    }
    const of = (world: World) =>
      new Map(
        run(world).calls.map(({ number: _, visit, ...call }) => [`${visit.id} ${call.target}`, call.pieces]),
      )
    const all = of(world)
    // Whom they are asked of may differ; what is answered there does not.
    for (const [call, pieces] of of(without)) if (all.has(call)) assert.strictEqual(pieces, all.get(call))
  })
})

describe("the same seed", () => {
  it("makes the same history to the letter, and another seed another one", () => {
    const told = (seed: string) => tell(run(worldOf("anything", seed))).join("\n")
    assert.strictEqual(told("again"), told("again"))
    assert.notStrictEqual(told("again"), told("other"))
  })
})
