import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import type { RequestBudgets } from "../../src/budgets/Budgets.ts"
import { Lease } from "../../src/budgets/Lease.ts"
import { type Reservation, Spending } from "../../src/budgets/Spending.ts"
import type { ModelConfig } from "../../src/catalog/model.ts"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import { ProviderError } from "../../src/domain/ProviderError.ts"
import { inputTokensOf, type Task } from "../../src/domain/Task.ts"
import { InputMargins } from "../../src/inference/InputMargins.ts"
import { RequestRecorder } from "../../src/inference/RequestRecorder.ts"
import { Reservations, ReservedCall } from "../../src/inference/Reservations.ts"
import type { Candidate } from "../../src/routing/plan.ts"
import { attempt } from "../ledger/records.ts"
import { principalOf } from "../support/principal-of.ts"

const row = {
  inputNanoPer1M: 1e9,
  cachedInputNanoPer1M: 1e9,
  outputNanoPer1M: 4e9,
  source: "test",
  asOf: "2026-11-01",
}

const model = (price: object | undefined, more: Partial<ModelConfig> = {}) =>
  ({
    name: "m",
    kind: "chat",
    ...(price !== undefined && { price: { ...row, ...price } }),
    ...more,
  }) as ModelConfig

const task = (request: Partial<ChatRequest>, more: object = {}): Task => ({
  _tag: "Chat",
  mode: "whole",
  request: { messages: [{ role: "user", content: "x".repeat(4_000) }], ...request } as ChatRequest,
  ...more,
})

const candidateOf = (model: ModelConfig, of: Task) =>
  ({
    key: "p/m",
    model,
    provider: { name: "p" },
    features: { inputTokens: inputTokensOf(of) },
  }) as unknown as Candidate

const recorderOf = (of: Task, keyId = "AdaAdaAdaAda") => {
  const recorder = new RequestRecorder(RequestId.make("r"), "/infer", Effect.runSync(Clock.Clock))
  recorder.request = { principal: principalOf(keyId), task: of } as never
  return recorder
}

/** Reserves for a call what it may cost, as the reservation that is given. */
const reserve = (
  reservation: Reservation,
  of: Task,
  reservations = new Reservations(new InputMargins(), 8_192),
): ReservedCall => {
  const budgets = { reserveNow: () => reservation } as unknown as RequestBudgets
  const given = reservations.reserve(budgets, candidateOf(model({}), of), recorderOf(of), 0)
  assert(given instanceof ReservedCall)
  return given
}

/** Returns what a call reserves, in micro-dollars; undefined: it is held back. */
const reserved = (
  of: Task,
  at: ModelConfig,
  reservations = new Reservations(new InputMargins(), 8_192),
  keyId?: string,
) => {
  let nanoUsd: number | undefined
  const budgets = {
    reserveNow: (wish: number) => {
      nanoUsd = wish
      return new Spending("a").reserved([], wish)
    },
  } as unknown as RequestBudgets
  const given = reservations.reserve(budgets, candidateOf(at, of), recorderOf(of, keyId), 0)
  assert.isTrue(given instanceof ReservedCall || Effect.runSync(Effect.flip(given)) instanceof ProviderError)
  return nanoUsd === undefined ? undefined : Math.round(nanoUsd / 1_000)
}

/** A thousand tokens, and what is added where it is not known how the vendor counts. */
const INPUT = Math.ceil(1_004 * 1.2 + 256)

describe("what a call reserves", () => {
  it("is all of its input, and the output that it allows, of each choice", () => {
    assert.strictEqual(reserved(task({ max_tokens: 100 }), model({})), INPUT + 400)
    assert.strictEqual(reserved(task({ max_tokens: 100, n: 3 }), model({})), INPUT + 1_200)
    assert.strictEqual(reserved(task({}), model({})), INPUT + 4 * 8_192)
    assert.strictEqual(reserved(task({}), model({}, { maxOutputTokens: 50 })), INPUT + 200)
  })

  it("is by the larger of two limits, whichever its vendor heeds", () => {
    assert.strictEqual(reserved(task({ max_tokens: 100, max_completion_tokens: 1 }), model({})), INPUT + 400)
  })

  it("is by what the model can for a conversation that is put in short, which has no limit", () => {
    const at = model({}, { maxOutputTokens: 20_000 })
    assert.strictEqual(reserved(task({}, { isCompaction: true }), at), INPUT + 80_000)
  })

  it("is at the dearest that its tokens may turn out to be", () => {
    assert.strictEqual(
      reserved(task({ max_tokens: 0 }), model({ cacheWriteNanoPer1M: 1.25e9 })),
      Math.round(1.25 * INPUT) + 32_768,
    )
    const spoken = model({
      audioInputNanoPer1M: 10e9,
      cachedAudioInputNanoPer1M: 2e9,
      imageOutputNanoPer1M: 30e9,
    })
    assert.strictEqual(reserved(task({ max_tokens: 100 }), spoken), INPUT + 3_000)
    const heard = { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: {} }] }] }
    const few = Math.ceil(504 * 1.2 + 256)
    assert.strictEqual(reserved(task({ max_tokens: 100, ...heard } as object), spoken), 10 * few + 3_000)
    assert.strictEqual(
      reserved(task({ max_tokens: 100, service_tier: "flex" }), model({ serviceTiers: { flex: 0.5 } })),
      INPUT + 400,
    )
    assert.strictEqual(
      reserved(task({ max_tokens: 100, service_tier: "priority" }), model({ serviceTiers: { priority: 2 } })),
      2 * (INPUT + 400),
    )
  })

  it("is for files and whatever else is no text as for a text as long, up to what the model can read", () => {
    const long = "x".repeat(400_000)
    const of = (part: object, more: object = {}) =>
      task({ max_tokens: 100, messages: [{ role: "user", content: [part] }] } as never, more)
    const file = of({ type: "file", file: { file_data: `data:application/pdf;base64,${long}` } })
    assert.closeTo(reserved(file, model({})) ?? 0, 100_400, 20)
    assert.strictEqual(reserved(file, model({}, { contextWindow: 64_000 })), 64_400)
    const vendors = of({
      type: "document",
      source: { type: "text", data: long },
      citations: { enabled: true },
    })
    assert.closeTo(reserved(vendors, model({})) ?? 0, 100_400, 20)
    const beyond = { body: { input: [{ type: "reasoning", encrypted_content: long }] } }
    assert.closeTo(reserved(task({ max_tokens: 100 }, beyond), model({})) ?? 0, 100_400, 20)
    const few = Math.ceil(504 * 1.2 + 256) + 400
    for (const image of [
      { type: "image_url", image_url: { url: `data:image/png;base64,${long}` } },
      { type: "image", source: { type: "base64", media_type: "image/png", data: long } },
    ]) {
      assert.strictEqual(reserved(of(image), model({})), few)
    }
    // What a text is as long as is not looked for in one whose bytes are no more.
    const bytes = Buffer.from(JSON.stringify({ messages: [{ role: "user", content: "x".repeat(4_000) }] }))
    assert.strictEqual(
      reserved(task({ max_tokens: 100 }, { source: { bytes, members: [] } }), model({})),
      INPUT + 400,
    )
  })

  it("is nothing that could be reserved of a model without a price", () => {
    assert.isUndefined(reserved(task({}), model(undefined)))
  })

  it("grows with what a vendor counts, for the key that it was seen of", () => {
    const reservations = new Reservations(new InputMargins(), 8_192)
    const of = task({ max_tokens: 1 })
    const usage = {
      inputTokens: 5_000,
      outputTokens: 1,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      reasoningTokens: 0,
    }
    reserve(new Spending("a").reserved([], 1), of, reservations).settle({ ...attempt, usage })
    assert.isAtLeast(reserved(of, model({}), reservations) ?? 0, 5_000)
    assert.strictEqual(reserved(of, model({}), reservations, "BobBobBobBob"), INPUT + 4)
  })
})

describe("what an attempt is charged", () => {
  const charged = (changes: Partial<typeof attempt>) => {
    const lease = new Lease(1, null, Number.POSITIVE_INFINITY, { granted: 99, returned: 0, charged: 0 })
    lease.reserve(99)
    const spending = new Spending("a")
    const reservation = spending.reserved([lease], 99)
    const call = reserve(reservation, task({}))
    call.leaves()
    call.settle({ ...attempt, ...changes })
    return lease.charged
  }
  const unknown = { costNanoUsd: null, usage: null }

  it("is its cost, nothing where it cannot be billed, and what was reserved where it may have been", () => {
    assert.strictEqual(charged({ costNanoUsd: 7 }), 7)
    assert.strictEqual(charged({ ...unknown, outcome: "connect", dispatched: "no" }), 0)
    assert.strictEqual(charged({ ...unknown, outcome: "server_error", upstreamStatus: 500 }), 0)
    assert.strictEqual(
      charged({ ...unknown, outcome: "timeout", dispatched: "unknown", upstreamStatus: null }),
      99,
    )
    assert.strictEqual(charged({ ...unknown, outcome: "bad_response", upstreamStatus: 200 }), 99)
    assert.strictEqual(charged({ ...unknown }), 99)
    assert.strictEqual(
      charged({ costNanoUsd: 7, outcome: "hedged", dispatched: "unknown", usageEstimated: true }),
      99,
    )
  })
})
