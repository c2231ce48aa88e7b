import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Gateways exchange leases of budgets, and who spends much is told of: once for each share of a budget in each of its windows,
 * in the transaction that has brought the spending there.
 */
export default Effect.gen(function* () {
  yield* createExchange
  yield* createAlerts
})

/**
 * Grants a gateway as much as it asks for and is left, and takes back what it returns. All sums of a lease only grow: what was
 * granted is the database's to say, what is charged and returned the gateway's, and what is settled the ledger's. So an
 * exchange whose answer was lost is repeated and changes nothing twice.
 *
 * An ask has a budget's id, the start of the window that the gateway's lease is of (epoch milliseconds; null: it has none, or
 * one of `total`), what it has returned and charged in it (`charged` null: it does not remember), what it must have free for
 * requests that wait (`need`), the smallest of them (`least`), and what it would like to have free (`want`). What is left of
 * a window is locked in the order of budgets, by the ledger as well.
 */
const createExchange = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION exchange_budget_leases(leaseholder text, asks jsonb)
    RETURNS TABLE (
      budget bigint, starts_at_ms double precision, ends_in_ms double precision, granted bigint, returned bigint,
      charged bigint, limit_nano_usd bigint, left_nano_usd bigint
    )
    LANGUAGE plpgsql AS $$
    #variable_conflict use_variable
    DECLARE
      ask record;
      ruling budgets;
      own budget_leases;
      starts timestamptz;
      moment timestamptz := clock_timestamp();
      spent bigint;
      others bigint;
      peers integer;
      known timestamptz;
      gone bigint;
      room bigint;
    BEGIN
      FOR ask IN
        SELECT * FROM jsonb_to_recordset(asks) AS each (
          budget bigint, starts_at_ms double precision, returned bigint, charged bigint, least bigint, need bigint, want bigint
        ) ORDER BY each.budget
      LOOP
        SELECT * INTO ruling FROM budgets WHERE id = ask.budget;
        CONTINUE WHEN NOT FOUND;
        known := coalesce(to_timestamp(ask.starts_at_ms / 1000), '-infinity');
        -- A clock that was set back brings no window back.
        starts := greatest(budget_window_start(ruling.period, ruling.time_zone, moment), known);
        INSERT INTO budget_windows (budget_id, starts_at) VALUES (ruling.id, starts) ON CONFLICT DO NOTHING;
        SELECT spent_nano_usd INTO spent FROM budget_windows
          WHERE budget_id = ruling.id AND starts_at = starts FOR UPDATE;
        -- Deleted at this moment.
        CONTINUE WHEN NOT FOUND;
        SELECT * INTO own FROM budget_leases
          WHERE budget_id = ruling.id AND starts_at = starts AND holder = leaseholder;
        SELECT
            coalesce(sum(greatest(granted_nano_usd - returned_nano_usd - settled_nano_usd, 0)), 0),
            count(*) FILTER (WHERE seen_at > moment - interval '5 seconds')
          INTO others, peers FROM budget_leases
          WHERE budget_id = ruling.id AND starts_at = starts AND holder <> leaseholder;
        own.granted_nano_usd := coalesce(own.granted_nano_usd, 0);
        own.returned_nano_usd := coalesce(own.returned_nano_usd, 0);
        own.settled_nano_usd := coalesce(own.settled_nano_usd, 0);
        budget := ruling.id;
        charged := CASE
          -- It has used up whatever it had been granted.
          WHEN ask.charged IS NULL
            THEN greatest(own.granted_nano_usd - own.returned_nano_usd, own.settled_nano_usd)
          WHEN known = starts THEN ask.charged
          ELSE 0
        END;
        returned := CASE WHEN ask.charged IS NOT NULL AND known = starts
          THEN greatest(own.returned_nano_usd, ask.returned) ELSE own.returned_nano_usd END;
        gone := returned + own.settled_nano_usd;
        room := greatest(
          ruling.limit_nano_usd - spent - others - greatest(own.granted_nano_usd - gone, 0), 0
        );
        -- At most half of an equal share beyond what is waited for: slices get smaller as the end nears.
        granted := greatest(own.granted_nano_usd, least(
          charged + returned + greatest(ask.need, least(ask.want, ask.need + room / (2 * (peers + 1)))),
          greatest(own.granted_nano_usd, gone) + room
        ));
        IF granted - returned - charged < ask.least THEN
          granted := own.granted_nano_usd;
        END IF;
        INSERT INTO budget_leases AS lease (budget_id, starts_at, holder, granted_nano_usd, returned_nano_usd, seen_at)
          VALUES (ruling.id, starts, leaseholder, granted, returned, moment)
          ON CONFLICT (budget_id, starts_at, holder) DO UPDATE SET
            granted_nano_usd = excluded.granted_nano_usd, returned_nano_usd = excluded.returned_nano_usd,
            seen_at = excluded.seen_at;
        starts_at_ms := CASE WHEN ruling.period = 'total' THEN NULL ELSE extract(epoch FROM starts) * 1000 END;
        ends_in_ms := CASE WHEN ruling.period = 'total' THEN NULL
          ELSE extract(epoch FROM budget_window_end(ruling.period, ruling.time_zone, starts) - moment) * 1000 END;
        limit_nano_usd := ruling.limit_nano_usd;
        left_nano_usd := ruling.limit_nano_usd - spent - others - greatest(granted - gone, 0);
        RETURN NEXT;
      END LOOP;
    END $$`
})

const createAlerts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE budget_alerts (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      budget_id bigint NOT NULL,
      starts_at timestamptz NOT NULL,
      percent smallint NOT NULL,
      spent_nano_usd bigint NOT NULL,
      limit_nano_usd bigint NOT NULL,
      raised_at timestamptz NOT NULL DEFAULT now(),
      next_at timestamptz NOT NULL DEFAULT now(),
      tries integer NOT NULL DEFAULT 0,
      sent_at timestamptz,
      UNIQUE (budget_id, starts_at, percent)
    )`
  yield* sql`CREATE INDEX budget_alerts_waiting ON budget_alerts (next_at) WHERE sent_at IS NULL`
  yield* sql`
    CREATE FUNCTION raise_budget_alerts() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO budget_alerts (budget_id, starts_at, percent, spent_nano_usd, limit_nano_usd)
      SELECT NEW.budget_id, NEW.starts_at, percent, NEW.spent_nano_usd, limit_nano_usd
      FROM budgets CROSS JOIN unnest(alert_percents) AS percent
      WHERE id = NEW.budget_id AND NEW.spent_nano_usd::numeric * 100 >= limit_nano_usd::numeric * percent
      ORDER BY percent
      ON CONFLICT DO NOTHING;
      RETURN NULL;
    END $$`
  yield* sql`
    CREATE TRIGGER budget_windows_raise AFTER INSERT OR UPDATE OF spent_nano_usd ON budget_windows
    FOR EACH ROW WHEN (NEW.spent_nano_usd > 0) EXECUTE FUNCTION raise_budget_alerts()`
})
