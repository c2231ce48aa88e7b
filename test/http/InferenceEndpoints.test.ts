import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { Authenticator } from "../../src/auth/Authenticator.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import type { InferenceExchange } from "../../src/http/InferenceEndpoints.ts"
import type { StreamWriter } from "../../src/http/StreamedResponse.ts"
import { ClaimStore } from "../../src/idempotency/ClaimStore.ts"
import { Ledger } from "../../src/ledger/Ledger.ts"
import type { LedgerRecord } from "../../src/ledger/LedgerRecord.ts"
import {
  connection,
  type Fate,
  held,
  makeLedger,
  makeUpstream,
  replica,
  settings,
} from "../inference/world.ts"
import { ask } from "../routing/world.ts"
import { principalOf } from "../support/principal-of.ts"

/** Claims that another owner has taken over by the time that an answer is to be stored. */
const lostClaims = Layer.effect(
  ClaimStore,
  Effect.map(ClaimStore, (store) => ClaimStore.of({ ...store, complete: () => Effect.succeed(false) })),
).pipe(Layer.provide(ClaimStore.layerMemory))

/** Claims that take a second, and then belong to another request. */
const slowRefusals = Layer.effect(
  ClaimStore,
  Effect.map(ClaimStore, (store) =>
    ClaimStore.of({
      ...store,
      claim: () => Effect.delay(Effect.succeed({ _tag: "Reused" as const }), "1 second"),
    }),
  ),
).pipe(Layer.provide(ClaimStore.layerMemory))

const world = (claims: Layer.Layer<ClaimStore>) => {
  const upstream = makeUpstream(() => Effect.succeed({ afterMs: 100 }))
  const ledger = makeLedger()
  const authenticator = Layer.succeed(Authenticator, {
    authenticate: () => Effect.succeed(principalOf("AAAAAAAAAAAA")),
    ownerOf: () => Effect.undefined,
  })
  return { ledger, layer: Layer.mergeAll(upstream.layer, ledger.layer, authenticator, claims, settings) }
}

const exchange: InferenceExchange = {
  ...connection,
  requestId: RequestId.make("request"),
  endpoint: "/infer",
  credential: Result.succeed("key"),
  read: () =>
    Effect.succeed({
      call: {
        requestedModel: "only-a",
        task: { _tag: "Chat", request: ask(), mode: "whole" },
        dryRun: false,
        write: () => ({ status: 200, headers: {}, body: "" }),
        stream: undefined,
      },
      claim: { key: "claimed", fingerprint: Uint8Array.of(1) },
    }),
}

const taken = () => Result.succeed(undefined)

describe("a request whose client leaves before its claim is refused", () => {
  const { layer, ledger } = world(slowRefusals)

  it.effect("is recorded with the refusal", () =>
    Effect.gen(function* () {
      const { serve } = yield* replica
      const client = yield* Effect.forkChild(serve(exchange))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(client)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        ledger.records.map(({ errorCode, status }) => [status, errorCode]),
        [[422, "idempotency_key_reused"]],
      )
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )
})

describe("a stream that fails just before a silent client would be told that it lives", () => {
  const records: Array<LedgerRecord> = []
  const slowLedger = Layer.succeed(Ledger, {
    record: (record) =>
      Effect.delay(
        Effect.sync(() => void records.push(record)),
        "2 seconds",
      ),
    recordIntent: () => Effect.void,
    holder: "one",
    flush: () => Effect.succeed(true),
    databaseFault: () => undefined,
    journalFault: () => undefined,
  })
  const upstream = makeUpstream(({ startedAt }) =>
    Effect.sync((): Fate => {
      const first = upstream.calls[0]?.startedAt === startedAt
      return first
        ? { afterMs: 100, fails: { kind: "rate_limited", retryAfterMs: 7_000 } }
        : { afterMs: 7_300, fails: { kind: "auth" } }
    }),
  )
  const { layer } = world(ClaimStore.layerMemory)

  it.effect("is answered as its record says", () =>
    Effect.gen(function* () {
      const { serve } = yield* replica
      const stream: StreamWriter = {
        headers: () => ({}),
        needsText: false,
        chunk: () => undefined,
        end: () => Buffer.of(),
      }
      const read = () =>
        Effect.map(exchange.read(taken), ({ call }) => ({
          call: { ...call, write: () => ({ status: 502, headers: {}, body: "" }), stream },
          claim: undefined,
        }))
      const client = yield* Effect.forkChild(serve({ ...exchange, read }))
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* Fiber.join(client)).response.status, 502)
      assert.deepStrictEqual(
        records.map(({ status }) => status),
        [502],
      )
    }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(layer, upstream.layer, slowLedger))),
  )
})

describe("a request that loses its claim after it ran", () => {
  const { layer, ledger } = world(lostClaims)

  it.effect("tells its client to come back, and has the one record of its run", () =>
    Effect.gen(function* () {
      const { serve } = yield* replica
      const refused = yield* serve(exchange).pipe(
        Effect.flip,
        Effect.forkChild,
        Effect.tap(TestClock.adjust("1 second")),
        Effect.flatMap(Fiber.join),
      )
      assert.strictEqual(refused.code, "idempotency_in_progress")
      assert.deepStrictEqual(
        ledger.records.map(({ status }) => status),
        [200],
      )
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )
})

describe("a repetition of a request with a large answer", () => {
  const { layer } = world(ClaimStore.layerMemory)
  const body = "x".repeat(200_000)

  it.effect("holds its answer in the room of its own request", () =>
    Effect.gen(function* () {
      const { serve } = yield* replica
      const read = () =>
        Effect.map(exchange.read(taken), (request) => ({
          ...request,
          call: { ...request.call, write: () => ({ status: 200, headers: {}, body }) },
        }))
      const ask = serve({ ...exchange, read }).pipe(
        Effect.forkChild,
        Effect.tap(TestClock.adjust("1 second")),
        Effect.flatMap(Fiber.join),
      )
      assert.isFalse((yield* ask).replayed)
      const before = held.bytes
      assert.isTrue((yield* ask).replayed)
      assert.strictEqual(held.bytes - before, body.length)
    }).pipe(Effect.scoped, Effect.provide(layer)),
  )
})
