import { Schema } from "effect"
import type { SqlClient, Statement } from "effect/sql"
import { decodeRows } from "../database/decode-rows.ts"
import { HOUR_MS, type TimeRange } from "../domain/TimeRange.ts"
import {
  ATTRIBUTED_USAGE,
  COARSER_USAGE,
  type Dimension,
  ROLLUP_SUMS,
  RollupSums,
  type RollupTable,
  USAGE,
} from "../ledger/tables/rollups.ts"
import { rowFilters, storedText, usageFilters } from "./filters.ts"
import type { AttributedQuery, UsageGrouping } from "./query.ts"
import { type Bucket, hoursOf, inUnits, type Piece } from "./time-range.ts"

/** Sums of one group as the database gives them. */
const StoredSums = { ...RollupSums.fields, latencies: Schema.Uint8Array }
export type StoredSums = typeof RollupSums.Type & { readonly latencies: Uint8Array }

type Grouping = UsageGrouping | "time"

/** The columns that a listing groups and sorts by. */
export const columnsOf: Readonly<Record<Grouping, ReadonlyArray<string>>> = {
  key: ["key_id"],
  team: ["team"],
  user: ["end_user"],
  tag: ["tag"],
  provider: ["provider"],
  model: ["provider", "model"],
  endpoint: ["endpoint"],
  time: [],
}

/** The columns that some listing groups by. */
export const storedGroups = {
  key_id: Schema.optionalKey(Schema.String),
  key_name: Schema.optionalKey(Schema.NullOr(Schema.String)),
  team: Schema.optionalKey(Schema.String),
  end_user: Schema.optionalKey(Schema.String),
  tag: Schema.optionalKey(Schema.String),
  provider: Schema.optionalKey(Schema.String),
  model: Schema.optionalKey(Schema.String),
  endpoint: Schema.optionalKey(Schema.String),
}

/** A row of a listing: those columns that are grouped by, and the sums. */
const StoredUsage = Schema.Struct({ ...storedGroups, ...StoredSums })
export type StoredUsage = typeof StoredUsage.Type

export const decodeUsage = decodeRows(StoredUsage)

/** The same of a listing over time. */
export const decodeTimes = decodeRows(Schema.Struct({ start: Schema.Date, ...StoredSums }))

/** A table of usage, and the dimension that not every request has there. */
export type Table = RollupTable & { readonly dimension?: Dimension }

/** Smaller ones first. */
const TABLES: ReadonlyArray<Table> = [...COARSER_USAGE.toReversed(), USAGE, ...ATTRIBUTED_USAGE]

/**
 * Returns the smallest of the tables that tell apart what is grouped or filtered by, all of which tell modes apart;
 * undefined where none does.
 */
export const tableFor = (grouping: Grouping, filters: AttributedQuery): Table | undefined => {
  const needed = [...columnsOf[grouping], ...filteredColumns(filters)]
  return TABLES.find(
    ({ dimension, groups: [first = "", ...others] }) =>
      needed.every((column) => column === first || others.includes(column)) &&
      // Whoever does not ask for it wants requests without it, too.
      (dimension === undefined || needed.includes(first)),
  )
}

export const filteredColumns = ({
  endpoint,
  keyId,
  model,
  provider,
  tag,
  team,
  user,
}: AttributedQuery): ReadonlyArray<string> => [
  ...(keyId === undefined ? [] : ["key_id"]),
  ...(provider === undefined ? [] : ["provider"]),
  ...(model === undefined ? [] : ["model"]),
  ...(team === undefined ? [] : ["team"]),
  ...(user === undefined ? [] : ["end_user"]),
  ...(tag === undefined ? [] : ["tag"]),
  ...(endpoint === undefined ? [] : ["endpoint"]),
]

interface UsageOptions {
  readonly grouping: Grouping
  readonly table: Table
  readonly bucket: Bucket
  /** Whole buckets. */
  readonly range: TimeRange
  readonly filters: AttributedQuery
  /** Values of the grouping's columns in the last row of the page before, or its start. */
  readonly after: ReadonlyArray<string | number> | undefined
  readonly limit: number
}

/** Sums rollups per group. One row more than `limit` tells that there is a next page. */
export const usageQuery = (sql: SqlClient.SqlClient, options: UsageOptions): Statement.Statement<unknown> => {
  const { grouping, limit, table } = options
  const columns = sql.literal(grouping === "time" ? "start" : columnsOf[grouping].join(", "))
  const sources =
    table.dimension === undefined
      ? usageSources(sql, options)
      : attributedSources(sql, options, table.dimension)
  // The table is auth's; the name is the one column of it that is read here, by its primary key.
  const keyName =
    grouping === "key"
      ? sql`, (SELECT name FROM api_keys WHERE api_keys.id = key_id) AS key_name`
      : sql.literal("")
  return sql`
    WITH totals AS (
      SELECT
        ${columns}, ${sql.literal(ROLLUP_SUMS.map((column) => `sum(${column})::float8 AS ${column}`).join(", "))},
        coalesce(string_agg(latencies, ''), '') AS latencies
      FROM (${sql.join(" UNION ALL ", false)(sources)}) AS usage
      GROUP BY ${columns}
      ORDER BY ${columns}
      LIMIT ${limit + 1}
    )
    SELECT *${keyName} FROM totals ORDER BY ${columns}`
}

const COUNTS = ROLLUP_SUMS.join(", ")
const NONE = ROLLUP_SUMS.map((column) => `0 AS ${column}`).join(", ")
const SUMMED = ROLLUP_SUMS.map((column) => `sum(${column}) AS ${column}`).join(", ")
const BUCKETS = "int2send(bucket) || int4send(requests::int)"

/** Returns SQL for being behind the last row of the page before. */
const isAfter = (
  sql: SqlClient.SqlClient,
  { after, grouping }: UsageOptions,
): ReadonlyArray<Statement.Fragment> => {
  if (after === undefined) return []
  if (grouping === "time") return [sql`start > ${new Date(Number(after[0]))}`]
  const columns = sql.literal(columnsOf[grouping].join(", "))
  const values = after.map((value) => sql`${storedText(String(value))}`)
  return [sql`(${columns}) > (${sql.join(", ", false)(values)})`]
}

/** SQL for the start of the bucket that a row is in. */
export const inBucket = (at: string, bucket: Bucket | "minute"): string =>
  `date_bin('1 ${bucket}', ${at}, timestamptz '1970-01-01Z') AS start`

/**
 * Reads usage that every request is in. Recent rollups have a row per hour and another per latency bucket; the rest is read
 * in the largest units that fit into the span.
 */
const usageSources = (sql: SqlClient.SqlClient, options: UsageOptions): ReadonlyArray<Statement.Fragment> => {
  const { bucket, filters, grouping, range, table } = options
  const columns = sql.literal(grouping === "time" ? "start" : columnsOf[grouping].join(", "))
  const conditions = [...rowFilters(sql, filters), ...isAfter(sql, options)]
  const within = (column: "hour" | "start", { fromMs, toMs }: TimeRange) => [
    sql`${sql.literal(column)} >= ${new Date(fromMs)}`,
    sql`${sql.literal(column)} < ${new Date(toMs)}`,
  ]
  const counts = sql.literal(COUNTS)
  // A listing over time groups by bucket.
  const start = sql.literal(grouping === "time" ? inBucket("hour", bucket) : "hour AS start")
  const kept = grouping === "time" ? sql.literal(inBucket("start", bucket)) : columns
  return [
    ...piecesOf(options).map(
      (piece) => sql`
        SELECT ${kept}, ${counts}, latencies FROM ${sql.literal(table.name)}
        WHERE ${sql.and([sql`hours = ${sql.literal(String(piece.hours))}`, ...within("start", piece), ...conditions])}`,
    ),
    sql`
      SELECT ${columns}, ${counts}, ''::bytea AS latencies FROM (SELECT *, ${start} FROM usage_recent) AS usage
      WHERE ${sql.and([...within("hour", range), ...conditions])}`,
    sql`
      SELECT ${columns}, ${sql.literal(`${NONE}, ${BUCKETS} AS latencies`)}
      FROM (SELECT *, ${start} FROM latency_recent) AS latency
      WHERE ${sql.and([...within("hour", range), ...conditions])}`,
  ]
}

/**
 * Reads usage of a dimension, of which there may be a million groups: of each unit and mode, or recent hour, no more of them
 * than the page has, in their order, which is that of the tables' keys. A group of the page is among them wherever it is.
 */
const attributedSources = (
  sql: SqlClient.SqlClient,
  options: UsageOptions,
  dimension: Dimension,
): ReadonlyArray<Statement.Fragment> => {
  const { after, bucket, filters, grouping, limit, range, table } = options
  const isOverTime = grouping === "time"
  const groups = columnsOf[grouping].join(", ")
  const conditions = [...usageFilters(sql, filters), ...(isOverTime ? [] : isAfter(sql, options))]
  // The next page begins with a whole hour, as recent rollups do.
  const bucketMs = hoursOf[bucket] * HOUR_MS
  const fromMs = isOverTime && after !== undefined ? Number(after[0]) + bucketMs : range.fromMs
  const page = isOverTime
    ? sql`HAVING count(*) > 0`
    : sql`GROUP BY ${sql.literal(groups)} ORDER BY ${sql.literal(groups)} LIMIT ${limit + 1}`
  const grouped = (summed: string) => sql.literal(isOverTime ? summed : `${groups}, ${summed}`)
  const outer = sql.literal(isOverTime ? `${inBucket("unit.at", bucket)}, part.*` : "part.*")

  const modes = filters.stream === undefined ? [false, true] : [filters.stream]
  // A table of nothing else has a row of each group.
  const isSummed = isOverTime || table.groups.length > columnsOf[grouping].length
  const kept = [...Map.groupBy(piecesOf(options), ({ hours }) => hours)].map(([hours, pieces]) => {
    const whole = table.hasLatencies ? "latencies" : "''::bytea AS latencies"
    const joined = table.hasLatencies ? "string_agg(latencies, '') AS latencies" : whole
    const name = sql.literal(table.name)
    const unit = sql.literal(`interval '${hours} hours'`)
    const edge = (which: "min" | "max", otherwise: string) =>
      sql.literal(
        `coalesce((SELECT ${which}(start) FROM ${table.name} WHERE hours = ${hours}), '${otherwise}')`,
      )
    // Units before the first that there is and behind the last are none, however long the span is that is asked for.
    const units = pieces.map(
      (piece) => sql`
        SELECT generate_series(
          greatest(${new Date(Math.max(piece.fromMs, fromMs))}::timestamptz, ${edge("min", "infinity")}),
          least(${new Date(piece.toMs)}::timestamptz - ${unit}, ${edge("max", "-infinity")}), ${unit}
        )`,
    )
    return sql`
      SELECT ${outer}
      FROM (${sql.join(" UNION ALL ", false)(units)}) AS unit (at) CROSS JOIN unnest(${modes}::boolean[]) AS mode (streamed)
        CROSS JOIN LATERAL (
          SELECT ${grouped(isSummed ? `${SUMMED}, ${joined}` : `${COUNTS}, ${whole}`)}
          FROM ${name}
          WHERE ${sql.and([
            sql`hours = ${sql.literal(String(hours))}`,
            sql`start = unit.at`,
            sql`stream = mode.streamed`,
            ...conditions,
          ])}
          ${isSummed ? page : sql`ORDER BY ${sql.literal(groups)} LIMIT ${limit + 1}`}
        ) AS part`
  })
  const name = sql.literal(`name AS ${table.groups[0]}`)
  const recent = (from: string, columns: string, summed: string) => sql`
    SELECT ${outer}
    FROM generate_series(
      greatest(${new Date(fromMs)}::timestamptz, coalesce((SELECT min(hour) FROM ${sql.literal(from)}), 'infinity')),
      least(${new Date(range.toMs)}::timestamptz - interval '1 hour', coalesce((SELECT max(hour) FROM ${sql.literal(from)}), '-infinity')), '1 hour'
    ) AS unit (at)
      CROSS JOIN LATERAL (
        SELECT ${grouped(summed)}
        FROM (
          SELECT ${name}, key_id, provider, model, stream, ${sql.literal(columns)} FROM ${sql.literal(from)}
          WHERE hour = unit.at AND dimension = ${sql.literal(`'${dimension}'`)}
        ) AS recent
        WHERE ${conditions.length === 0 ? sql`true` : sql.and(conditions)}
        ${page}
      ) AS part`
  return [
    ...kept,
    recent("attributed_recent", COUNTS, `${SUMMED}, ''::bytea AS latencies`),
    ...(table.hasLatencies
      ? [
          recent(
            "attributed_latency_recent",
            "bucket, requests",
            `${ROLLUP_SUMS.map((column) => `0::bigint AS ${column}`).join(", ")}, string_agg(${BUCKETS}, '') AS latencies`,
          ),
        ]
      : []),
  ]
}

/** Returns the parts to read; a listing over time has rows of its own bucket, and smaller ones where a day is not whole. */
const piecesOf = ({ bucket, grouping, range, table }: UsageOptions): ReadonlyArray<Piece> => {
  const sizes = table.hours.toReversed()
  return inUnits(range, grouping === "time" ? sizes.filter((hours) => hours <= hoursOf[bucket]) : sizes)
}
