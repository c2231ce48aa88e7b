import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as fc from "fast-check"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"

/** Besides the usual ones: half hours, and clocks that are set at midnight, back over it, and by half an hour. */
const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "America/Santiago",
  "Asia/Beirut",
  "America/Havana",
  "Atlantic/Azores",
  "Australia/Lord_Howe",
]
const PERIODS = ["hour", "day", "week", "month", "total"]

interface Window {
  readonly start: string
  readonly end: string
}

const windowsAt = Effect.fnUntraced(function* (
  period: string,
  zone: string,
  instants: ReadonlyArray<number>,
) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ starts: number; ends: number }>`
    SELECT
      extract(epoch FROM budget_window_start(${period}, ${zone}, instant))::float8 AS starts,
      extract(epoch FROM budget_window_end(${period}, ${zone}, instant))::float8 AS ends
    FROM unnest(${instants.map((seconds) => new Date(seconds * 1000))}::timestamptz[]) WITH ORDINALITY AS given (instant, n)
    ORDER BY n`
})

const windowAt = Effect.fnUntraced(function* (period: string, zone: string, at: string) {
  const sql = yield* SqlClient.SqlClient
  const [window] = yield* sql<Window>`
    SELECT
      to_json(budget_window_start(${period}, ${zone}, ${at}::timestamptz) AT TIME ZONE 'UTC') #>> '{}' AS start,
      to_json(budget_window_end(${period}, ${zone}, ${at}::timestamptz) AT TIME ZONE 'UTC') #>> '{}' AS end`
  return [window?.start, window?.end]
})

const cases: ReadonlyArray<readonly [period: string, zone: string, at: string, start: string, end: string]> =
  [
    ["hour", "UTC", "2026-11-29T08:59:59.999Z", "2026-11-29T08:00:00", "2026-11-29T09:00:00"],
    ["hour", "Asia/Kolkata", "2026-11-29T08:45:00Z", "2026-11-29T08:30:00", "2026-11-29T09:30:00"],
    // Both hours from 2:00 to 3:00 of the night in which clocks are set back.
    ["hour", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00", "2026-10-25T01:00:00"],
    ["hour", "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00", "2026-10-25T02:00:00"],
    // Clocks are set back by half an hour at 2:00, and half a year later on.
    ["hour", "Australia/Lord_Howe", "2026-04-04T14:59:00Z", "2026-04-04T14:00:00", "2026-04-04T15:00:00"],
    ["hour", "Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-04T15:00:00", "2026-04-04T15:30:00"],
    ["hour", "Australia/Lord_Howe", "2026-04-04T15:30:00Z", "2026-04-04T15:30:00", "2026-04-04T16:30:00"],
    ["hour", "Australia/Lord_Howe", "2026-10-03T15:29:00Z", "2026-10-03T14:30:00", "2026-10-03T15:30:00"],
    ["hour", "Australia/Lord_Howe", "2026-10-03T15:30:00Z", "2026-10-03T15:30:00", "2026-10-03T16:00:00"],
    ["day", "UTC", "2026-11-29T00:00:00Z", "2026-11-29T00:00:00", "2026-11-30T00:00:00"],
    ["day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00", "2026-10-25T23:00:00"],
    ["day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00", "2026-03-29T22:00:00"],
    // A day that begins at 1:00, and its next.
    ["day", "America/Santiago", "2026-09-06T12:00:00Z", "2026-09-06T04:00:00", "2026-09-07T03:00:00"],
    ["day", "America/Santiago", "2026-09-07T12:00:00Z", "2026-09-07T03:00:00", "2026-09-08T03:00:00"],
    // Midnight comes at 4:00 and again at 5:00.
    ["day", "America/Havana", "2026-11-01T04:30:00Z", "2026-10-31T04:00:00", "2026-11-01T05:00:00"],
    ["day", "America/Havana", "2026-11-01T05:00:00Z", "2026-11-01T05:00:00", "2026-11-02T05:00:00"],
    ["month", "America/Havana", "2026-11-01T04:30:00Z", "2026-10-01T04:00:00", "2026-11-01T05:00:00"],
    // A Sunday, and the Monday after.
    ["week", "UTC", "2026-11-29T12:00:00Z", "2026-11-23T00:00:00", "2026-11-30T00:00:00"],
    ["week", "UTC", "2026-11-30T12:00:00Z", "2026-11-30T00:00:00", "2026-12-07T00:00:00"],
    ["month", "Europe/Berlin", "2026-10-31T23:30:00Z", "2026-10-31T23:00:00", "2026-11-30T23:00:00"],
    ["month", "UTC", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00", "2028-03-01T00:00:00"],
    ["total", "Europe/Berlin", "2026-11-29T12:00:00Z", "-infinity", "infinity"],
  ]

const hold = Effect.fnUntraced(function* (period: string, zone: string, instants: ReadonlyArray<number>) {
  const windows = yield* windowsAt(period, zone, instants)
  for (const [i, { starts, ends }] of windows.entries()) {
    const instant = instants[i] ?? Number.NaN
    assert.isTrue(starts <= instant && instant < ends, `${instant}`)
    assert.isAtLeast(starts, windows[i - 1]?.starts ?? Number.NEGATIVE_INFINITY)
  }
  if (period === "total") return
  const starts = windows.map(({ starts }) => starts)
  assert.deepStrictEqual(yield* windowsAt(period, zone, starts), windows)
})

describe.each([
  ["PostgreSQL", layerPostgres],
  ["the embedded database", layerEmbedded],
] as const)("windows of budgets in %s", (_, database) => {
  layer(database, { excludeTestServices: true })((it) => {
    it.effect.each(cases)("the %s of %s at %s", ([period, zone, at, start, end]) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* windowAt(period, zone, at), [start, end])
      }),
    )

    it.effect("hold their instant, do not go back, and are the same from their start on", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<SqlClient.SqlClient>()
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(
              fc.constantFrom(...PERIODS),
              fc.constantFrom(...ZONES),
              fc.array(fc.integer({ min: Date.UTC(2026, 0, 1) / 1000, max: Date.UTC(2029, 0, 1) / 1000 }), {
                minLength: 1,
                maxLength: 300,
              }),
              (period, zone, seconds) =>
                Effect.runPromiseWith(context)(
                  hold(
                    period,
                    zone,
                    seconds.toSorted((a, b) => a - b),
                  ),
                ),
            ),
          ),
        )
      }),
    )
  })
})
