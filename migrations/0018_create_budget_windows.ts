import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * What was spent of each budget in each of its windows, and what gateways have been granted of what is left of it. Spent is
 * what the ledger knows; a lease is held until its gateway gives it back or settles it, so that what is left of a budget is
 * its limit - spent - (granted - returned - settled of every lease of the window).
 */
export default Effect.gen(function* () {
  yield* createTables
  yield* createWindowFunctions
})

const createTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE budget_windows (
      budget_id bigint NOT NULL,
      starts_at timestamptz NOT NULL,
      spent_nano_usd bigint NOT NULL DEFAULT 0 CHECK (spent_nano_usd >= 0),
      PRIMARY KEY (budget_id, starts_at)
    )`
  yield* sql`
    CREATE TABLE budget_leases (
      budget_id bigint NOT NULL,
      starts_at timestamptz NOT NULL,
      holder text NOT NULL,
      granted_nano_usd bigint NOT NULL CHECK (granted_nano_usd >= 0),
      returned_nano_usd bigint NOT NULL DEFAULT 0 CHECK (returned_nano_usd >= 0),
      settled_nano_usd bigint NOT NULL DEFAULT 0 CHECK (settled_nano_usd >= 0),
      seen_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (budget_id, starts_at, holder)
    )`
})

/**
 * Start and end of the window that an instant is in: start <= at < end, and a start never goes back as time goes on. Where
 * clocks are set back over midnight, midnight comes twice, and the second one begins the day.
 */
const createWindowFunctions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION budget_window_start(period text, time_zone text, at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE AS $$
      SELECT CASE
        WHEN period = 'total' THEN '-infinity'
        WHEN date_trunc(period, at, time_zone) <= at THEN date_trunc(period, at, time_zone)
        ELSE ((date_trunc(period, at, time_zone) AT TIME ZONE time_zone) - ('1 ' || period)::interval)
          AT TIME ZONE time_zone
      END
    $$`
  // An hour lasts an hour. The other windows last as long as the local calendar says, from where no clock is set.
  yield* sql`
    CREATE FUNCTION budget_window_end(period text, time_zone text, at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE AS $$
      SELECT CASE period
        WHEN 'total' THEN 'infinity'
        WHEN 'hour' THEN budget_window_start(period, time_zone, at) + interval '1 hour'
        ELSE (
          date_trunc(period, budget_window_start(period, time_zone, at) AT TIME ZONE time_zone)
            + ('1 ' || period)::interval
        ) AT TIME ZONE time_zone
      END
    $$`
})
