import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * `change_seq` grows with every change of a row. Servers hear of a change by NOTIFY from the trigger; where
 * connections share one LISTEN (the embedded database) the maximum of `change_seq` is polled instead.
 */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE SEQUENCE api_key_changes`
  yield* sql`
    CREATE TABLE api_keys (
      id text PRIMARY KEY,
      name text NOT NULL,
      secret_hash text NOT NULL,
      previous_secret_hash text,
      previous_secret_until timestamptz,
      requests_per_minute integer CHECK (requests_per_minute > 0),
      models text[],
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz,
      revoked_at timestamptz,
      change_seq bigint NOT NULL DEFAULT nextval('api_key_changes')
    )`
  yield* sql`CREATE INDEX api_keys_created ON api_keys (created_at DESC, id DESC)`
  yield* sql`CREATE INDEX api_keys_change ON api_keys (change_seq)`
  yield* sql`
    CREATE FUNCTION announce_api_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.change_seq := nextval('api_key_changes');
      PERFORM pg_notify('gateway_api_keys', NEW.id);
      RETURN NEW;
    END $$`
  yield* sql`
    CREATE TRIGGER api_keys_announce BEFORE INSERT OR UPDATE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION announce_api_key_change()`
})
