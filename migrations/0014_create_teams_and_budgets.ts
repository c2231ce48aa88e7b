import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Keys get a team, tags and limits of their own, and may have issued other keys; budgets say how much may be spent by whom.
 * Whatever holds for a key, wherever it is written, is a change of the key: its row draws a new number, and every replica
 * reads it again within a second. Budgets that are no key's and no team's have a number together in `budget_changes`.
 */
export default Effect.gen(function* () {
  yield* createTeams
  yield* createBudgets
  yield* touchKeys
})

const createTeams = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE teams (
      name text PRIMARY KEY,
      requests_per_minute integer CHECK (requests_per_minute > 0),
      tokens_per_minute bigint CHECK (tokens_per_minute > 0),
      concurrency integer CHECK (concurrency > 0),
      created_at timestamptz NOT NULL DEFAULT now()
    )`
  yield* sql`
    ALTER TABLE api_keys
      ADD COLUMN team text REFERENCES teams,
      ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
      ADD COLUMN tokens_per_minute bigint CHECK (tokens_per_minute > 0),
      ADD COLUMN concurrency integer CHECK (concurrency > 0),
      ADD COLUMN may_issue boolean NOT NULL DEFAULT false,
      ADD COLUMN parent_id text REFERENCES api_keys`
  yield* sql`CREATE INDEX api_keys_team ON api_keys (team) WHERE team IS NOT NULL`
  yield* sql`CREATE INDEX api_keys_parent ON api_keys (parent_id) WHERE parent_id IS NOT NULL`
})

const createBudgets = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The subject is a key's id, or the name of a team, a user or a tag; '' is the whole gateway.
  yield* sql`
    CREATE TABLE budgets (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      scope text NOT NULL CHECK (scope IN ('key', 'team', 'user', 'tag', 'gateway')),
      subject text NOT NULL,
      period text NOT NULL CHECK (period IN ('hour', 'day', 'week', 'month', 'total')),
      limit_nano_usd bigint NOT NULL CHECK (limit_nano_usd BETWEEN 0 AND 9000000000000000),
      alert_percents smallint[] NOT NULL DEFAULT '{}',
      time_zone text NOT NULL DEFAULT 'UTC',
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (scope, subject, period)
    )`
  yield* sql`CREATE TABLE budget_changes (version bigint NOT NULL)`
  yield* sql`INSERT INTO budget_changes VALUES (0)`
})

/** A trigger of `api_keys` numbers every update of a row, so that an update that changes nothing announces it. */
const touchKeys = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION touch_api_keys(wanted_id text, wanted_parent text, wanted_team text) RETURNS void
    LANGUAGE sql AS $$
      UPDATE api_keys SET change_seq = 0
      WHERE (id = wanted_id OR parent_id = wanted_parent OR team = wanted_team)
        AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    $$`
  yield* sql`
    CREATE FUNCTION announce_issuer_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM touch_api_keys(NULL, NEW.id, NULL);
      RETURN NULL;
    END $$`
  yield* sql`
    CREATE TRIGGER api_keys_announce_issuer AFTER UPDATE ON api_keys
    FOR EACH ROW WHEN (NEW.parent_id IS NULL) EXECUTE FUNCTION announce_issuer_change()`
  yield* sql`
    CREATE FUNCTION announce_team_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM touch_api_keys(NULL, NULL, NEW.name);
      RETURN NULL;
    END $$`
  yield* sql`
    CREATE TRIGGER teams_announce AFTER UPDATE ON teams
    FOR EACH ROW EXECUTE FUNCTION announce_team_change()`
  yield* sql`
    CREATE FUNCTION announce_budget_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
      changed budgets;
    BEGIN
      IF TG_OP = 'DELETE' THEN changed := OLD; ELSE changed := NEW; END IF;
      CASE changed.scope
        WHEN 'key' THEN PERFORM touch_api_keys(changed.subject, changed.subject, NULL);
        WHEN 'team' THEN PERFORM touch_api_keys(NULL, NULL, changed.subject);
        ELSE UPDATE budget_changes SET version = version + 1;
      END CASE;
      RETURN NULL;
    END $$`
  yield* sql`
    CREATE TRIGGER budgets_announce AFTER INSERT OR UPDATE OR DELETE ON budgets
    FOR EACH ROW EXECUTE FUNCTION announce_budget_change()`
})
