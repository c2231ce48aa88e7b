import { randomUUID } from "node:crypto"
import { assert, describe, layer } from "@effect/vitest"
import { Clock, Effect, Fiber, Ref } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { costOf } from "../../src/catalog/cost.ts"
import type { Price } from "../../src/catalog/model.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import { makeUsage, type Usage } from "../../src/domain/Usage.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { rollUp } from "../../src/ledger/tables/roll-up.ts"
import { writeBatch } from "../../src/ledger/write-batch.ts"
import { type PriceUsage, type Recomputation, recomputeCosts } from "../../src/repricing/recompute-costs.ts"
import { eventually } from "../ledger/eventually.ts"
import { anyRecords, attempt, DAY, HOUR_MS, record } from "../ledger/records.ts"
import { assertHoldsExactly, emptyTables } from "../ledger/rows.ts"
import { layerPostgres } from "../support/Databases.ts"

type Prices = Readonly<Record<string, Price | undefined>>

const always = { fromMs: 0, toMs: 253_402_300_799_000 }

const write = (records: ReadonlyArray<LedgerRecord>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => writeBatch(sql, records.map(ledgerEntry)))

const fold = Effect.flatMap(SqlClient.SqlClient, rollUp)

const priceFrom =
  (prices: Prices): PriceUsage =>
  (provider, model, usage, startedAt) => {
    const row = prices[`${provider}/${model}`]
    return row && costOf(row, usage, startedAt)
  }

const recompute = (prices: Prices, options: { span?: typeof always; dryRun?: boolean } = {}) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    recomputeCosts(sql, {
      span: options.span ?? always,
      price: priceFrom(prices),
      dryRun: options.dryRun ?? false,
      onBatch: () => Effect.void,
    }),
  )

const price = (changes: Partial<Price> = {}): Price => ({
  inputNanoPer1M: 50_000_000,
  cachedInputNanoPer1M: 5_000_000,
  outputNanoPer1M: 400_000_000,
  source: "test",
  asOf: "2026-11-24",
  ...changes,
})

const countable = (usage: Usage | null): Usage | null => (usage === null ? null : makeUsage(usage))

/** What the ledger must hold of a record after it was re-priced. */
const repriced = (record: LedgerRecord, prices: Prices): LedgerRecord => {
  const priceOf = priceFrom(prices)
  const cost = priceOf(record.provider ?? "", record.model ?? "", countable(record.usage), record.startedAt)
  return {
    ...record,
    ...(cost !== undefined &&
      (cost.nanoUsd !== null || record.costNanoUsd === null) && {
        costNanoUsd: cost.nanoUsd,
        costReason: cost.reason,
        priceVersion: cost.priceVersion,
      }),
    attempts: record.attempts.map((attempt) => ({
      ...attempt,
      costNanoUsd:
        priceOf(attempt.provider, attempt.model, countable(attempt.usage), record.startedAt)?.nanoUsd ??
        attempt.costNanoUsd,
    })),
  }
}

const anyPrice = fc
  .record({
    inputNanoPer1M: fc.nat(4_000_000_000_000),
    outputNanoPer1M: fc.nat(4_000_000_000_000),
    cacheWriteNanoPer1M: fc.nat(4_000_000_000_000),
    cacheWrite1hNanoPer1M: fc.nat(4_000_000_000_000),
    audioInputNanoPer1M: fc.nat(4_000_000_000_000),
    audioOutputNanoPer1M: fc.nat(4_000_000_000_000),
    webSearchNano: fc.nat(10_000_000_000),
    serviceTiers: fc.constant({ flex: 0.5 }),
    cached: fc.option(fc.nat(4_000_000_000_000)),
    asOf: fc.constantFrom("2026-11-01", "2026-11-02"),
  })
  .map(({ cached, ...row }) => ({
    ...row,
    cachedInputNanoPer1M: cached ?? row.inputNanoPer1M,
    source: "test",
  }))

/** Some model has no price in most lists. */
const anyPrices: fc.Arbitrary<Prices> = fc.dictionary(
  fc.constantFrom("openai/gpt-5-mini", "openai/gpt-5", "gemini/gemini-3-flash"),
  anyPrice,
)

const nothing = (result: Recomputation) => ({
  attempts: result.attemptsChanged,
  models: [...result.models.values()].filter(
    ({ changed, relabelled, newlyPriced }) => changed + relabelled + newlyPriced > 0,
  ),
})

const versions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ id: string; reason: string | null; version: string | null }>`
    SELECT id::text, cost_reason AS reason, price_version AS version FROM requests`
  return new Map(rows.map(({ id, reason, version }) => [id, [reason, version]]))
})

describe("costs", () => {
  layer(layerPostgres)((it) => {
    it.effect("are those of the prices of today after any number of changes, in rows and in sums", () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<SqlClient.SqlClient>()
        const property = fc.asyncProperty(
          anyRecords(40),
          fc.array(fc.tuple(anyPrices, fc.boolean()), { minLength: 1, maxLength: 3 }),
          (records, changes) =>
            Effect.gen(function* () {
              yield* emptyTables
              yield* write(records)
              let expected = records
              for (const [prices, folded] of changes) {
                if (folded) yield* fold
                const before = yield* versions
                const planned = yield* recompute(prices, { dryRun: true })
                yield* assertHoldsExactly(expected)
                assert.deepStrictEqual(yield* versions, before)
                expected = expected.map((record) => repriced(record, prices))
                assert.deepStrictEqual(yield* recompute(prices), planned)
                yield* assertHoldsExactly(expected)
                assert.deepStrictEqual(
                  yield* versions,
                  new Map(
                    expected.map(({ id, costReason, priceVersion }) => [id, [costReason, priceVersion]]),
                  ),
                )
                assert.deepStrictEqual(nothing(yield* recompute(prices)), { attempts: 0, models: [] })
              }
              yield* fold
              yield* assertHoldsExactly(expected)
            }).pipe(Effect.runPromiseWith(context)),
        )
        yield* Effect.promise(() => fc.assert(property, { numRuns: 30 }))
      }),
    )

    it.effect("say what changed, to the nano-dollar", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const cheap = record({ costNanoUsd: 10, attempts: [{ ...attempt, costNanoUsd: 10 }] })
        const unpriced = record({ costNanoUsd: null, costReason: "unknown_model", priceVersion: null })
        const gone = record({ model: "retired", attempts: [{ ...attempt, model: "retired" }] })
        const unanswered = record({
          provider: null,
          model: null,
          status: 502,
          errorCode: "failed",
          attempts: [],
        })
        yield* write([cheap, unpriced, gone, unanswered])
        const result = yield* recompute({ "openai/gpt-5-mini": price() })
        // 100 x 50 + 20 x 5 + 55 x 400 nano-dollars.
        const cost = 27_100n
        assert.deepInclude(result, { total: 4, requests: 4, unanswered: 1, contested: 0, attemptsChanged: 2 })
        assert.sameDeepMembers(
          [...result.models.values()],
          [
            {
              ...{ provider: "openai", model: "gpt-5-mini", requests: 2, changed: 2, relabelled: 0 },
              ...{ newlyPriced: 1, kept: 0, beforeNanoUsd: 10n, afterNanoUsd: 2n * cost },
            },
            {
              ...{ provider: "openai", model: "retired", requests: 1, changed: 0, relabelled: 0 },
              ...{ newlyPriced: 0, kept: 1, beforeNanoUsd: 140_000n, afterNanoUsd: 140_000n },
            },
          ],
        )
        const kept = yield* versions
        assert.deepStrictEqual(kept.get(cheap.id), [null, "test@2026-11-24"])
        assert.deepStrictEqual(kept.get(gone.id), [null, "list@2026-11-23"])
      }),
    )

    it.effect("are those of the day on which each request started, its attempts on the next one too", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const midnight = DAY + 24 * HOUR_MS
        const before = record({
          startedAt: midnight - 1,
          attempts: [{ ...attempt, startedAt: midnight + 5_000 }],
        })
        const after = record({ startedAt: midnight })
        yield* write([before, after])
        const prices = {
          "openai/gpt-5-mini": {
            ...price({ outputNanoPer1M: 800_000_000, validFrom: midnight }),
            earlier: [price()],
          },
        }
        yield* recompute(prices)
        yield* assertHoldsExactly([before, after].map((record) => repriced(record, prices)))
        const kept = yield* versions
        assert.deepStrictEqual(kept.get(before.id), [null, "test@2026-11-24"])
        assert.match(String(kept.get(after.id)?.[1]), /^test@2026-11-24 from \d{4}-\d{2}-\d{2}$/)
        assert.deepStrictEqual(nothing(yield* recompute(prices)), { attempts: 0, models: [] })
      }),
    )

    it.effect("are left alone where the tokens are not known", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const unknown = { usage: null, costNanoUsd: null, costReason: "missing_usage" }
        yield* write([record({ ...unknown, attempts: [{ ...attempt, costNanoUsd: 7 }] })])
        // As the version before wrote it.
        yield* sql`UPDATE attempts SET cached_tokens = NULL`
        const result = yield* recompute({ "openai/gpt-5-mini": price() })
        assert.strictEqual(result.attemptsChanged, 0)
        const [stored] = yield* sql<{ cost: number }>`SELECT cost_nano_usd::int AS cost FROM attempts`
        assert.strictEqual(stored?.cost, 7)
        assert.deepStrictEqual([...(yield* versions).values()], [["missing_usage", "test@2026-11-24"]])
      }),
    )

    it.effect("are unknown for the reason that they had, where the counts were sent and could not be", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const unknown = { usage: null, costNanoUsd: null, attempts: [] }
        const odd = record({ ...unknown, costReason: "contradictory_usage" })
        const missing = record({ ...unknown, costReason: "missing_usage" })
        yield* write([odd, missing])
        yield* recompute({ "openai/gpt-5-mini": price() })
        assert.deepStrictEqual(
          yield* versions,
          new Map([
            [odd.id, ["contradictory_usage", "test@2026-11-24"]],
            [missing.id, ["missing_usage", "test@2026-11-24"]],
          ]),
        )
      }),
    )

    it.effect(
      "change from the start of the span to before its end, over days and over more than one batch",
      () =>
        Effect.gen(function* () {
          yield* emptyTables
          const at = (startedAt: number) => record({ startedAt, attempts: [] })
          const inside = [
            at(DAY),
            ...Array.from({ length: 2_300 }, () => at(DAY + HOUR_MS)),
            at(DAY + 26 * HOUR_MS - 1),
          ]
          const outside = [at(DAY - 1), at(DAY + 26 * HOUR_MS), at(DAY + 50 * HOUR_MS)]
          yield* write([...inside, ...outside])
          const prices = { "openai/gpt-5-mini": price() }
          const result = yield* recompute(prices, { span: { fromMs: DAY, toMs: DAY + 26 * HOUR_MS } })
          assert.deepInclude(result, { total: inside.length, requests: inside.length })
          yield* assertHoldsExactly([...inside.map((record) => repriced(record, prices)), ...outside])
        }),
    )

    it.effect("are written all the same after a deadlock that the database ended", () =>
      Effect.gen(function* () {
        yield* emptyTables
        const sql = yield* SqlClient.SqlClient
        const given = [record(), record()]
        yield* write(given)
        // What a sequence counted stays when the statement that fails is undone.
        yield* sql`CREATE SEQUENCE rewrites`
        yield* sql.unsafe(`
          CREATE FUNCTION deadlock_at_first() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN
            IF nextval('rewrites') = 1 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF;
            RETURN NEW;
          END $$`)
        yield* sql`
          CREATE TRIGGER deadlock BEFORE UPDATE ON requests
          FOR EACH ROW EXECUTE FUNCTION deadlock_at_first()`
        const prices = { "openai/gpt-5-mini": price() }
        const recomputed = yield* Effect.forkChild(recompute(prices), { startImmediately: true })
        yield* eventually(
          Effect.map(
            sql<{ is_called: boolean }>`SELECT is_called FROM rewrites`,
            ([row]) => row?.is_called === true,
          ),
        )
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* Fiber.join(recomputed), { requests: 2, contested: 0, attemptsChanged: 2 })
        yield* sql`DROP TRIGGER deadlock ON requests`
        yield* sql`DROP FUNCTION deadlock_at_first()`
        yield* sql`DROP SEQUENCE rewrites`
        yield* assertHoldsExactly(given.map((record) => repriced(record, prices)))
      }),
    )

    it.effect("stay the sums of the rows while gateways write, hours move on and others re-price", () =>
      Effect.gen(function* () {
        yield* emptyTables
        // The first one in vain.
        const attempts = [attempt, attempt]
        const old = Array.from({ length: 1_200 }, (_, i) =>
          record({ startedAt: DAY + (i % 5) * HOUR_MS, attempts }),
        )
        yield* write(old)
        const lists = [price(), price({ outputNanoPer1M: 1 }), price({ inputNanoPer1M: 3 })].map((row) => ({
          "openai/gpt-5-mini": row,
        }))
        const live: Array<LedgerRecord> = []
        const done = yield* Ref.make(false)
        const writer = Effect.gen(function* () {
          // Bounded, so that no re-pricing runs after the end of the ledger for ever.
          for (let batches = 0; batches < 30 && !(yield* Ref.get(done)); batches++) {
            const batch = Array.from({ length: 20 }, (_, i) =>
              record({
                id: RequestId.make(randomUUID()),
                startedAt: DAY + (i % 5) * HOUR_MS + live.length,
                attempts,
              }),
            )
            live.push(...batch)
            yield* write(batch)
          }
        })
        yield* Effect.all(
          [
            ...[1, 2].map(() => writer),
            Effect.forEach([1, 2, 3, 4], () => fold.pipe(Effect.retry({ times: 20 }))),
            Effect.forEach([...lists, ...lists], (prices) => recompute(prices), { concurrency: 2 }).pipe(
              Effect.ensuring(Ref.set(done, true)),
            ),
          ],
          { concurrency: "unbounded" },
        )
        assert.isAbove(live.length, 100)
        const last = { "openai/gpt-5-mini": price({ asOf: "2026-12-01" }) }
        const sums = yield* recompute(last)
        assert.strictEqual(sums.contested, 0)
        yield* assertHoldsExactly([...old, ...live].map((record) => repriced(record, last)))
      }).pipe(Effect.provideService(Clock.Clock, Clock.Clock.defaultValue())),
    )
  })
})
