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

  it("is for files, and whatever else no text is known of, up to what the model can read", () => {
    const long = "x".repeat(100_000)
    const of = (part: object, more: object = {}) =>
      task({ max_tokens: 100, messages: [{ role: "user", content: [part] }] } as never, more)
    const most = (part: object, at = model({})) => reserved(of(part), at) ?? 0
    // A token for each byte of a file.
    const pdf = `data:application/pdf;base64,${long}`
    const few = Math.ceil(504 * 1.2 + 256) + 400
    for (const file of [
      { type: "file", file: { file_data: pdf } },
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: long } },
      { type: "video_url", video_url: { url: `data:video/mp4;base64,${long}` } },
      { type: "file", file: { file_data: pdf }, data: "", media_type: "image/png" },
    ]) {
      assert.closeTo(most(file), 100_000 + 800, 50, JSON.stringify(file).slice(0, 60))
    }
    // As a text as long: what is not known, and what only looks like an image; audio as a quarter of that.
    const image = `data:image/png;base64,${long}`
    for (const block of [
      { type: "input_audio", input_audio: { data: long.repeat(4), format: "wav" } },
      { type: "file", file: { file_data: `data:text/csv;base64,${long}` } },
      { type: "image_url", image_url: { url: `data:audio/ogg;base64,${long}` } },
      { type: "document", source: { type: "text", data: image }, citations: { enabled: true } },
      { type: "tool_search_output", tools: [{ [long]: {} }] },
      { type: "mcp_tool_use", input: { numbers: Array.from({ length: 12_500 }, (_, n) => n) } },
    ]) {
      assert.closeTo(most(block), 25_000 + 800, 50, JSON.stringify(block).slice(0, 60))
    }
    for (const elsewhere of [
      { type: "file", file: { file_id: "file-1" } },
      { type: "document", source: { type: "url", url: "https://a.example/b.pdf" } },
      { type: "document", source: { type: "file", file_id: "file-1" } },
      { type: "video_url", video_url: { url: "https://a.example/b.mp4" } },
    ]) {
      assert.strictEqual(most(elsewhere, model({}, { contextWindow: 64_000 })), 64_000 - 504 + few)
      assert.strictEqual(most(elsewhere), 1_000_000 - 504 + few)
    }
    for (const image of [
      { type: "image_url", image_url: { url: `data:image/png;base64,${long}` } },
      { type: "image_url", image_url: { url: "https://a.example/b.png" } },
      { type: "image", source: { type: "base64", media_type: "image/png", data: long } },
    ]) {
      assert.strictEqual(most(image), few)
    }
    const beyond = (item: object) =>
      reserved(task({ max_tokens: 100, messages: [] }, { body: { input: [item] } }), model({})) ?? 0
    const question = (part: object) => beyond({ role: "user", content: [part] })
    for (const elsewhere of [{ file_url: "https://a.example/b.pdf" }, { file_id: "file-1" }]) {
      assert.closeTo(question({ type: "input_file", ...elsewhere }), 1_000_000 + 656, 50)
    }
    assert.closeTo(question({ type: "input_file", file_data: pdf }), 100_000 + 656, 50)
    assert.closeTo(question({ type: "input_image", file_id: "file-1" }), 500 + 656, 50)
    // An argument of a tool that says it is one is none.
    const notes = Array.from({ length: 100 }, () => ({ signature: "x".repeat(1_000) }))
    for (const input of [{ type: "file", path: "/a" }, { filter: { type: "document" } }]) {
      assert.closeTo(beyond({ type: "tool_use", input, notes }), 25_000 + 656, 300)
    }
    const output = { type: "computer_screenshot", image_url: image }
    assert.closeTo(beyond({ type: "computer_call_output", output }), 500 + 656, 50)
    const outputs = [{ type: "image", url: image }]
    assert.closeTo(beyond({ type: "code_interpreter_call", outputs }), 500 + 656, 50)
    assert.closeTo(beyond({ type: "reasoning", encrypted_content: long }), 25_000 + 656, 50)
    assert.closeTo(beyond({ type: "image_generation_call", result: long }), 500 + 656, 50)
  })

  it("is for texts alone where their request has no more bytes than they", () => {
    const of = { messages: [{ role: "user", content: "x".repeat(4_000) }] }
    const bytes = Buffer.from(JSON.stringify(of))
    const source = { bytes, members: [] }
    assert.strictEqual(reserved(task({ max_tokens: 100 }, { source }), model({})), INPUT + 400)
  })

  it("is at the price of whatever tier may be served of what is asked for, and for what was predicted", () => {
    const at = model({ serviceTiers: { priority: 2, fast: 6, us: 1.1, "priority-fast": 7, flex: 0.5 } })
    const base = INPUT + 400
    for (const [asked, factor] of [
      [{ speed: "fast" }, 6],
      [{ inference_geo: "us" }, 1.1],
      [{ service_tier: "priority", speed: "fast" }, 7],
      [{ service_tier: "flex" }, 1],
      [{ service_tier: "auto", speed: "standard" }, 1],
    ] as const) {
      assert.strictEqual(reserved(task({ max_tokens: 100, ...asked }), at), Math.round(base * factor))
    }
    const predicted = task({ max_tokens: 100, prediction: "x".repeat(3_998) })
    assert.isAtLeast(reserved(predicted, model({})) ?? 0, base + 4_000)
  })

  it("is for a cache of an hour however that is written", () => {
    for (const [ttl, factor] of [
      ['"1h"', 2],
      [String.raw`"\u0031h"`, 2],
      [String.raw`"1\u0068"`, 2],
      ['"5m"', 1],
    ] as const) {
      const source = { bytes: Buffer.from(`{"ttl":${ttl}}`), members: [] }
      const given = reserved(task({ max_tokens: 100 }, { source }), model({ cacheWrite1hNanoPer1M: 2e9 }))
      assert.strictEqual(given, factor * INPUT + 400)
    }
  })

  it("is nothing that could be reserved of a model without a price", () => {
    assert.isUndefined(reserved(task({}), model(undefined)))
  })

  it("grows with what a vendor counts beside a file, and not with what a file is less than it may be", () => {
    const reservations = new Reservations(new InputMargins(), 8_192)
    const part = { type: "input_audio", input_audio: { data: "x".repeat(40_000) } }
    const of = task({ max_tokens: 1, messages: [{ role: "user", content: [part] }] } as never)
    const settle = (inputTokens: number) =>
      reserve(new Spending("a").reserved([], 1), of, reservations).settle({
        ...attempt,
        usage: { inputTokens, outputTokens: 1, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
      })
    const before = reserved(of, model({}), reservations) ?? 0
    settle(100)
    assert.strictEqual(reserved(of, model({}), reservations), before)
    settle(before + 5_000)
    assert.isAtLeast(reserved(of, model({}), reservations) ?? 0, before + 5_000)
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

  it("is for all that a file may have where a stream broke off before its input was counted", () => {
    const part = { type: "file", file: { file_data: `data:application/pdf;base64,${"x".repeat(10_000)}` } }
    const of = task({ max_tokens: 100, messages: [{ role: "user", content: [part] }] } as never)
    const micros = (inputTokens: number, usageEstimated: boolean) => {
      const lease = new Lease(1, null, Number.POSITIVE_INFINITY, { granted: 1e12, returned: 0, charged: 0 })
      lease.reserve(1e12)
      const call = reserve(new Spending("a").reserved([lease], 1e12), of)
      call.leaves()
      const usage = {
        ...{ cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
        inputTokens,
        outputTokens: 50,
      }
      call.settle({ ...attempt, costNanoUsd: 7_000, usageEstimated, usage })
      return Math.round(lease.charged / 1_000)
    }
    assert.closeTo(micros(inputTokensOf(of), true), 7 + 10_000 - 504, 50)
    // Its vendor counted.
    assert.strictEqual(micros(9_000, true), 7)
    assert.strictEqual(micros(inputTokensOf(of), false), 7)
  })
})
