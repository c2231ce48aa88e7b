import { createHmac } from "node:crypto"
import { Clock, Context, Data, Effect, Layer, Metric, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Settings } from "../config/Settings.ts"
import { answerWithin } from "../database/answer-within.ts"
import { decodeRows } from "../database/decode-rows.ts"
import { BUDGET_SCOPES } from "../domain/Budget.ts"
import { toUsd } from "../domain/Money.ts"
import { budgetAlerts } from "../observability/Metrics.ts"

const LOOK_EVERY = "1 second"
const QUERY_TIMEOUT = "5 seconds"
const SEND_TIMEOUT_MS = 10_000
/** Alerts that one process tells of at a time. */
const MAX_AT_ONCE = 20
/** Others leave one that is being sent alone for so long; every failure doubles the time until the next try, up to an hour. */
const FIRST_RETRY_SECONDS = 30
/** An alert that nobody took until then is not sent any more. */
const KEPT = "7 days"

class NotTaken extends Data.TaggedError("NotTaken")<{ readonly reason: string }> {}

/** Tells of every share of a budget that was spent: once in a log line and a metric, and at least once to the webhook. */
export class Alerts extends Context.Service<
  Alerts,
  {
    /** Sends what waits now, whichever process's spending raised it. */
    readonly round: Effect.Effect<void>
  }
>()("gateway/budgets/Alerts") {
  static readonly layer = Layer.effect(
    Alerts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { alertWebhookSecret, alertWebhookUrl } = yield* Settings
      const clock = yield* Clock.Clock

      const claim = sql`
        UPDATE budget_alerts AS alert SET
          tries = tries + 1,
          next_at = now() + make_interval(secs => least(3600, ${FIRST_RETRY_SECONDS} * 2 ^ least(tries, 10)))
        FROM budgets
        WHERE budgets.id = budget_id AND alert.id IN (
          SELECT id FROM budget_alerts
          WHERE sent_at IS NULL AND next_at <= now() AND raised_at > now() - ${KEPT}::interval
          ORDER BY next_at LIMIT ${MAX_AT_ONCE}
          FOR UPDATE SKIP LOCKED
        )
        RETURNING
          alert.id::float8, tries, percent, raised_at AS "raisedAt",
          spent_nano_usd::float8 AS "spentNanoUsd", alert.limit_nano_usd::float8 AS "limitNanoUsd",
          budget_id::float8 AS "budgetId", scope, subject, period,
          CASE WHEN starts_at > '-infinity' THEN starts_at END AS "startsAt"`

      const tell = Effect.fnUntraced(function* (alert: Alert) {
        const message = messageOf(alert)
        if (alert.tries === 1) {
          yield* Metric.update(budgetAlerts(alert.scope), 1)
          yield* Effect.logWarning(`${alert.percent} % of a budget is spent`, message.data)
        }
        if (alertWebhookUrl !== undefined) {
          const sentAtMs = clock.currentTimeMillisUnsafe()
          yield* send(Redacted.value(alertWebhookUrl), alertWebhookSecret, message, sentAtMs)
        }
        yield* sql`UPDATE budget_alerts SET sent_at = now() WHERE id = ${alert.id}`.pipe(
          answerWithin(QUERY_TIMEOUT),
        )
      })

      const round = decodeAlerts(answerWithin(QUERY_TIMEOUT)(claim)).pipe(
        Effect.flatMap((alerts) =>
          Effect.forEach(
            alerts,
            (alert) =>
              Effect.catchTags(tell(alert), {
                NotTaken: ({ reason }) =>
                  Effect.logWarning("a webhook did not take a budget's alert; it is sent again", {
                    reason,
                    alert: messageId(alert),
                    tries: alert.tries,
                  }),
                // Then it is told of once more.
                SqlError: () => Effect.void,
              }),
            { concurrency: 4, discard: true },
          ),
        ),
        Effect.catchCause((cause) => Effect.logDebug("budgets' alerts cannot be read", cause)),
      )
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(LOOK_EVERY), round)))
      return Alerts.of({ round })
    }),
  )
}

const Alert = Schema.Struct({
  id: Schema.Int,
  tries: Schema.Int,
  percent: Schema.Int,
  raisedAt: Schema.Date,
  spentNanoUsd: Schema.Int,
  limitNanoUsd: Schema.Int,
  budgetId: Schema.Int,
  scope: Schema.Literals(BUDGET_SCOPES),
  subject: Schema.String,
  period: Schema.String,
  startsAt: Schema.NullOr(Schema.Date),
})
type Alert = typeof Alert.Type

const decodeAlerts = decodeRows(Alert)

const messageId = ({ id }: Alert): string => `budget-alert-${id}`

/** The same for every try, so that a receiver tells a repetition by its id. */
const messageOf = (alert: Alert) => ({
  id: messageId(alert),
  type: "budget.alert",
  timestamp: alert.raisedAt.toISOString(),
  data: {
    budget_id: alert.budgetId,
    scope: alert.scope,
    subject: alert.subject,
    window: alert.period,
    window_starts_at: alert.startsAt?.toISOString() ?? null,
    percent: alert.percent,
    spent_usd: toUsd(alert.spentNanoUsd),
    limit_usd: toUsd(alert.limitNanoUsd),
  },
})

/** Posts a message, signed as the specification of Standard Webhooks says. */
const send = (
  url: string,
  secret: Redacted.Redacted | undefined,
  message: ReturnType<typeof messageOf>,
  nowMs: number,
): Effect.Effect<void, NotTaken> =>
  Effect.tryPromise({
    try: async (signal) => {
      const body = JSON.stringify(message)
      const timestamp = String(Math.floor(nowMs / 1000))
      const response = await fetch(url, {
        method: "POST",
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(SEND_TIMEOUT_MS)]),
        headers: {
          "content-type": "application/json",
          "webhook-id": message.id,
          "webhook-timestamp": timestamp,
          ...(secret && {
            "webhook-signature": signature(Redacted.value(secret), `${message.id}.${timestamp}.${body}`),
          }),
        },
        body,
      })
      await response.body?.cancel()
      return response.status
    },
    // The cause may quote the URL, which may hold a secret.
    catch: () => new NotTaken({ reason: "it could not be reached" }),
  }).pipe(
    Effect.flatMap((status) =>
      status >= 200 && status < 300
        ? Effect.void
        : Effect.fail(new NotTaken({ reason: `it answered ${status}` })),
    ),
  )

/** `whsec_` and base64 is the key's bytes, as tools of the standard make it; any other text is its own bytes. */
const signature = (secret: string, content: string): string => {
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(secret) ?? []
  const key = encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, "base64")
  return `v1,${createHmac("sha256", key).update(content).digest("base64")}`
}
