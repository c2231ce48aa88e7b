import { Clock, Effect, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { decodeRows } from "../../database/decode-rows.ts"
import { reading } from "../../database/reading.ts"
import { type Finding, fail, ok, several, warn } from "../../domain/Finding.ts"
import { REQUEST_QUANTITIES } from "../columns.ts"
import { isDropped, isWithin, type LedgerPartition, ledgerPartitions } from "../tables/partitions.ts"
import type { LedgerSubject } from "./LedgerSubject.ts"
import { unfinished } from "./unfinished.ts"

/** Checks requests and their attempts against each other and against what cannot be, a slice of a day at a time. */

/** Rows of a slice: few enough for an embedded database to answer others in between. */
const SLICE = 10_000

/** Tolerance for a gateway's times, whose clock may have been set back. */
const AHEAD = "5 minutes"

interface Rule {
  readonly check: "attempts" | "costs" | "values"
  /** Describes the rows that break it. */
  readonly name: string
  /** SQL condition over `request`, its attempts in sum as `tried`, and its last one as `last`. */
  readonly broken: string
}

const rules: ReadonlyArray<Rule> = [
  {
    check: "attempts",
    name: "requests that count other attempts than they have",
    broken: "request.attempts <> coalesce(tried.attempts, 0)",
  },
  { check: "attempts", name: "requests of which only attempts are there", broken: "request.id IS NULL" },
  {
    check: "attempts",
    name: "requests whose attempts are not numbered from 1 on",
    broken: "tried.first <> 1 OR tried.last <> tried.attempts",
  },
  {
    check: "costs",
    name: "requests with a cost and no price version",
    broken: "request.cost_nano_usd IS NOT NULL AND request.price_version IS NULL",
  },
  {
    check: "costs",
    name: "requests with a cost and a reason why there is none",
    broken: "request.cost_nano_usd IS NOT NULL AND request.cost_reason IS NOT NULL",
  },
  {
    check: "costs",
    name: "answered requests with neither a cost nor a reason",
    broken: "request.provider IS NOT NULL AND request.cost_nano_usd IS NULL AND request.cost_reason IS NULL",
  },
  {
    check: "costs",
    name: "requests whose reason is contradicted by their tokens or price version",
    broken:
      "(request.cost_reason IN ('missing_usage', 'contradictory_usage') AND (request.input_tokens IS NOT NULL OR request.price_version IS NULL)) " +
      "OR (request.cost_reason = 'unknown_model' AND request.price_version IS NOT NULL)",
  },
  {
    check: "costs",
    name: "requests with a cost for tokens that are unknown, or of nobody's answer",
    broken:
      "request.cost_nano_usd IS NOT NULL AND (request.input_tokens IS NULL OR request.provider IS NULL)",
  },
  {
    check: "costs",
    name: "requests that cost something else than the attempt that answered them",
    broken:
      "last.provider = request.provider AND last.model = request.model " +
      "AND last.input_tokens = request.input_tokens AND last.output_tokens = request.output_tokens " +
      "AND last.cost_nano_usd IS DISTINCT FROM request.cost_nano_usd",
  },
  {
    check: "costs",
    name: "requests with an attempt that has a cost and no tokens",
    broken: "tried.baseless",
  },
  {
    check: "values",
    name: "requests with a negative number",
    broken: `least(${REQUEST_QUANTITIES.map((column) => `request.${column}`).join(", ")}) < 0`,
  },
  {
    check: "values",
    name: "requests with more cached tokens than input or more reasoning than output",
    broken:
      "request.cached_tokens + coalesce(request.cache_write_tokens, 0) > request.input_tokens OR " +
      "request.reasoning_tokens > request.output_tokens",
  },
  {
    check: "values",
    name: "requests with half a usage",
    broken: "(request.input_tokens IS NULL) <> (request.output_tokens IS NULL)",
  },
  {
    check: "values",
    name: "requests with a status that HTTP does not have",
    broken: "request.status NOT BETWEEN 100 AND 599",
  },
  {
    check: "values",
    name: "requests with half a provider and model",
    broken: "(request.provider IS NULL) <> (request.model IS NULL)",
  },
  {
    check: "values",
    name: "requests that start in the future",
    broken: `request.started_at > now() + interval '${AHEAD}'`,
  },
  { check: "values", name: "requests with an attempt that cannot be", broken: "tried.impossible" },
]

/** Returns the last id of the next slice; undefined when what is left is the last one. */
const sliceEnd = (sql: SqlClient.SqlClient, { requests }: LedgerPartition, after: string | undefined) =>
  Effect.map(
    decodeIds(sql`
      SELECT id FROM ${sql(requests)} WHERE ${after === undefined ? sql`true` : sql`id > ${after}::uuid`}
      ORDER BY id OFFSET ${SLICE - 1} LIMIT 1`),
    ([row]) => row?.id,
  )

const checkSlice = (
  sql: SqlClient.SqlClient,
  { requests, attempts }: LedgerPartition,
  after: string | undefined,
  end: string | undefined,
) => {
  const within = (column: string) =>
    sql.and([
      after === undefined ? sql`true` : sql`${sql(column)} > ${after}::uuid`,
      end === undefined ? sql`true` : sql`${sql(column)} <= ${end}::uuid`,
    ])
  const broken = sql.literal(rules.map((rule, i) => `(${i}, ${rule.broken})`).join(", "))
  return decodeVerdicts(sql`
    WITH request AS (SELECT * FROM ${sql(requests)} WHERE ${within("id")}), attempt AS (
      SELECT * FROM ${sql(attempts)} WHERE ${within("request_id")}
    ), tried AS (
      SELECT
        request_id, count(*) AS attempts, min(ordinal) AS first, max(ordinal) AS last,
        bool_or(cost_nano_usd IS NOT NULL AND input_tokens IS NULL) AS baseless,
        bool_or(
          coalesce(least(latency_ms, input_tokens, output_tokens, cost_nano_usd) < 0, false)
          OR (input_tokens IS NULL) <> (output_tokens IS NULL) OR upstream_status NOT BETWEEN 0 AND 999
        ) AS impossible
      FROM attempt
      GROUP BY request_id
    )
    SELECT rule, count(*)::float8 AS count, min(coalesce(request.id, tried.request_id)::text) AS example
    FROM request
      FULL JOIN tried ON tried.request_id = request.id
      LEFT JOIN attempt AS last ON last.request_id = request.id AND last.ordinal = request.attempts
      CROSS JOIN LATERAL (VALUES ${broken}, (-1, request.id IS NOT NULL)) AS verdict (rule, broken)
    WHERE broken
    GROUP BY rule`)
}

const decodeIds = decodeRows(Schema.Struct({ id: Schema.String }))

const decodeVerdicts = decodeRows(
  Schema.Struct({ rule: Schema.Int, count: Schema.Finite, example: Schema.String }),
)

const advice: Readonly<Record<Rule["check"], string>> = {
  attempts:
    "Something other than a gateway changed these tables. An attempt may have been billed: bring what is missing back " +
    "from a backup.",
  costs: "Price them anew: llm-gateway costs recompute --dry-run shows what that changes.",
  values: "No gateway of this version writes such rows: find out what did before you bill by them.",
}

/** Checks the rows of every day that is in the span in part: requests and attempts of a day have tables of their own. */
export const checkRows = (subject: LedgerSubject): Effect.Effect<ReadonlyArray<Finding>, SqlError.SqlError> =>
  Effect.gen(function* () {
    const { sql, span, budgetMs, progress } = subject
    const clock = yield* Clock.Clock
    const startedMs = clock.currentTimeMillisUnsafe()
    const late = () => clock.currentTimeMillisUnsafe() - startedMs > budgetMs
    const days = (yield* reading(sql, ledgerPartitions(sql)))
      .filter((day) => isWithin(day, span))
      .toReversed()
    const broken = rules.map(() => ({ count: 0, example: "" }))
    let checked = 0
    let done = 0

    const checkDay = Effect.fnUntraced(function* (day: LedgerPartition) {
      let after: string | undefined
      while (!late()) {
        const end: string | undefined = yield* reading(sql, sliceEnd(sql, day, after))
        for (const { rule, count, example } of yield* reading(sql, checkSlice(sql, day, after, end))) {
          const found = broken[rule]
          if (found === undefined) checked += count
          else {
            found.count += count
            found.example ||= example
          }
        }
        yield* progress(done, days.length, `days of rows (${several(checked, "request")})`)
        if (end === undefined) return
        after = end
      }
    })
    for (const day of days) {
      yield* Effect.catchIf(checkDay(day), isDropped, () => Effect.void)
      if (late()) break
      done += 1
    }
    return (["attempts", "costs", "values"] as const).map((check): Finding => {
      const found = rules.flatMap((rule, i) => {
        const { count, example } = broken[i] ?? { count: 0, example: "" }
        return rule.check === check && count > 0 ? [{ name: rule.name, count, example }] : []
      })
      const wrong = found.reduce((sum, { count }) => sum + count, 0)
      const numbers = { days: days.length, checked_days: done, requests: checked, wrong }
      const over = `${several(checked, "request")} of ${several(done, "day")}`
      if (wrong > 0) {
        return fail(check, {
          summary: `${wrong.toLocaleString("en")} wrong among ${over}`,
          numbers,
          examples: found.map(
            ({ name, count, example }) => `${count.toLocaleString("en")} ${name}, such as ${example}`,
          ),
          next: advice[check],
        })
      }
      return done < days.length
        ? warn(check, unfinished(over, numbers))
        : ok(check, { summary: `nothing wrong with ${over}`, numbers })
    })
  })
