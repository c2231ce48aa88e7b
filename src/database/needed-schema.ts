/**
 * What this version finds in a database that is whole: what its migrations make, but for indexes, without which it would
 * only be slow. A migration that makes or changes a table has its lines here; a test compares both.
 */

interface NeededTable {
  /** SQL types of the columns. */
  readonly columns: Readonly<Record<string, string>>
  /** Columns of the primary key; absent for views and for tables whose partitions have one each. */
  readonly key?: string
}

const INSTANT = "timestamp with time zone"

/** Columns of every table of sums. */
const SUMS = {
  requests: "bigint",
  errors: "bigint",
  input_tokens: "bigint",
  output_tokens: "bigint",
  cached_tokens: "bigint",
  reasoning_tokens: "bigint",
  cost_nano_usd: "bigint",
  unpriced_requests: "bigint",
  latency_ms: "bigint",
  wasted_nano_usd: "bigint",
  unpriced_attempts: "bigint",
}

const CELL = { hour: INSTANT, key_id: "text", provider: "text", model: "text", stream: "boolean" }

/** A table of levels and its partition for each size of rows. */
const levels = (name: string, ...groups: ReadonlyArray<string>): Readonly<Record<string, NeededTable>> => {
  const table: NeededTable = {
    columns: {
      hours: "smallint",
      start: INSTANT,
      ...Object.fromEntries(groups.map((group) => [group, "text"])),
      stream: "boolean",
      ...SUMS,
      latencies: "bytea",
    },
    key: ["hours", "start", ...groups, "stream"].join(", "),
  }
  return Object.fromEntries(["", "_1h", "_6h", "_24h", "_168h"].map((size) => [`${name}${size}`, table]))
}

const ATTRIBUTED_CELL = {
  hour: INSTANT,
  dimension: "text",
  name: "text",
  key_id: "text",
  provider: "text",
  model: "text",
  stream: "boolean",
}

const ATTRIBUTED_KEY = "hour, dimension, name, key_id, provider, model, stream"

/** The same of usage by something that not every request has. */
const attributed = (
  name: string,
  groups: ReadonlyArray<string>,
  hours: ReadonlyArray<number>,
  hasLatencies: boolean,
): Readonly<Record<string, NeededTable>> => {
  const table: NeededTable = {
    columns: {
      hours: "smallint",
      start: INSTANT,
      stream: "boolean",
      ...Object.fromEntries(groups.map((group) => [group, "text"])),
      ...SUMS,
      ...(hasLatencies && { latencies: "bytea" }),
    },
    key: ["hours", "start", "stream", ...groups].join(", "),
  }
  return Object.fromEntries(
    ["", ...hours.map((size) => `_${size}h`)].map((size) => [`${name}${size}`, table]),
  )
}

const ALL_HOURS = [1, 6, 24, 168]

export const neededTables: Readonly<Record<string, NeededTable>> = {
  effect_sql_migrations: {
    columns: { migration_id: "integer", created_at: INSTANT, name: "text" },
    key: "migration_id",
  },
  oldest_gateway: { columns: { schema: "integer" } },
  api_keys: {
    columns: {
      id: "text",
      name: "text",
      secret_hash: "text",
      previous_secret_hash: "text",
      previous_secret_until: INSTANT,
      requests_per_minute: "integer",
      models: "text[]",
      created_at: INSTANT,
      expires_at: INSTANT,
      revoked_at: INSTANT,
      change_seq: "bigint",
      team: "text",
      tags: "text[]",
      tokens_per_minute: "bigint",
      concurrency: "integer",
      may_issue: "boolean",
      parent_id: "text",
    },
    key: "id",
  },
  api_key_proofs: {
    columns: { key_id: "text", secret_hash: "text", proof: "text" },
    key: "key_id, secret_hash",
  },
  teams: {
    columns: {
      name: "text",
      requests_per_minute: "integer",
      tokens_per_minute: "bigint",
      concurrency: "integer",
      created_at: INSTANT,
    },
    key: "name",
  },
  budgets: {
    columns: {
      id: "bigint",
      scope: "text",
      subject: "text",
      period: "text",
      limit_nano_usd: "bigint",
      alert_percents: "smallint[]",
      time_zone: "text",
      created_at: INSTANT,
    },
    key: "id",
  },
  budget_changes: { columns: { version: "bigint" } },
  budget_windows: {
    columns: { budget_id: "bigint", starts_at: INSTANT, spent_nano_usd: "bigint" },
    key: "budget_id, starts_at",
  },
  budget_leases: {
    columns: {
      budget_id: "bigint",
      starts_at: INSTANT,
      holder: "text",
      granted_nano_usd: "bigint",
      returned_nano_usd: "bigint",
      settled_nano_usd: "bigint",
      seen_at: INSTANT,
    },
    key: "budget_id, starts_at, holder",
  },
  budget_alerts: {
    columns: {
      id: "bigint",
      budget_id: "bigint",
      starts_at: INSTANT,
      percent: "smallint",
      spent_nano_usd: "bigint",
      limit_nano_usd: "bigint",
      raised_at: INSTANT,
      next_at: INSTANT,
      tries: "integer",
      sent_at: INSTANT,
    },
    key: "id",
  },
  limit_buckets: {
    columns: {
      name: "text",
      used: "double precision",
      capacity: "double precision",
      at: "double precision",
      asked: "double precision",
      epoch: "double precision",
    },
    key: "name",
  },
  limit_holders: { columns: { holder: "text", seen_at: "double precision" }, key: "holder" },
  limit_permits: { columns: { name: "text", holder: "text", held: "double precision" }, key: "name, holder" },
  audit_log: {
    columns: {
      id: "bigint",
      at: INSTANT,
      actor: "text",
      via: "text",
      action: "text",
      subject: "text",
      before: "jsonb",
      after: "jsonb",
      request_id: "text",
    },
    key: "id",
  },
  idempotency_claims: {
    columns: {
      key_id: "text",
      key_hash: "bytea",
      fingerprint: "bytea",
      owner: "uuid",
      runs: "integer",
      lease_until: INSTANT,
      response_status: "smallint",
      response_headers: "text",
      response_body: "bytea",
      expires_at: INSTANT,
    },
    key: "key_id, key_hash",
  },
  requests: {
    columns: {
      requests: "integer",
      id: "uuid",
      started_at: INSTANT,
      latency_ms: "integer",
      key_id: "text",
      endpoint: "text",
      route: "text",
      requested_model: "text",
      provider: "text",
      model: "text",
      status: "smallint",
      error_code: "text",
      stream: "boolean",
      first_token_ms: "integer",
      finish_reason: "text",
      input_tokens: "bigint",
      output_tokens: "bigint",
      cached_tokens: "bigint",
      cache_write_tokens: "bigint",
      service_tier: "text",
      reported_nano_usd: "bigint",
      usage_details: "jsonb",
      reasoning_tokens: "bigint",
      usage_estimated: "boolean",
      raw_usage: "jsonb",
      cost_nano_usd: "bigint",
      cost_reason: "text",
      price_version: "text",
      decision: "jsonb",
      attempts: "smallint",
      team: "text",
      end_user: "text",
      tags: "text[]",
    },
  },
  attempts: {
    columns: {
      request_id: "uuid",
      day: "date",
      ordinal: "smallint",
      provider: "text",
      model: "text",
      started_at: INSTANT,
      latency_ms: "integer",
      outcome: "text",
      dispatched: "text",
      upstream_status: "smallint",
      input_tokens: "bigint",
      output_tokens: "bigint",
      cached_tokens: "bigint",
      cache_write_tokens: "bigint",
      service_tier: "text",
      reported_nano_usd: "bigint",
      usage_details: "jsonb",
      usage_estimated: "boolean",
      cost_nano_usd: "bigint",
    },
  },
  ledger_partitions: { columns: { requests: "text", attempts: "text", lower: INSTANT, upper: INSTANT } },
  request_kinds: {
    columns: {
      day: "date",
      key_id: "text",
      endpoint: "text",
      provider: "text",
      model: "text",
      stream: "boolean",
      team: "text",
    },
    key: "day, key_id, endpoint, provider, model, stream, team",
  },
  usage_recent: { columns: { ...CELL, ...SUMS }, key: "hour, key_id, provider, model, stream" },
  latency_recent: {
    columns: { ...CELL, bucket: "smallint", requests: "bigint" },
    key: "hour, key_id, provider, model, stream, bucket",
  },
  ...levels("usage", "key_id", "provider", "model"),
  ...levels("key_usage", "key_id"),
  ...levels("model_usage", "provider", "model"),
  ...levels("total_usage"),
  attributed_recent: { columns: { ...ATTRIBUTED_CELL, ...SUMS }, key: ATTRIBUTED_KEY },
  attributed_latency_recent: {
    columns: { ...ATTRIBUTED_CELL, bucket: "smallint", requests: "bigint" },
    key: `${ATTRIBUTED_KEY}, bucket`,
  },
  ...attributed("endpoint_usage", ["endpoint"], ALL_HOURS, true),
  ...attributed("team_usage", ["team"], ALL_HOURS, true),
  ...attributed("team_cell_usage", ["team", "key_id", "provider", "model"], ALL_HOURS, true),
  ...attributed("tag_usage", ["tag"], ALL_HOURS, true),
  ...attributed("tag_model_usage", ["tag", "provider", "model"], [24, 168], false),
  ...attributed("user_usage", ["end_user"], [24], false),
  minute_usage: {
    columns: { minute: INSTANT, stream: "boolean", ...SUMS, latencies: "bytea", first_tokens: "bytea" },
    key: "minute, stream",
  },
  first_token_usage: {
    columns: { hours: "smallint", start: INSTANT, provider: "text", model: "text", first_tokens: "bytea" },
    key: "hours, start, provider, model",
  },
  usage_rollups: { columns: { ...CELL, ...SUMS } },
  latency_rollups: { columns: { ...CELL, bucket: "smallint", requests: "bigint" } },
}

/** Functions with the types of their parameters. */
export const neededFunctions: ReadonlyArray<string> = [
  "announce_api_key_change()",
  "announce_budget_change()",
  "announce_issuer_change()",
  "announce_team_change()",
  "budget_window_end(text,text,timestamp with time zone)",
  "budget_window_start(text,text,timestamp with time zone)",
  "compact_latencies(bytea)",
  "create_ledger_day(date)",
  "exchange_budget_leases(text,jsonb)",
  "index_attribution(text)",
  "index_outcome(text)",
  "latency_buckets(bytea)",
  "raise_budget_alerts()",
  "exchange_limits(text,double precision,integer,json)",
  "limits_clock_ms()",
  "sweep_limits()",
  "touch_api_keys(text,text,text)",
]

/** Triggers with their tables: without these no replica hears of a revoked key, or of another limit or budget. */
export const neededTriggers: ReadonlyArray<string> = [
  "api_keys_announce on api_keys",
  "api_keys_announce_issuer on api_keys",
  "budget_windows_raise on budget_windows",
  "budgets_announce on budgets",
  "teams_announce on teams",
]
