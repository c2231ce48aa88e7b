import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * In the first two seconds of an empty table a replica with more than an equal share lost its free permits without a word: it let a
 * request in with one while the answer was under way, and the permit was another's by then.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE OR REPLACE FUNCTION exchange_limits(
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
      kept double precision;
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
          -- What it has and wants to keep, whatever may be free of the rest.
          kept := least(ask.want, own, free);
          IF now_ms >= born AND now_ms - born < 2000 THEN
            free := least(free, greatest(1, floor(ask.limit / known_replicas)));
          END IF;
          IF free >= ask.need THEN
            granted := ask.need + least(ask.want - ask.need, floor((free - ask.need) / (2 * replicas)));
          ELSE
            granted := greatest(ask.least, least(ask.need, free));
          END IF;
          granted := greatest(granted, kept);
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
