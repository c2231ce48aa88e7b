import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Two migrations were changed after databases had them: 4 got a column of `attempts`, and the function that 5 makes
 * learned to bring back a table that somebody dropped. Databases of before have neither, and every batch of their ledger
 * fails. This gives them what is missing, and does nothing to others: they are not even locked.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql<{ lacking: boolean }>`
    SELECT NOT EXISTS (
      SELECT FROM pg_attribute
      WHERE attrelid = 'attempts'::regclass AND attname = 'cached_tokens' AND NOT attisdropped
    ) AS lacking`
  if (found?.lacking === true) yield* sql`ALTER TABLE attempts ADD COLUMN IF NOT EXISTS cached_tokens bigint`
  yield* sql`
    CREATE OR REPLACE FUNCTION create_ledger_day(day date) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      suffix text := to_char(day, 'YYYYMMDD');
      starts timestamptz := day::timestamp AT TIME ZONE 'UTC';
      ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
      found text;
    BEGIN
      LOCK TABLE requests IN SHARE UPDATE EXCLUSIVE MODE;
      SELECT attempts INTO found FROM ledger_partitions
      WHERE starts >= coalesce(lower, '-infinity') AND starts < upper;
      IF found IS NULL THEN
        EXECUTE format('CREATE TABLE requests_%s (LIKE requests INCLUDING ALL, PRIMARY KEY (id))', suffix);
        EXECUTE format('CREATE INDEX ON requests_%s (model, started_at DESC, id DESC)', suffix);
        EXECUTE format('CREATE INDEX ON requests_%s (endpoint, started_at DESC, id DESC)', suffix);
        EXECUTE format('CREATE INDEX ON requests_%s (stream, started_at DESC, id DESC)', suffix);
        EXECUTE format(
          'CREATE INDEX ON requests_%s (error_code, started_at DESC, id DESC) WHERE error_code IS NOT NULL', suffix
        );
        EXECUTE format(
          'ALTER TABLE requests ATTACH PARTITION requests_%s FOR VALUES FROM (%L) TO (%L)', suffix, starts, ends
        );
      END IF;
      -- Somebody may have dropped one of the two by hand.
      IF to_regclass(coalesce(found, 'attempts_' || suffix)) IS NULL THEN
        EXECUTE format(
          'CREATE TABLE attempts_%s (LIKE attempts INCLUDING ALL, PRIMARY KEY (request_id, ordinal))', suffix
        );
        EXECUTE format(
          'ALTER TABLE attempts ATTACH PARTITION attempts_%s FOR VALUES FROM (%L) TO (%L)', suffix, day, day + 1
        );
      END IF;
    END $$`
})
