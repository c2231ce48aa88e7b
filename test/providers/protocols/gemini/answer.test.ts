import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { gemini } from "../../../../src/providers/protocols/gemini/protocol.ts"
import { errorSamples } from "../../../support/fake-upstream-errors.ts"
import { geminiThoughtAnswer, geminiToolAnswer } from "../../../support/fake-upstream-gemini.ts"
import { lowerChat } from "./lowering.ts"

const nowMs = 1_700_000_000_123
const parse = (json: unknown) => gemini.parse("gemini-x", { json, bytes: Buffer.alloc(0), nowMs })
const completion = (json: unknown) => Result.getOrThrow(parse(json))
const body = (json: unknown) => JSON.parse(completion(json).body().toString())
const fault = (json: unknown) => {
  const parsed = parse(json)
  return Result.isFailure(parsed) ? parsed.failure : undefined
}

const usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 4, totalTokenCount: 7 }
const deep: unknown = JSON.parse(`${"[".repeat(300)}${"]".repeat(300)}`)
const candidate = (parts: unknown, finishReason: unknown = "STOP") => ({
  candidates: [{ content: { role: "model", parts }, finishReason }],
  usageMetadata,
  modelVersion: "gemini-x-001",
  responseId: "r1",
})

describe("what the gateway keeps of an answer", () => {
  it("joins the text parts and leaves thoughts out", () => {
    const { body: _, ...kept } = completion(
      candidate([{ text: "hm", thought: true }, { text: "a" }, { text: "b", thought: false }]),
    )
    assert.deepStrictEqual(kept, {
      text: "ab",
      finishReason: "stop",
      model: "gemini-x-001",
      usage: { inputTokens: 3, outputTokens: 4, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
      usageEstimated: false,
      rawUsage: usageMetadata,
    })
  })

  it.each([
    ["STOP", "stop", "stop"],
    ["MAX_TOKENS", "length", "length"],
    ["SAFETY", "content_filter", "content_filter"],
    ["RECITATION", "content_filter", "content_filter"],
    ["BLOCKLIST", "content_filter", "content_filter"],
    ["PROHIBITED_CONTENT", "content_filter", "content_filter"],
    ["SPII", "content_filter", "content_filter"],
    ["LANGUAGE", "content_filter", "content_filter"],
    ["IMAGE_SAFETY", "content_filter", "content_filter"],
    ["IMAGE_PROHIBITED_CONTENT", "content_filter", "content_filter"],
    ["MODEL_ARMOR", "content_filter", "content_filter"],
    ["OTHER", "other", "stop"],
    ["A_REASON_OF_2030", "other", "stop"],
    [null, "other", "stop"],
    [7, "other", "stop"],
  ])("finish reason %j is %s, on the wire %s", (reason, expected, wire) => {
    const json = candidate([{ text: "x" }], reason)
    assert.strictEqual(completion(json).finishReason, expected)
    assert.strictEqual(body(json).choices[0].finish_reason, wire)
  })

  it("tells calls that were cut short by their length", () => {
    const parts = [{ functionCall: { name: "f", args: {} } }]
    assert.strictEqual(completion(candidate(parts)).finishReason, "tool_calls")
    assert.strictEqual(completion(candidate(parts, "MAX_TOKENS")).finishReason, "length")
  })

  it("gives a blocked answer as an empty one", () => {
    const json = { candidates: [{ finishReason: "SAFETY", index: 0 }], usageMetadata }
    const { text, finishReason } = completion(json)
    assert.deepStrictEqual({ text, finishReason }, { text: "", finishReason: "content_filter" })
    assert.strictEqual(body(json).choices[0].message.content, "")
  })
})

describe("the answer as OpenAI's JSON", () => {
  it("is a chat completion with the provider's names and counts", () => {
    assert.deepStrictEqual(body(geminiThoughtAnswer({ model: "gemini-x-001" }, "hm", "hello")), {
      id: "chatcmpl-resp_fake",
      object: "chat.completion",
      created: 1_700_000_000,
      model: "gemini-x-001",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "hello", refusal: null, reasoning_content: "hm" },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: {
        prompt_tokens: 10,
        completion_tokens: 5,
        total_tokens: 15,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    })
  })

  it("gives calls with their signatures, under Gemini's ids or ids of our own", () => {
    const json = geminiToolAnswer({ model: "m" }, [
      { name: "weather", args: { place: "Oslo" }, signature: "c2ln" },
      { name: "now", args: {}, id: "fc-7" },
    ])
    assert.strictEqual(completion(json).finishReason, "tool_calls")
    const [choice] = body(json).choices
    assert.strictEqual(choice.finish_reason, "tool_calls")
    assert.deepStrictEqual(choice.message, {
      role: "assistant",
      content: null,
      refusal: null,
      tool_calls: [
        {
          id: "call_resp_fake_0_0",
          type: "function",
          function: { name: "weather", arguments: '{"place":"Oslo"}' },
          extra_content: { google: { thought_signature: "c2ln" } },
        },
        { id: "fc-7", type: "function", function: { name: "now", arguments: "{}" } },
      ],
    })
  })

  it("has images, and the signatures of texts and images, which go back with the history", () => {
    const { message } = body(
      candidate([
        { text: "draft", thought: true },
        { inlineData: { mimeType: "image/png", data: "AAAA" }, thought: true },
        { text: "here" },
        { inlineData: { mimeType: "image/png", data: "BBBB" }, thoughtSignature: "YmI=" },
        { inlineData: { mimeType: "audio/wav", data: "CCCC" } },
        { text: "", thoughtSignature: "c2ln" },
      ]),
    ).choices[0]
    assert.deepStrictEqual(message, {
      role: "assistant",
      content: "here",
      refusal: null,
      reasoning_content: "draft",
      images: [
        {
          type: "image_url",
          image_url: { url: "data:image/png;base64,BBBB" },
          extra_content: { google: { thought_signature: "YmI=" } },
        },
      ],
      extra_content: { google: { thought_signature: "c2ln" } },
    })
    const asked = { role: "user" as const, content: "Draw." }
    assert.deepStrictEqual(
      Result.getOrThrow(lowerChat({ messages: [asked, message] }, "gemini-3-flash")).contents[1],
      {
        role: "model",
        parts: [
          { text: "here", thoughtSignature: "c2ln" },
          { inlineData: { mimeType: "image/png", data: "BBBB" }, thoughtSignature: "YmI=" },
        ],
      },
    )
    const onlyImage = candidate([{ inlineData: { mimeType: "image/png", data: "BBBB" } }])
    assert.strictEqual(body(onlyImage).choices[0].message.images.length, 1)
    assert.strictEqual(body(onlyImage).choices[0].finish_reason, "stop")
  })

  it("gives calls the names that the client knows", () => {
    const name = "1st/search v2"
    const lowered = lowerChat(
      {
        messages: [{ role: "user", content: "Find it." }],
        tools: [{ type: "function", function: { name } }],
        tool_choice: { type: "function", function: { name } },
      },
      "gemini-3-flash",
    )
    const { tools, toolConfig } = Result.getOrThrow(lowered)
    const theirs = tools[0].functionDeclarations[0].name
    assert.match(theirs, /^[A-Za-z_][A-Za-z0-9_]*$/)
    assert.deepStrictEqual(toolConfig.functionCallingConfig.allowedFunctionNames, [theirs])
    const { message } = body(geminiToolAnswer({ model: "m" }, [{ name: theirs, args: {} }])).choices[0]
    assert.strictEqual(message.tool_calls[0].function.name, name)
  })

  it("reads back as history what it gave as an answer", () => {
    const { message } = body(
      geminiToolAnswer({ model: "m" }, [{ name: "weather", args: { place: "Oslo" }, signature: "c2ln" }]),
    ).choices[0]
    const result = { role: "tool" as const, tool_call_id: message.tool_calls[0].id, content: "3 degrees" }
    const asked = { role: "user" as const, content: "The weather?" }
    const lowered = lowerChat({ messages: [asked, message, result] }, "gemini-3-flash")
    assert.deepStrictEqual(Result.getOrThrow(lowered).contents.slice(1), [
      {
        role: "model",
        parts: [
          {
            functionCall: { id: "call_resp_fake_0_0", name: "weather", args: { place: "Oslo" } },
            thoughtSignature: "c2ln",
          },
        ],
      },
      {
        role: "user",
        parts: [
          {
            functionResponse: {
              id: "call_resp_fake_0_0",
              name: "weather",
              response: { result: "3 degrees" },
            },
          },
        ],
      },
    ])
  })

  it("keeps ids of calls within the 40 characters that OpenAI takes", () => {
    const json = {
      candidates: [{ content: { parts: [{ functionCall: { name: "f" } }] }, finishReason: "STOP" }],
      responseId: "x".repeat(80),
    }
    assert.isAtMost(body(json).choices[0].message.tool_calls[0].id.length, 40)
  })

  it("numbers the choices", () => {
    const one = (text: string) => ({ content: { parts: [{ text }] }, finishReason: "STOP" })
    const { choices } = body({ candidates: [one("a"), { ...one("b"), index: 1 }] })
    assert.deepStrictEqual(
      choices.map((choice: { index: number; message: { content: string } }) => [
        choice.index,
        choice.message.content,
      ]),
      [
        [0, "a"],
        [1, "b"],
      ],
    )
  })

  it("translates log probabilities, where Google leaves zeros out", () => {
    const json = {
      candidates: [
        {
          content: { parts: [{ text: "é" }] },
          finishReason: "STOP",
          logprobsResult: {
            chosenCandidates: [{ token: "é", logProbability: -0.5, tokenId: 9 }],
            topCandidates: [{ candidates: [{ token: "e" }, { token: "é", logProbability: -0.5 }] }],
          },
        },
      ],
    }
    assert.deepStrictEqual(body(json).choices[0].logprobs, {
      content: [
        {
          token: "é",
          logprob: -0.5,
          bytes: [195, 169],
          top_logprobs: [
            { token: "e", logprob: 0, bytes: [101] },
            { token: "é", logprob: -0.5, bytes: [195, 169] },
          ],
        },
      ],
      refusal: null,
    })
  })

  it("has an id and a model when Gemini names neither, and no usage when it counts none", () => {
    const json = { candidates: [{ content: { parts: [{ text: "a" }] }, finishReason: "STOP" }] }
    const { id, model, usage } = body(json)
    assert.match(id, /^chatcmpl-\w+$/)
    assert.strictEqual(model, "gemini-x")
    assert.isUndefined(usage)
  })

  it("takes parts of kinds that OpenAI has none of", () => {
    const json = candidate([
      { inlineData: { mimeType: "image/png", data: "AAAA" } },
      { executableCode: { code: "1" } },
      { text: "there" },
    ])
    assert.strictEqual(body(json).choices[0].message.content, "there")
  })
})

describe("no answer", () => {
  it("gives a blocked prompt as a content_filter error that names the reason", () => {
    assert.deepStrictEqual(fault(errorSamples.contentFilter.gemini.body), {
      kind: "content_filter",
      message: "The provider blocked the prompt: SAFETY",
      param: null,
    })
  })

  it("classifies an error that comes with a 200", () => {
    assert.strictEqual(fault(errorSamples.overloaded.gemini.body)?.kind, "overloaded")
    assert.strictEqual(fault([errorSamples.rateLimited.gemini.body])?.kind, "rate_limited")
    assert.strictEqual(fault({ error: {} })?.kind, "server_error_once")
  })

  it.each<[reason: string, kind: string]>([
    ["MALFORMED_FUNCTION_CALL", "no_answer"],
    ["UNEXPECTED_TOOL_CALL", "no_answer"],
    ["TOO_MANY_TOOL_CALLS", "no_answer"],
    ["MALFORMED_RESPONSE", "no_answer"],
    ["MISSING_THOUGHT_SIGNATURE", "needs_rewording"],
    ["PUP_LIMITED_DISABLED", "not_enabled"],
  ])("is a candidate that stopped for %s, whatever it said before", (reason, kind) => {
    const said = [{ text: "a" }, { text: "a", thought: true }, { functionCall: { name: "f" } }]
    for (const parts of [undefined, [], [{ text: "" }], ...said.map((part) => [part])]) {
      assert.strictEqual(fault(candidate(parts, reason))?.kind, kind)
    }
  })

  it.each(["NO_IMAGE", "OTHER", "A_REASON_OF_2030"])(
    "is an empty candidate that stopped for %s",
    (reason) => {
      for (const parts of [undefined, [], [{ text: "" }], [{ text: "a", thought: true }]]) {
        assert.deepInclude(fault(candidate(parts, reason)), { kind: "no_answer", detail: reason })
      }
      const said = [{ text: "a" }, { functionCall: { name: "f" } }]
      for (const part of said) assert.isUndefined(fault(candidate([part], reason)))
    },
  )

  it("is an empty candidate that just stopped, and not one that was stopped", () => {
    assert.strictEqual(fault(candidate([], "STOP"))?.kind, "no_answer")
    assert.strictEqual(fault(candidate([{ text: "" }], "STOP"))?.kind, "no_answer")
    assert.strictEqual(fault(candidate([{ text: "a", thought: true }], "STOP"))?.kind, "no_answer")
    for (const reason of ["MAX_TOKENS", "SAFETY", "MODEL_ARMOR", "ESCALATION"]) {
      assert.strictEqual(completion(candidate([], reason)).text, "")
    }
  })

  it.each<[name: string, value: unknown]>([
    ["no JSON", undefined],
    ["null", null],
    ["an array", [candidate([{ text: "x" }])]],
    ["no candidates and no block reason", { usageMetadata }],
    ["empty candidates", { candidates: [], promptFeedback: {} }],
    ["candidates of another type", { candidates: "x" }],
    ["an empty candidate", { candidates: [{}] }],
    ["one nested too deeply", candidate([{ functionCall: { name: "f", args: { deep } } }])],
  ])("%s is a bad response", (_name, value) => {
    assert.strictEqual(fault(value)?.kind, "bad_response")
  })

  it("never throws, whatever JSON comes", () => {
    const read = (json: unknown) => {
      const parsed = parse(json)
      if (Result.isSuccess(parsed)) parsed.success.body()
    }
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        read(a)
        read({ candidates: [a], usageMetadata: b, error: a })
        read({ candidates: [{ content: a, finishReason: b, logprobsResult: a, index: b }], responseId: b })
        read({
          candidates: [{ content: { parts: [a, b, { functionCall: a }, { text: b, thought: true }] } }],
        })
      }),
    )
  })
})

describe("usage", () => {
  const usage = (counts: unknown) =>
    completion({ candidates: [{ finishReason: "MAX_TOKENS" }], usageMetadata: counts }).usage

  it("adds thoughts to the output and tool results to the input; cached tokens are in the prompt already", () => {
    assert.deepStrictEqual(
      usage({
        promptTokenCount: 100,
        cachedContentTokenCount: 64,
        toolUsePromptTokenCount: 11,
        candidatesTokenCount: 20,
        thoughtsTokenCount: 30,
        totalTokenCount: 161,
      }),
      { inputTokens: 111, outputTokens: 50, cachedTokens: 64, cacheWriteTokens: 0, reasoningTokens: 30 },
    )
  })

  it("finds audio and images among the modalities", () => {
    const found = usage({
      promptTokenCount: 100,
      promptTokensDetails: [
        { modality: "TEXT", tokenCount: 40 },
        { modality: "AUDIO", tokenCount: 60 },
      ],
      cachedContentTokenCount: 50,
      cacheTokensDetails: [
        { modality: "AUDIO", tokenCount: 20 },
        { modality: "TEXT", tokenCount: 30 },
      ],
      toolUsePromptTokenCount: 10,
      toolUsePromptTokensDetails: [{ modality: "AUDIO", tokenCount: 10 }],
      candidatesTokenCount: 90,
      candidatesTokensDetails: [
        { modality: "IMAGE", tokenCount: 70 },
        { modality: "AUDIO", tokenCount: 15 },
      ],
      totalTokenCount: 200,
    })
    assert.deepStrictEqual(found?.details, {
      audio_input_tokens: 70,
      cached_audio_tokens: 20,
      audio_output_tokens: 15,
      image_output_tokens: 70,
    })
  })

  it("takes a modality without a count for none of it", () => {
    const found = usage({
      promptTokenCount: 9,
      promptTokensDetails: [{ modality: "TEXT", tokenCount: 9 }, { modality: "AUDIO" }],
      candidatesTokenCount: 5,
      totalTokenCount: 14,
    })
    assert.strictEqual(found?.inputTokens, 9)
    assert.isUndefined(found?.details)
  })

  it("takes modalities that leave a document's tokens out, as Google's do", () => {
    const found = usage({
      promptTokenCount: 783,
      candidatesTokenCount: 9,
      totalTokenCount: 792,
      promptTokensDetails: [{ modality: "TEXT", tokenCount: 9 }],
    })
    assert.strictEqual(found?.inputTokens, 783)
  })

  it("finds a candidates count that was left out for being zero", () => {
    assert.deepStrictEqual(usage({ promptTokenCount: 10, thoughtsTokenCount: 5, totalTokenCount: 15 }), {
      inputTokens: 10,
      outputTokens: 5,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      reasoningTokens: 5,
    })
  })

  it.each<[name: string, counts: unknown]>([
    ["absent", undefined],
    ["null", null],
    ["no prompt count", { candidatesTokenCount: 1 }],
    ["no candidates and no total", { promptTokenCount: 1 }],
    ["a total below its parts", { promptTokenCount: 10, thoughtsTokenCount: 9, totalTokenCount: 12 }],
    [
      "a total below prompt and candidates",
      { promptTokenCount: 10, candidatesTokenCount: 9, totalTokenCount: 18 },
    ],
    ["a total above its parts", { promptTokenCount: 10, candidatesTokenCount: 9, totalTokenCount: 25 }],
    [
      "a total without its thoughts",
      { promptTokenCount: 10, candidatesTokenCount: 9, thoughtsTokenCount: 4, totalTokenCount: 19 },
    ],
    ["a total that is a text", { promptTokenCount: 10, candidatesTokenCount: 9, totalTokenCount: "19" }],
    ["a prompt of nothing", { promptTokenCount: 0, candidatesTokenCount: 9, totalTokenCount: 9 }],
    [
      "modalities of more than the prompt",
      {
        promptTokenCount: 10,
        candidatesTokenCount: 9,
        totalTokenCount: 19,
        promptTokensDetails: [
          { modality: "TEXT", tokenCount: 10 },
          { modality: "IMAGE", tokenCount: 1 },
        ],
      },
    ],
    [
      "modalities of more than was cached",
      {
        promptTokenCount: 10,
        candidatesTokenCount: 9,
        cachedContentTokenCount: 4,
        cacheTokensDetails: [{ modality: "TEXT", tokenCount: 5 }],
      },
    ],
    [
      "more audio than prompt",
      {
        promptTokenCount: 1,
        candidatesTokenCount: 5,
        promptTokensDetails: [{ modality: "AUDIO", tokenCount: 2 }],
      },
    ],
    [
      "audio with a text for a number",
      {
        promptTokenCount: 1,
        candidatesTokenCount: 5,
        promptTokensDetails: [{ modality: "AUDIO", tokenCount: "1" }],
      },
    ],
    ["negative thoughts", { promptTokenCount: 1, candidatesTokenCount: 5, thoughtsTokenCount: -1 }],
    ["a negative prompt", { promptTokenCount: -1, toolUsePromptTokenCount: 5, candidatesTokenCount: 5 }],
    ["negative tool tokens", { promptTokenCount: 5, toolUsePromptTokenCount: -1, candidatesTokenCount: 5 }],
    ["negative candidates", { promptTokenCount: 1, candidatesTokenCount: -1, thoughtsTokenCount: 5 }],
    ["text", { promptTokenCount: "1", candidatesTokenCount: 1 }],
    ["a text among the parts", { promptTokenCount: 1, candidatesTokenCount: 1, thoughtsTokenCount: "1" }],
  ])("%s is unknown, not zero", (_name, counts) => {
    assert.isNull(usage(counts))
  })
})
