import { assert, describe, it } from "@effect/vitest"
import { RequestId } from "../../src/domain/Ids.ts"
import { StreamedResponse, type StreamWriter } from "../../src/http/StreamedResponse.ts"
import type { Progress } from "../../src/inference/Outcome.ts"
import { StreamedAnswer } from "../../src/inference/StreamedAnswer.ts"
import { ReplayableBody } from "../../src/responses/ReplayableBody.ts"
import type { Candidate } from "../../src/routing/plan.ts"
import { event, piece } from "./world.ts"

/** What says something without words is not for the client. */
const writer: StreamWriter = {
  needsText: false,
  headers: () => ({}),
  chunk: ({ event, text, semantic }) => (text === "" && semantic ? undefined : event),
  end: () => event("end"),
}

const connected = () => {
  const body = new ReplayableBody()
  const sink = new StreamedResponse(writer, body, () => {})
  sink.begin(() => progress)
  return {
    body,
    stream: new StreamedAnswer(
      sink,
      () => 0,
      () => 1,
    ),
  }
}

const answer = () => connected().stream

const progress: Progress = {
  requestId: RequestId.make("request"),
  candidate: undefined,
  attemptCount: 1,
  rateLimit: undefined,
  budgetRemaining: undefined,
  tokenLimit: undefined,
  latencyMs: 0,
  timings: { authMs: 0, routeMs: 0, upstreamMs: 0 },
}

describe("a provider is held back", () => {
  it("by a client that does not read, also while what it sends is not for the client", () => {
    const stream = answer()
    const text = "x".repeat(1_000)
    let taken = 0
    while (stream.write(piece(text, { event: event(text) }))) taken++
    assert.isBelow(taken, 100)
    assert.isFalse(stream.write(piece("", { generated: 10 })))
  })
})

describe("a provider is not held back", () => {
  it("while all that it sends says nothing, however much that is, and what is kept of it has a bound", () => {
    const { body, stream } = connected()
    const nothing = (n: number) => piece("", { event: event(`${n}`.padEnd(1_000, "x")), semantic: false })
    for (let n = 0; n < 1_000; n++) assert.isTrue(stream.write(nothing(n)))
    assert.isFalse(stream.opened)
    stream.write(piece("Hi", { event: event("Hi") }))
    const sent = Buffer.from(body.bytes() ?? []).toString()
    assert.isBelow(sent.length, 100_000)
    assert.match(sent, /^data: .*Hi/s)
  })
})

it("what passes as it came passes whole, however much of it comes before the first word", () => {
  const { body, stream } = connected()
  const begun = event("created".padEnd(40_000, "x"))
  for (let n = 0; n < 2; n++) {
    stream.write(piece("", { event: begun, semantic: false, dialect: "responses" }))
  }
  stream.write(piece("Hi", { event: event("Hi"), dialect: "responses" }))
  assert.deepStrictEqual(
    Buffer.from(body.bytes() ?? []),
    Buffer.concat([begun, begun, event("Hi")].map((each) => Buffer.from(each))),
  )
})

describe("the end of a stream", () => {
  it("has the provider's reason, and another one where the provider gave none", () => {
    const stream = answer()
    stream.write(piece("Hi"))
    assert.strictEqual(stream.summary().finishReason, "other")
    stream.write(piece("", { finishReason: "length" }))
    assert.strictEqual(stream.summary().finishReason, "length")
  })
})

describe("the usage of a stream that broke", () => {
  const usage = (outputTokens: number) => ({
    usage: { inputTokens: 30, outputTokens, cachedTokens: 10, cacheWriteTokens: 0, reasoningTokens: 0 },
    raw: {},
  })

  it("is the provider's count, and an estimate of what it did not count yet", () => {
    const stream = answer()
    stream.write(piece("", { semantic: false, usage: usage(0) }))
    for (let n = 0; n < 10; n++) stream.write(piece("x".repeat(40), { generated: 40 }))
    assert.deepStrictEqual(stream.partial().usage, usage(100).usage)
    stream.write(piece("", { usage: usage(120) }))
    assert.deepStrictEqual(stream.partial().usage, usage(120).usage)
  })

  it("keeps what is priced apart in the provider's count", () => {
    const stream = answer()
    const counted = usage(10)
    const details = { audio_input_tokens: 1 }
    stream.write(piece("", { usage: { raw: counted.raw, usage: { ...counted.usage, details } } }))
    assert.deepStrictEqual(stream.partial().usage?.details, details)
  })

  it("is an estimate where nothing was counted, and unknown where nothing came", () => {
    const stream = answer()
    assert.isNull(stream.partial().usage)
    stream.write(piece("x".repeat(40), { generated: 40 }))
    assert.deepInclude(stream.partial().usage, { inputTokens: 1, outputTokens: 10, cachedTokens: 0 })
  })

  it("has nothing of an attempt before it", () => {
    const stream = answer()
    // Nothing else of it is read.
    const candidate = { model: { name: "asked" } } as Candidate
    stream.begin(candidate)
    stream.write(piece("", { semantic: false, usage: usage(7), model: "first" }))
    stream.begin(candidate)
    stream.write(piece("", { generated: 4, model: undefined }))
    assert.strictEqual(stream.partial().model, "asked")
    assert.deepInclude(stream.partial().usage, { inputTokens: 1, outputTokens: 1 })
  })
})
