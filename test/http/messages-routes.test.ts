import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { AnswerSummary, ChatChunk } from "../../src/domain/Chat.ts"
import { GatewayError } from "../../src/domain/GatewayError.ts"
import { RequestId } from "../../src/domain/Ids.ts"
import { readJson } from "../../src/http/body.ts"
import { decodeMessages, writerOf } from "../../src/http/messages-routes.ts"
import type { Outcome } from "../../src/inference/Outcome.ts"

/** What goes to and comes from a provider that speaks Messages itself. */

const write = writerOf(() => ({}))

const decode = (body: object, headers: Readonly<Record<string, string>> = {}) => {
  const text = JSON.stringify({ model: "m", max_tokens: 9, ...body })
  const read = Result.getOrThrow(readJson(Buffer.from(text)))
  const call = Result.getOrThrow(decodeMessages(write, () => ({}))(read, (name) => headers[name]))
  assert(call.task._tag === "Chat")
  return { text, call, task: call.task }
}

const question = { role: "user", content: "Hi" }

const outcome = (result: Outcome["result"]): Outcome => ({
  result,
  requestId: RequestId.make("r-1"),
  candidate: undefined,
  attemptCount: 1,
  rateLimit: undefined,
  budgetRemaining: undefined,
  tokenLimit: undefined,
  latencyMs: 1,
  timings: { authMs: 0, routeMs: 0, upstreamMs: 1 },
  plan: undefined,
  attempts: [],
})

const summary: AnswerSummary = {
  text: "",
  finishReason: "stop",
  model: "m",
  usage: null,
  usageEstimated: false,
  rawUsage: null,
}

const answered = (completion?: object) =>
  // Only what the writers look at.
  outcome(Result.succeed({ summary, completion, cost: { nanoUsd: null } } as never))

describe("a request", () => {
  it("goes on as its bytes, with the header fields that belong to them", () => {
    const { task, text } = decode({ messages: [question], unknown: { a: 1 } }, { "anthropic-beta": "a,b" })
    assert.strictEqual(task.dialect, "messages")
    assert.strictEqual(task.source?.bytes.toString(), text)
    assert.deepStrictEqual(task.headers, ["anthropic-version", "2023-06-01", "anthropic-beta", "a,b"])
    assert.deepInclude(task.request, { unknown: { a: 1 } })
    assert.deepStrictEqual(task.body, { max_tokens: 9, messages: [question], unknown: { a: 1 } })
  })
})

describe("an answer in Messages", () => {
  it("passes as it came, whole", () => {
    const body = Buffer.from('{"type":"message" ,"own":1.0}')
    assert.strictEqual(write(answered({ ...summary, dialect: "messages", body: () => body })).body, body)
  })

  it("passes as it came, event by event, and ends with its own end", () => {
    const { stream } = decode({ messages: [question], stream: true }).call
    const event = Buffer.from('event: message_stop\ndata: {"type":"message_stop"}\n\n')
    const chunk = { dialect: "messages", event, text: "" } as unknown as ChatChunk
    assert.strictEqual(stream?.chunk(chunk), event)
    assert.lengthOf(stream?.end(answered()) ?? "?", 0)
  })

  it("that breaks ends with an error", () => {
    const { stream } = decode({ messages: [question], stream: true }).call
    stream?.chunk({
      dialect: "messages",
      event: Buffer.from("event: ping\n\n"),
      text: "",
    } as unknown as ChatChunk)
    const failure = new GatewayError({ code: "upstream_bad_response", detail: "It was cut." })
    const end = String(stream?.end(outcome(Result.fail(failure))))
    assert.match(end, /^event: error\ndata: \{"type":"error","error":\{"type":"api_error"/)
    assert.include(end, '"request_id":"r-1"')
  })
})
