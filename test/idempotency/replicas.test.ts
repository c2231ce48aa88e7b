import { randomBytes } from "node:crypto"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import type { FinishedRun } from "../../src/idempotency/claimed-run.ts"
import { Idempotency } from "../../src/idempotency/Idempotency.ts"
import { IdempotencyLimits } from "../../src/idempotency/IdempotencyLimits.ts"
import { layerEmbedded, layerPostgres } from "../support/Databases.ts"
import { answer, bob, bodyPrint, claimId, kept, request, retryable, text } from "./requests.ts"

const limits = { ...IdempotencyLimits.defaultValue(), pollEveryMs: 20, statementMs: 10_000 }

const replica = Effect.map(Layer.build(Layer.fresh(Idempotency.layer)), Context.get(Idempotency))
const twoReplicas = Effect.all([replica, replica]).pipe(Effect.provideService(IdempotencyLimits, limits))

const endLeases = SqlClient.SqlClient.use(
  (sql) => sql`UPDATE idempotency_claims SET lease_until = clock_timestamp() WHERE response_status IS NULL`,
)

/** The runs of one key: how many, and how to end them. */
const gated = Effect.gen(function* () {
  const started = yield* Deferred.make<void>()
  const gate = yield* Deferred.make<FinishedRun>()
  const seen = { runs: 0 }
  const work = Effect.suspend(() => {
    seen.runs++
    return Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(gate))
  })
  return {
    work,
    seen,
    started: Deferred.await(started),
    finish: (o: FinishedRun) => Deferred.succeed(gate, o),
  }
})

const databases = [
  { name: "PostgreSQL", database: layerPostgres },
  { name: "the embedded database", database: layerEmbedded },
]

describe.each(databases)("two replicas on $name", ({ database }) => {
  layer(ClaimStore.layer.pipe(Layer.provideMerge(database)), { excludeTestServices: true })((it) => {
    it.effect("answer 50 concurrent duplicates of each of several keys with one run each", () =>
      Effect.gen(function* () {
        const [one, two] = yield* twoReplicas
        const runs = new Map<string, number>()
        const work = (key: string) =>
          Effect.suspend(() => {
            runs.set(key, (runs.get(key) ?? 0) + 1)
            return Effect.as(Effect.sleep("30 millis"), kept(`${key} ${randomBytes(8).toString("hex")}`))
          })
        const keys = ["a", "b", "c"]
        const calls = keys.flatMap((key) =>
          Array.from({ length: 50 }, (_, i) => ({ key, on: i % 2 ? one : two })),
        )
        const replies = yield* Effect.forEach(
          calls,
          ({ key, on }) =>
            Effect.map(
              on.run(request(key), () => work(key)),
              (reply) => ({ key, reply }),
            ),
          { concurrency: "unbounded" },
        )
        for (const key of keys) {
          const ofKey = replies.filter((each) => each.key === key).map(({ reply }) => reply)
          assert.strictEqual(runs.get(key), 1)
          assert.strictEqual(new Set(ofKey.map(text)).size, 1)
          assert.strictEqual(ofKey.filter((reply) => !reply.replayed).length, 1)
        }
        const sql = yield* SqlClient.SqlClient
        assert.strictEqual((yield* sql`SELECT key_id FROM idempotency_claims`).length, keys.length)
      }),
    )

    it.effect(
      "refuse another body while the first runs and after it; another API key's claim is its own",
      () =>
        Effect.gen(function* () {
          const [one, two] = yield* twoReplicas
          const { work, started, finish } = yield* gated
          const first = yield* Effect.forkChild(one.run(request("reuse"), () => work))
          yield* started
          for (const on of [one, two]) {
            assert.strictEqual(
              (yield* Effect.flip(on.run(request("reuse", "other"), () => work))).reason,
              "reused",
            )
          }
          assert.strictEqual(
            text(yield* two.run(request("reuse", "other", bob), () => Effect.succeed(kept("bob's")))),
            "bob's",
          )
          yield* finish(kept("done"))
          yield* Fiber.join(first)
          for (const on of [one, two]) {
            assert.strictEqual(
              (yield* Effect.flip(on.run(request("reuse", "other"), () => work))).reason,
              "reused",
            )
          }
        }),
    )

    it.effect("run a retryable request again, on either", () =>
      Effect.gen(function* () {
        const [one, two] = yield* twoReplicas
        assert.strictEqual(
          (yield* one.run(request("retry"), () => Effect.succeed(retryable("busy")))).response.status,
          503,
        )
        assert.strictEqual(
          (yield* two.run(request("retry"), () => Effect.succeed(retryable("busy")))).replayed,
          false,
        )
        assert.strictEqual(text(yield* one.run(request("retry"), () => Effect.succeed(kept("fine")))), "fine")
        assert.deepInclude(yield* two.run(request("retry"), () => Effect.succeed(kept("no"))), {
          replayed: true,
        })
      }),
    )

    it.effect("take a crashed owner's claim over once, after its lease, and ignore its late answer", () =>
      Effect.gen(function* () {
        const store = yield* ClaimStore
        const crashed = "00000000-0000-4000-8000-000000000000"
        yield* store.claim(claimId("crash"), bodyPrint("hello"), crashed)
        const [one, two] = yield* twoReplicas
        const { work, seen, started, finish } = yield* gated
        const impatient = yield* Effect.provideService(replica, IdempotencyLimits, { ...limits, waitMs: 0 })
        assert.strictEqual(
          (yield* Effect.flip(impatient.run(request("crash"), () => work))).reason,
          "in_progress",
        )
        const callers = yield* Effect.forkChild(
          Effect.forEach(
            Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two)),
            (on) => on.run(request("crash"), () => work),
            { concurrency: "unbounded" },
          ),
        )
        yield* endLeases
        yield* started
        assert.isFalse(yield* store.complete(claimId("crash"), crashed, answer("late")))
        yield* finish(kept("new"))
        const replies = yield* Fiber.join(callers)
        assert.isFalse(yield* store.complete(claimId("crash"), crashed, answer("late")))
        assert.deepStrictEqual(new Set(replies.map(text)), new Set(["new"]))
        assert.strictEqual(text(yield* one.run(request("crash"), () => work)), "new")
        assert.strictEqual(seen.runs, 1)
      }),
    )

    it.effect("finish what a leaving client started and replay it, binary body and headers included", () =>
      Effect.gen(function* () {
        const [one, two] = yield* twoReplicas
        const { work, seen, started, finish } = yield* gated
        const client = yield* Effect.forkChild(one.run(request("leave"), () => work))
        yield* started
        yield* Fiber.interrupt(client)
        const response = {
          status: 201,
          headers: { "x-z": "1", "content-type": "application/octet-stream", "x-a": 'a "b" é' },
          body: randomBytes(4096),
        }
        yield* finish({ response, keep: true })
        const replay = yield* two.run(request("leave"), () => work)
        assert.isTrue(replay.replayed)
        assert.strictEqual(replay.response.status, response.status)
        assert.deepStrictEqual(Object.entries(replay.response.headers), Object.entries(response.headers))
        assert.deepStrictEqual(replay.response.body, new Uint8Array(response.body))
        assert.strictEqual(seen.runs, 1)
      }),
    )
  })
})
