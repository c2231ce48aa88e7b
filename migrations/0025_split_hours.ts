import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Where clocks are set by half an hour, as on Lord Howe Island, two windows of an hour overlapped in that night, and the later one
 * began within the earlier. Now the earlier one ends when the clocks are set, and the later one begins.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE OR REPLACE FUNCTION budget_window_start(period text, time_zone text, at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE AS $$
      SELECT CASE
        WHEN period = 'total' THEN '-infinity'
        -- By the clock of the hour's beginning, which was another one if that is past the full hour.
        WHEN period = 'hour' THEN date_trunc('hour', at, time_zone)
          + (date_trunc('hour', at, time_zone) AT TIME ZONE time_zone
            - date_trunc('hour', date_trunc('hour', at, time_zone) AT TIME ZONE time_zone))
        WHEN date_trunc(period, at, time_zone) <= at THEN date_trunc(period, at, time_zone)
        ELSE ((date_trunc(period, at, time_zone) AT TIME ZONE time_zone) - ('1 ' || period)::interval)
          AT TIME ZONE time_zone
      END
    $$`
  yield* sql`
    CREATE OR REPLACE FUNCTION budget_window_end(period text, time_zone text, at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE AS $$
      SELECT CASE period
        WHEN 'total' THEN 'infinity'
        WHEN 'hour' THEN date_trunc('hour', at, time_zone) + interval '1 hour'
        ELSE (
          date_trunc(period, budget_window_start(period, time_zone, at) AT TIME ZONE time_zone)
            + ('1 ' || period)::interval
        ) AT TIME ZONE time_zone
      END
    $$`
})
