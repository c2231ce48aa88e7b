import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * What replicas share of limits (`limits/limit-store.ts` says what is exchanged). Nothing in it has to survive a crash, so that it costs
 * no write-ahead log: replicas tell an empty table what they know. All times are milliseconds of this server's clock.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The row named '' says since when the table has memory.
  yield* sql`
    CREATE UNLOGGED TABLE limit_buckets (
      name text PRIMARY KEY,
      used double precision NOT NULL,
      capacity double precision NOT NULL,
      at double precision NOT NULL,
      asked double precision NOT NULL,
      epoch double precision NOT NULL
    ) WITH (fillfactor = 50)`
  yield* sql`
    CREATE UNLOGGED TABLE limit_holders (holder text PRIMARY KEY, seen_at double precision NOT NULL)
    WITH (fillfactor = 50)`
  yield* sql`
    CREATE UNLOGGED TABLE limit_permits (
      name text,
      holder text,
      held double precision NOT NULL,
      PRIMARY KEY (name, holder)
    ) WITH (fillfactor = 50)`
  yield* sql`
    CREATE FUNCTION limits_clock_ms() RETURNS double precision LANGUAGE sql AS $$
      SELECT extract(epoch FROM clock_timestamp())::double precision * 1000
    $$`
  yield* createExchange
  yield* createSweep
})

/** Rows of buckets are locked in the order of their names, those of holders by nobody else, so that no two calls wait for each other. */
const createExchange = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION exchange_limits(
      asking text, expected_ms double precision, known_replicas integer, asks json
    ) RETURNS TABLE (
      name text, granted double precision, used double precision, asked double precision, epoch double precision,
      now_ms double precision, replicas integer
    ) LANGUAGE plpgsql AS $$
    #variable_conflict use_variable
    DECLARE
      ask record;
      bucket limit_buckets;
      born double precision;
      seen double precision;
      has_been_gone boolean;
      is_time_set boolean;
      others double precision;
      own double precision;
      free double precision;
    BEGIN
      now_ms := limits_clock_ms();
      SELECT h.seen_at INTO seen FROM limit_holders AS h WHERE h.holder = asking;
      has_been_gone := seen IS NULL OR abs(now_ms - seen) >= 10000;
      INSERT INTO limit_holders AS h VALUES (asking, now_ms)
        ON CONFLICT (holder) DO UPDATE SET seen_at = excluded.seen_at;
      SELECT count(*) INTO replicas FROM limit_holders AS h WHERE abs(now_ms - h.seen_at) < 60000;
      is_time_set := expected_ms > 0 AND abs(now_ms - expected_ms) > 1000;
      SELECT b.epoch INTO born FROM limit_buckets AS b WHERE b.name = '';
      IF born IS NULL THEN
        born := now_ms;
        INSERT INTO limit_buckets VALUES ('', 0, 1, now_ms, 0, now_ms) ON CONFLICT DO NOTHING;
      END IF;

      FOR ask IN
        SELECT * FROM json_to_recordset(asks) AS x (
          name text, "limit" double precision, permits boolean, back double precision, least double precision,
          need double precision, want double precision, asked double precision, "usedAtLeast" double precision,
          epoch double precision
        ) ORDER BY x.name COLLATE "C"
      LOOP
        LOOP
          SELECT * INTO bucket FROM limit_buckets AS b WHERE b.name = ask.name FOR UPDATE;
          EXIT WHEN FOUND;
          INSERT INTO limit_buckets VALUES (ask.name, 0, ask.limit, now_ms, 0, now_ms) ON CONFLICT DO NOTHING;
        END LOOP;
        -- The lock may have come late.
        now_ms := limits_clock_ms();
        name := ask.name;
        epoch := bucket.epoch;
        asked := bucket.asked + ask.asked;

        IF ask.permits THEN
          SELECT
            coalesce(sum(p.held) FILTER (WHERE p.holder <> asking AND abs(now_ms - h.seen_at) < 10000), 0),
            coalesce(sum(p.held) FILTER (WHERE p.holder = asking AND NOT has_been_gone), 0)
          INTO others, own
          FROM limit_permits AS p LEFT JOIN limit_holders AS h ON h.holder = p.holder
          WHERE p.name = ask.name;
          free := ask.limit - others;
          IF now_ms >= born AND now_ms - born < 2000 THEN
            free := least(free, greatest(1, floor(ask.limit / known_replicas)));
          END IF;
          IF free >= ask.need THEN
            granted := ask.need + least(ask.want - ask.need, floor((free - ask.need) / (2 * replicas)));
          ELSE
            granted := greatest(ask.least, least(ask.need, free));
          END IF;
          granted := greatest(granted, least(ask.want, own, free));
          IF granted > 0 THEN
            INSERT INTO limit_permits AS p VALUES (ask.name, asking, granted)
              ON CONFLICT ON CONSTRAINT limit_permits_pkey DO UPDATE SET held = excluded.held;
          ELSE
            DELETE FROM limit_permits AS p WHERE p.name = ask.name AND p.holder = asking;
          END IF;
          used := others + granted;
          UPDATE limit_buckets AS b SET at = now_ms, used = 0, capacity = ask.limit WHERE b.name = ask.name;
        ELSE
          used := greatest(0, bucket.used - greatest(0, now_ms - bucket.at) * bucket.capacity / 60000);
          IF ask.limit < bucket.capacity THEN used := least(used, ask.limit); END IF;
          IF ask.epoch <> bucket.epoch OR is_time_set THEN
            used := greatest(used, least(ask."usedAtLeast", ask.limit));
          END IF;
          used := greatest(0, used - ask.back);
          free := ask.limit - used + 1e-6;
          IF free >= ask.need THEN
            granted := ask.need + least(ask.want - ask.need, floor((free - ask.need) / (2 * replicas)));
          ELSIF free >= ask.least THEN
            granted := floor(free);
          ELSE
            granted := 0;
          END IF;
          used := used + granted;
          UPDATE limit_buckets AS b SET used = used, capacity = ask.limit, at = now_ms, asked = asked
            WHERE b.name = ask.name;
        END IF;
        RETURN NEXT;
      END LOOP;
      -- Says the time and the number of replicas to who asked for nothing.
      IF NOT FOUND THEN
        name := '';
        granted := 0;
        used := 0;
        asked := 0;
        epoch := 0;
        RETURN NEXT;
      END IF;
    END $$`
})

/** What equals nothing goes, and what no replica holds any more; whoever uses a row keeps it. */
const createSweep = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION sweep_limits() RETURNS void LANGUAGE sql AS $$
      DELETE FROM limit_buckets WHERE name IN (
        SELECT name FROM limit_buckets AS b
        WHERE name <> '' AND at + greatest(60000, used * 60000 / capacity) < limits_clock_ms()
          AND NOT EXISTS (SELECT FROM limit_permits AS p WHERE p.name = b.name)
        FOR UPDATE SKIP LOCKED
      );
      DELETE FROM limit_permits WHERE (name, holder) IN (
        SELECT p.name, p.holder FROM limit_permits AS p LEFT JOIN limit_holders AS h ON h.holder = p.holder
        WHERE h.seen_at IS NULL OR abs(limits_clock_ms() - h.seen_at) >= 60000
        FOR UPDATE OF p SKIP LOCKED
      );
      DELETE FROM limit_holders WHERE holder IN (
        SELECT holder FROM limit_holders WHERE abs(limits_clock_ms() - seen_at) >= 60000 FOR UPDATE SKIP LOCKED
      );
    $$`
})
