import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import type { OpenAI } from "openai"
import type { ChatChunk } from "../../../../src/domain/Chat.ts"
import { gemini } from "../../../../src/providers/protocols/gemini/protocol.ts"
import type { Reading } from "../../../../src/providers/protocols/Protocol.ts"
import { errorSamples } from "../../../support/fake-upstream-errors.ts"
import { geminiStreamEvents, geminiToolAnswer } from "../../../support/fake-upstream-gemini.ts"

const nowMs = 1_700_000_000_123

type Chunk = OpenAI.ChatCompletionChunk
type Delta = Chunk["choices"][number]["delta"] & { readonly reasoning_content?: string }

const framed = (data: string) => ({ bytes: Buffer.from(`data: ${data}\r\n\r\n`), type: "message", data })
const event = (json: unknown) => framed(JSON.stringify(json))
const piece = (parts: ReadonlyArray<unknown>, more: object = {}) => ({
  candidates: [{ content: { role: "model", parts }, ...more }],
  modelVersion: "gemini-x-001",
  responseId: "r1",
})
const stop = { finishReason: "STOP" }

/** Feeds the events until the stream is over; `outcome` is how it ended. */
const run = (events: ReadonlyArray<unknown>, rest = "") => {
  const reader = gemini.openStream("gemini-x", nowMs)
  const chunks: Array<ChatChunk> = []
  const take = (reading: Reading) => {
    if (reading._tag !== "Fault") chunks.push(...reading.chunks)
    return reading
  }
  for (const json of events) {
    const reading = take(reader.read(event(json)))
    if (reading._tag === "Fault") return { chunks, outcome: reading.fault.kind }
  }
  const end = take(reader.end(rest))
  return { chunks, outcome: end._tag === "Fault" ? end.fault.kind : end._tag }
}

const isComment = ({ event: bytes }: ChatChunk) => /^:[^\n]*\n\n$/.test(Buffer.from(bytes).toString())

/** The chunk on the wire: one data line and a blank one. */
const wire = ({ event: bytes }: ChatChunk): Chunk => {
  const text = Buffer.from(bytes).toString()
  assert.match(text, /^data: [^\n]+\n\n$/)
  return JSON.parse(text.slice(6))
}

const deltas = (chunks: ReadonlyArray<ChatChunk>): ReadonlyArray<Delta> =>
  chunks.map(wire).flatMap(({ choices }) => choices.map(({ delta }) => delta))

describe("a streamed answer", () => {
  it("gives one role, the text, one reason and one usage, under one id", () => {
    const usage = (output: number) => ({
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: output, totalTokenCount: 3 + output },
    })
    const { chunks, outcome } = run([
      { ...piece([{ text: "Hel" }]), ...usage(1) },
      { ...piece([{ text: "lo" }], stop), ...usage(2) },
    ])
    assert.strictEqual(outcome, "Done")
    const head = {
      id: "chatcmpl-r1",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: "gemini-x-001",
    }
    const choice = (delta: object, finish_reason: string | null = null) => ({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    })
    assert.deepStrictEqual<unknown>(chunks.map(wire), [
      choice({ role: "assistant", content: "Hel" }),
      choice({ content: "lo" }),
      choice({}, "stop"),
      {
        ...head,
        choices: [],
        usage: {
          prompt_tokens: 3,
          completion_tokens: 2,
          total_tokens: 5,
          prompt_tokens_details: { cached_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 0 },
        },
      },
    ])
    assert.deepStrictEqual(
      chunks.map(({ text, generated, semantic, usageOnly, finishReason, usage }) => [
        text,
        generated,
        semantic,
        usageOnly,
        finishReason,
        usage?.usage?.outputTokens,
      ]),
      [
        ["Hel", 3, true, false, undefined, 1],
        ["lo", 2, true, false, undefined, 2],
        ["", 0, true, false, "stop", 2],
        ["", 0, false, true, undefined, 2],
      ],
    )
  })

  it("is read from what the fake sends, which counts its text at the end alone", () => {
    const events = geminiStreamEvents(
      { model: "m" },
      "héllo wörld",
      { input: 4, output: 6, reasoning: 2 },
      "length",
    )
    const { chunks, outcome } = run(events.map((text) => JSON.parse(text.slice(6))))
    assert.strictEqual(outcome, "Done")
    assert.strictEqual(chunks.map(({ text }) => text).join(""), "héllo wörld")
    assert.strictEqual(chunks[0]?.usage?.usage?.outputTokens, 2)
    assert.deepStrictEqual(chunks.at(-1)?.usage?.usage, {
      inputTokens: 4,
      outputTokens: 6,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      reasoningTokens: 2,
    })
    assert.strictEqual(chunks.at(-2)?.finishReason, "length")
  })

  it("gives calls whole, counted through the choice, with their signatures", () => {
    const { chunks, outcome } = run([
      piece([{ functionCall: { name: "a", args: { x: 1 } }, thoughtSignature: "c2ln" }]),
      piece([{ functionCall: { name: "b", id: "fc-7" } }, { functionCall: { name: "c" } }]),
      piece([], stop),
    ])
    assert.strictEqual(outcome, "Done")
    assert.deepStrictEqual<unknown>(deltas(chunks), [
      {
        role: "assistant",
        content: null,
        tool_calls: [
          {
            index: 0,
            id: "call_r1_0_0",
            type: "function",
            function: { name: "a", arguments: '{"x":1}' },
            extra_content: { google: { thought_signature: "c2ln" } },
          },
        ],
      },
      {
        tool_calls: [
          { index: 1, id: "fc-7", type: "function", function: { name: "b", arguments: "{}" } },
          { index: 2, id: "call_r1_0_2", type: "function", function: { name: "c", arguments: "{}" } },
        ],
      },
      {},
    ])
    assert.isTrue(chunks[0]?.semantic)
    assert.strictEqual(chunks.at(-1)?.finishReason, "tool_calls")
  })

  it("says thoughts as reasoning, which is an answer's beginning too", () => {
    const { chunks } = run([piece([{ text: "hm", thought: true }]), piece([{ text: "yes" }], stop)])
    assert.deepStrictEqual<unknown>(deltas(chunks).slice(0, 2), [
      { role: "assistant", content: "", reasoning_content: "hm" },
      { content: "yes" },
    ])
    assert.deepInclude(chunks[0], { text: "", generated: 2, semantic: true })
  })

  it("holds a role alone for nothing said, and a repetition of it for nothing at all", () => {
    const { chunks } = run([piece([{ text: "" }]), piece([]), piece([{ text: "a" }], stop)])
    assert.deepStrictEqual(
      chunks.map(({ semantic }) => semantic),
      [false, true, true],
    )
    assert.deepStrictEqual<unknown>(deltas(chunks)[0], { role: "assistant", content: "" })
  })

  it("goes by the names of its first event", () => {
    const { chunks } = run([
      piece([{ text: "a" }]),
      { ...piece([{ text: "b" }], stop), responseId: "r2", modelVersion: "other" },
    ])
    assert.deepStrictEqual(
      chunks.map(wire).map(({ id, model }) => [id, model]),
      chunks.map(() => ["chatcmpl-r1", "gemini-x-001"]),
    )
  })

  it("keeps choices apart", () => {
    const two = (a: string, b: string, more = {}) => ({
      candidates: [
        { content: { parts: [{ text: a }] }, ...more },
        { content: { parts: [{ text: b }] }, index: 1, ...more },
      ],
    })
    const { chunks, outcome } = run([two("a", "x"), two("b", "y", stop)])
    assert.strictEqual(outcome, "Done")
    assert.strictEqual(chunks.map(({ text }) => text).join(""), "ab")
    const roles = chunks.map(wire).flatMap(({ choices }) => choices.filter(({ delta }) => delta.role))
    assert.deepStrictEqual(
      roles.map(({ index }) => index),
      [0, 1],
    )
    assert.deepStrictEqual(
      chunks
        .filter(({ finishReason }) => finishReason !== undefined)
        .map((chunk) => wire(chunk).choices[0]?.index),
      [0],
    )
  })

  it("gives one reason at the end when the model tells one with every event", () => {
    const { chunks } = run([
      piece([{ text: "a" }], stop),
      piece([{ text: "b" }], { finishReason: "MAX_TOKENS" }),
    ])
    assert.strictEqual(chunks.map(({ text }) => text).join(""), "ab")
    assert.deepStrictEqual(
      chunks.map(({ finishReason }) => finishReason),
      [undefined, undefined, "length"],
    )
  })

  it("reads a last event that lacks its blank line", () => {
    const last = `data: ${JSON.stringify(piece([{ text: "b" }], stop))}\n`
    const { chunks, outcome } = run([piece([{ text: "a" }])], last)
    assert.strictEqual(outcome, "Done")
    assert.strictEqual(chunks.map(({ text }) => text).join(""), "ab")
  })
})

describe("a stream that fails", () => {
  it("is cut when a candidate has not told why it stopped", () => {
    assert.strictEqual(run([]).outcome, "reset")
    assert.strictEqual(run([{ usageMetadata: { promptTokenCount: 1, totalTokenCount: 1 } }]).outcome, "reset")
    assert.strictEqual(run([piece([{ text: "a" }])]).outcome, "reset")
    assert.strictEqual(run([piece([{ text: "a" }])], 'data: {"candi').outcome, "reset")
    const half = {
      candidates: [
        { content: { parts: [{ text: "a" }] }, ...stop },
        { content: { parts: [{ text: "b" }] }, index: 1 },
      ],
    }
    assert.strictEqual(run([half]).outcome, "reset")
  })

  it("is one whose first choice stopped for a failure, or before it had said anything", () => {
    const failed = { finishReason: "MALFORMED_FUNCTION_CALL" }
    const second = { index: 1, content: { parts: [{ text: "b" }] }, ...stop }
    assert.strictEqual(run([piece([], failed)]).outcome, "no_answer")
    assert.strictEqual(run([piece([{ text: "" }]), piece([], failed)]).outcome, "no_answer")
    assert.strictEqual(run([{ candidates: [failed, second] }]).outcome, "no_answer", "whatever others said")
    for (const part of [{ text: "a" }, { text: "a", thought: true }, { functionCall: { name: "f" } }]) {
      assert.strictEqual(run([piece([part]), piece([], failed)]).outcome, "no_answer")
      assert.strictEqual(
        run([piece([part]), piece([], { finishReason: "OTHER" })]).outcome,
        "thought" in part ? "no_answer" : "Done",
      )
    }
    assert.strictEqual(run([{ candidates: [second, { index: 0, ...stop }] }]).outcome, "no_answer")
    assert.strictEqual(
      run([piece([{ text: "a" }], stop), { candidates: [{ ...failed, index: 1 }] }]).outcome,
      "Done",
    )
    assert.strictEqual(run([piece([], stop)]).outcome, "no_answer")
    for (const reason of ["MAX_TOKENS", "SAFETY", "MODEL_ARMOR", "ESCALATION"]) {
      assert.strictEqual(run([piece([], { finishReason: reason })]).outcome, "Done")
    }
  })

  it("tells the usage so far with every chunk", () => {
    const { chunks } = run([
      { usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 } },
      piece([{ text: "a" }]),
    ])
    assert.strictEqual(chunks[0]?.usage?.usage?.inputTokens, 9)
  })

  it("tells a usage that comes with nothing to say, for which clients get a comment", () => {
    const counted = (output: number) => ({
      usageMetadata: { promptTokenCount: 9, candidatesTokenCount: output, totalTokenCount: 9 + output },
    })
    const answer = piece([{ text: "a" }])
    for (const silent of [counted(5), { ...piece([]), ...counted(5) }, { candidates: [], ...counted(5) }]) {
      const { chunks, outcome } = run([counted(0), { ...answer, ...counted(1) }, silent])
      assert.strictEqual(outcome, "reset")
      assert.deepStrictEqual(
        chunks.map((chunk) => [isComment(chunk), chunk.usageOnly, chunk.semantic]),
        [
          [true, true, false],
          [false, false, true],
          [true, true, false],
        ],
      )
      assert.deepStrictEqual(
        chunks.map(({ usage }) => usage?.usage?.outputTokens),
        [0, 1, 5],
      )
    }
  })

  it("is of no use nested too deeply, which is not written out", () => {
    const args: unknown = JSON.parse(`${'{"a":'.repeat(300)}1${"}".repeat(300)}`)
    const { chunks, outcome } = run([piece([{ functionCall: { name: "f", args } }], stop)])
    assert.deepStrictEqual([chunks, outcome], [[], "bad_response"])
  })

  it.each<[name: string, error: unknown, kind: string]>([
    ["an overload", errorSamples.overloaded.gemini.body, "overloaded"],
    ["a limit, in an array", [errorSamples.rateLimited.gemini.body], "rate_limited"],
    ["an error without a code", { error: { message: "?" } }, "server_error_once"],
  ])(
    "classifies %s as an event, as an unfinished one, and as bare JSON after the events",
    (_name, error, kind) => {
      assert.strictEqual(run([piece([{ text: "a" }]), error]).outcome, kind)
      for (const after of [piece([{ text: "a" }]), piece([{ text: "a" }], stop)]) {
        assert.strictEqual(run([after], `data: ${JSON.stringify(error)}\n`).outcome, kind)
        assert.strictEqual(run([after], JSON.stringify(error, null, 2)).outcome, kind)
      }
    },
  )

  it("gives a blocked prompt as a content_filter error", () => {
    assert.strictEqual(run([errorSamples.contentFilter.gemini.body]).outcome, "content_filter")
  })

  it("takes an event that is no JSON object for a bad response, and an empty one for none", () => {
    const read = (data: string) => gemini.openStream("m", nowMs).read(framed(data))
    assert.deepInclude(read("<html>"), { _tag: "Fault" })
    assert.deepInclude(read("7"), { _tag: "Fault" })
    assert.deepStrictEqual(read(""), { _tag: "Chunks", chunks: [] })
  })

  it("does not remember more candidates than anybody can ask for", () => {
    assert.strictEqual(
      run([{ candidates: [{ index: 1e9, content: { parts: [] } }] }]).outcome,
      "bad_response",
    )
  })

  it("never throws, whatever JSON comes", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.jsonValue(), fc.string(), (events, a, rest) => {
        run(events, rest)
        run(
          [
            { candidates: [a], promptFeedback: a },
            { candidates: events, usageMetadata: a },
          ],
          rest,
        )
        run(
          [piece([a, { functionCall: a }, { text: a }], { finishReason: a, index: a, logprobsResult: a })],
          rest,
        )
      }),
    )
  })
})

// --- any way to cut an answer into events

const part = fc.oneof(
  fc.record({ text: fc.string() }),
  fc.record({ text: fc.string(), thought: fc.constant(true) }),
  fc.record({
    functionCall: fc.record(
      { name: fc.constantFrom("f", "g"), args: fc.dictionary(fc.string(), fc.jsonValue()), id: fc.uuid() },
      { requiredKeys: ["name"] },
    ),
    thoughtSignature: fc.constant("c2ln"),
  }),
)

/** A candidate's parts, dealt out to events; texts are cut further. */
const cutCandidate = fc
  .record({
    parts: fc.array(part, { maxLength: 6 }),
    cuts: fc.array(fc.nat(5), { minLength: 1, maxLength: 10 }),
    finishReason: fc.constantFrom("STOP", "MAX_TOKENS", "SAFETY", "OTHER"),
  })
  .map(({ parts, cuts, finishReason }) => {
    const pieces = parts.flatMap((each): ReadonlyArray<unknown> => {
      if (!("text" in each)) return [each]
      const at = (cuts[0] ?? 0) % (each.text.length + 1)
      return [
        { ...each, text: each.text.slice(0, at) },
        { ...each, text: each.text.slice(at) },
      ]
    })
    const events: Array<ReadonlyArray<unknown>> = []
    let next = 0
    for (let turn = 0; next < pieces.length || events.length === 0; turn += 1) {
      const size = cuts[turn % cuts.length] ?? 0
      // Nothing now and then, but not for ever.
      const taken = turn >= cuts.length ? Math.max(1, size) : size
      events.push(pieces.slice(next, next + taken))
      next += taken
    }
    return { parts, events, finishReason }
  })

/** What a client puts together from the chunks, per choice. */
const reassemble = (chunks: ReadonlyArray<ChatChunk>) => {
  const choices = new Map<
    number,
    { roles: number; finish: Array<string>; content: string; reasoning: string; calls: Array<object> }
  >()
  for (const { index, delta, finish_reason } of chunks.flatMap((chunk) => wire(chunk).choices)) {
    const known = choices.get(index) ?? { roles: 0, finish: [], content: "", reasoning: "", calls: [] }
    choices.set(index, known)
    assert.isEmpty(known.finish, "nothing comes after the reason")
    const said: Delta = delta
    if (said.role !== undefined) known.roles += 1
    known.content += said.content ?? ""
    known.reasoning += said.reasoning_content ?? ""
    for (const { index: nth, ...call } of said.tool_calls ?? []) {
      assert.strictEqual(nth, known.calls.length)
      known.calls.push(call)
    }
    if (finish_reason !== null) known.finish.push(finish_reason)
  }
  return choices
}

describe("any split of an answer into events", () => {
  it("reassembles to the whole answer's message, with one role and one reason each, and one usage", () => {
    fc.assert(
      fc.property(
        fc.array(cutCandidate, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        (candidates, together) => {
          const about = { modelVersion: "m-1", responseId: "r1" }
          const usageMetadata = { promptTokenCount: 5, candidatesTokenCount: 7, totalTokenCount: 12 }
          const whole = {
            candidates: candidates.map(({ parts, finishReason }, index) => ({
              content: { parts },
              finishReason,
              index,
            })),
            usageMetadata,
            ...about,
          }
          const turns = Math.max(...candidates.map(({ events }) => events.length))
          const events = Array.from({ length: turns }, (_, turn) =>
            candidates.flatMap(({ events: own, finishReason }, index) => {
              const parts = own[turn]
              if (parts === undefined) return []
              // A zero is left out of Google's JSON.
              return [
                {
                  content: { parts },
                  ...(turn === own.length - 1 && { finishReason }),
                  ...(index > 0 && { index }),
                },
              ]
            }),
          )
            .flatMap((now) => (together ? [now] : now.map((one) => [one])))
            .map((now, turn) => ({
              candidates: now,
              ...about,
              usageMetadata: { ...usageMetadata, candidatesTokenCount: turn },
            }))
          const { chunks: all, outcome } = run([...events, { usageMetadata, ...about }])
          const chunks = all.filter((chunk) => !isComment(chunk))

          const parsed = gemini.parse("m", { json: whole, bytes: Buffer.alloc(0), nowMs })
          assert.strictEqual(outcome, Result.isFailure(parsed) ? parsed.failure.kind : "Done")
          if (Result.isFailure(parsed)) return
          const answer = parsed.success
          const expected: OpenAI.ChatCompletion = JSON.parse(answer.body().toString())
          const choices = reassemble(chunks)
          assert.strictEqual(choices.size, expected.choices.length)
          for (const { index, message, finish_reason } of expected.choices) {
            const own: { content: string | null; reasoning_content?: string } = message
            assert.deepStrictEqual(choices.get(index), {
              roles: 1,
              finish: [finish_reason],
              content: own.content ?? "",
              reasoning: own.reasoning_content ?? "",
              calls: message.tool_calls ?? [],
            })
          }
          assert.strictEqual(chunks.map(({ text }) => text).join(""), answer.text)
          assert.strictEqual(
            chunks.find(({ finishReason }) => finishReason !== undefined)?.finishReason,
            answer.finishReason,
          )
          assert.deepStrictEqual(
            chunks.filter(({ usageOnly }) => usageOnly),
            chunks.slice(-1),
          )
          assert.deepStrictEqual(wire(chunks.at(-1) ?? assert.fail("no chunk")).usage, expected.usage)
          assert.lengthOf(
            new Set(chunks.map((chunk) => `${wire(chunk).id} ${wire(chunk).created} ${wire(chunk).model}`)),
            1,
          )
          assert.strictEqual(chunks.map(wire)[0]?.id, expected.id)
        },
      ),
      { numRuns: 300 },
    )
  })

  it("is the same for calls in a single event", () => {
    const { chunks } = run([geminiToolAnswer({ model: "m" }, [{ name: "f", args: {} }])])
    assert.deepStrictEqual(
      chunks.map(({ finishReason }) => finishReason),
      [undefined, "tool_calls", undefined],
    )
  })
})
