import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { AttemptRecord, LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { readLedgerCosts } from "../../src/reconciliation/ledger-costs.ts"
import { attempt, DAY, HOUR_MS, record } from "../ledger/records.ts"
import { emptyTables } from "../ledger/rows.ts"
import { layerPostgres } from "../support/Databases.ts"

const DAY_MS = 24 * HOUR_MS

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

const read = (span: { fromMs: number; toMs: number }) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => readLedgerCosts(sql, "openai", span, () => Effect.void))

const unanswered = (changes: Partial<AttemptRecord>): AttemptRecord => ({
  ...attempt,
  usage: null,
  costNanoUsd: null,
  ...changes,
})

const requests = (attempts: ReadonlyArray<AttemptRecord>, startedAt = DAY) =>
  record({ startedAt, attempts: attempts.map((each) => ({ ...each, startedAt })) })

layer(layerPostgres)("costs of the ledger", (it) => {
  describe("are those of calls", () => {
    it.effect("by the day of the call, and of one provider", () =>
      Effect.gen(function* () {
        yield* emptyTables
        yield* write([
          requests([
            attempt,
            { ...attempt, costNanoUsd: 2 ** 53 - 1 },
            { ...attempt, costNanoUsd: 2 ** 53 - 1 },
          ]),
          // A request of the day before, whose second call was on the day, and one whose second was on the next.
          record({
            startedAt: DAY - 5,
            attempts: [
              { ...attempt, startedAt: DAY - 4, costNanoUsd: 1 },
              { ...attempt, startedAt: DAY, costNanoUsd: 2 },
            ],
          }),
          record({
            startedAt: DAY + DAY_MS - 5,
            attempts: [
              { ...attempt, startedAt: DAY + DAY_MS - 1, costNanoUsd: 4 },
              { ...attempt, startedAt: DAY + DAY_MS, costNanoUsd: 8 },
            ],
          }),
          requests([{ ...attempt, provider: "gemini" }]),
        ])
        const { costs, hasDay } = yield* read({ fromMs: DAY, toMs: DAY + DAY_MS })
        assert.deepStrictEqual(
          costs.toSorted((a, b) => Number(a.nanoUsd - b.nanoUsd)),
          [
            ...[2n, 140_004n + 2n * (2n ** 53n - 1n)].map((nanoUsd, index) => ({
              dayMs: DAY,
              model: attempt.model,
              attempts: index === 0 ? 1 : 4,
              nanoUsd,
              unpriced: 0,
              uncounted: 0,
              estimated: 0,
            })),
          ],
        )
        assert.isTrue(hasDay(DAY) && hasDay(DAY - DAY_MS))
        assert.isFalse(hasDay(DAY - 400 * DAY_MS))
      }),
    )

    it.effect("with those of unknown cost that may have been charged", () =>
      Effect.gen(function* () {
        yield* emptyTables
        yield* write([
          requests([
            attempt,
            { ...attempt, costNanoUsd: null },
            { ...attempt, usageEstimated: true },
            unanswered({ outcome: "rate_limited", upstreamStatus: 429 }),
            unanswered({ outcome: "connect", upstreamStatus: null }),
            unanswered({ outcome: "timeout", dispatched: "no", upstreamStatus: null }),
            unanswered({ outcome: "timeout", dispatched: "unknown", upstreamStatus: null }),
            unanswered({ outcome: "bad_response", upstreamStatus: 200 }),
          ]),
        ])
        const { costs } = yield* read({ fromMs: DAY, toMs: DAY + DAY_MS })
        assert.deepStrictEqual(costs, [
          {
            dayMs: DAY,
            model: attempt.model,
            attempts: 8,
            nanoUsd: 280_000n,
            unpriced: 1,
            uncounted: 2,
            estimated: 1,
          },
        ])
      }),
    )
  })
})
