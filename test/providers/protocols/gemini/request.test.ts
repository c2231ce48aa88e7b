import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { ChatMessage, ChatRequest } from "../../../../src/domain/Chat.ts"
import { gemini } from "../../../../src/providers/protocols/gemini/protocol.ts"
import { geminiRequestFault } from "../../../support/fake-upstream-gemini.ts"
import { faultOf, lowerChat } from "./lowering.ts"

const user: ChatMessage = { role: "user", content: "hi" }

/** What goes out, once Google's own rules let it through. */
const lower = (request: ChatRequest, model = "gemini-2.5-flash") => {
  const body = Result.getOrThrow(lowerChat(request, model))
  assert.isUndefined(geminiRequestFault(body, model))
  return body
}
const fault = (request: ChatRequest, model = "gemini-2.5-flash") => faultOf(lowerChat(request, model))
const asked = (fields: Partial<ChatRequest>): ChatRequest => ({ messages: [user], ...fields })
const said = (
  ...content: ReadonlyArray<Record<string, unknown> & { readonly type: string }>
): ChatRequest => ({
  messages: [{ role: "user", content }],
})

const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather of a place.",
    parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
    strict: true,
  },
}
const call = (id: string, args = '{"place":"Oslo"}', more: object = {}) => ({
  id,
  type: "function",
  function: { name: "weather", arguments: args },
  ...more,
})
const calling = (args: string): ChatRequest => ({
  messages: [user, { role: "assistant", tool_calls: [call("a", args)] }],
})
/** An object in an object in an object, so many times. */
const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`
const imageAt = (url: string) => ({ type: "image_url", image_url: { url } })
const signed = (signature: string) => ({ extra_content: { google: { thought_signature: signature } } })

describe("messages", () => {
  it("sets instructions at the beginning apart, leaves later ones where they are, and joins turns of one side", () => {
    assert.deepStrictEqual(
      lower({
        messages: [
          { role: "system", content: "be brief" },
          { role: "developer", content: "and kind" },
          user,
          { role: "user", content: "there" },
          { role: "assistant", content: "hello" },
          { role: "developer", content: [{ type: "text", text: "NOTICE" }] },
          { role: "assistant", content: [{ type: "refusal", refusal: "no" }] },
          { role: "assistant", content: "never" },
          { role: "user", content: "well" },
          { role: "system", content: "" },
          { role: "system", content: "hurry" },
        ],
      }),
      {
        systemInstruction: { role: "user", parts: [{ text: "be brief" }, { text: "and kind" }] },
        contents: [
          { role: "user", parts: [{ text: "hi" }, { text: "there" }] },
          { role: "model", parts: [{ text: "hello" }] },
          { role: "user", parts: [{ text: "NOTICE" }] },
          { role: "model", parts: [{ text: "no" }, { text: "never" }] },
          { role: "user", parts: [{ text: "well" }, { text: "hurry" }] },
        ],
      },
    )
  })

  it("puts instructions between a call and its results behind the last result, or before the next turn", () => {
    const between = (...rest: ReadonlyArray<ChatMessage>) =>
      lower({
        messages: [
          user,
          { role: "assistant", tool_calls: [call("a"), call("b")] },
          { role: "system", content: "first" },
          { role: "tool", tool_call_id: "b", content: "1" },
          { role: "developer", content: "second" },
          ...rest,
        ],
      })
        .contents.slice(2)
        .map(({ parts }: { parts: ReadonlyArray<{ text?: string; functionResponse?: { id: string } }> }) =>
          parts.map(({ text, functionResponse }) => text ?? functionResponse?.id),
        )
    const last = { role: "tool", tool_call_id: "a", content: "2" } as const
    assert.deepStrictEqual(between(last, user), [
      ["b", "a"],
      ["first", "second", "hi"],
    ])
    assert.deepStrictEqual(between(last), [
      ["b", "a"],
      ["first", "second"],
    ])
    assert.deepStrictEqual(between(last, { role: "system", content: "third" }), [
      ["b", "a"],
      ["first", "second", "third"],
    ])
    // The other one got none.
    assert.deepStrictEqual(between(user), [
      ["b", "a"],
      ["first", "second", "hi"],
    ])
  })

  it("lets the user say something before a history that opens with a call", () => {
    const { contents } = lower({
      messages: [
        { role: "system", content: "be brief" },
        { role: "assistant", tool_calls: [call("a")] },
        { role: "tool", tool_call_id: "a", content: "3" },
      ],
    })
    assert.deepStrictEqual(contents[0], { role: "user", parts: [{ text: "Continue." }] })
    assert.lengthOf(contents, 3)
    assert.strictEqual(
      lower({ messages: [{ role: "assistant", content: "hello" }, user] }).contents[0].role,
      "model",
    )
  })

  it.each([
    ['{"place":', { arguments: '{"place":' }],
    ["[1]", { arguments: "[1]" }],
    ["Oslo", { arguments: "Oslo" }],
    [nested(65), { arguments: nested(65) }],
    [nested(1_000_000), { arguments: nested(1_000_000) }],
    [nested(64), JSON.parse(nested(64))],
  ])("gives arguments that are no object on as a text", (args, given) => {
    assert.deepStrictEqual(lower(calling(args)).contents[1].parts[0].functionCall.args, given)
  })

  it("gives images in the result of a function on to models that take them", () => {
    const request: ChatRequest = {
      messages: [
        user,
        { role: "assistant", tool_calls: [call("a")] },
        {
          role: "tool",
          tool_call_id: "a",
          content: [{ type: "text", text: '{"seen":true}' }, imageAt("data:image/png;base64,AAAA")],
        },
      ],
    }
    for (const model of ["gemini-3.8-flash", "gemini-flash-latest"]) {
      assert.deepStrictEqual(lower(request, model).contents[2].parts, [
        {
          functionResponse: {
            id: "a",
            name: "weather",
            response: { seen: true },
            parts: [{ inlineData: { mimeType: "image/png", data: "AAAA" } }],
          },
        },
      ])
    }
    assert.deepInclude(fault(request, "gemini-2.5-flash"), {
      kind: "unsupported",
      param: "messages[2].content",
    })
  })

  it("says instructions alone as the user, since Gemini wants something to answer", () => {
    assert.deepStrictEqual(lower({ messages: [{ role: "system", content: "sing" }] }), {
      contents: [{ role: "user", parts: [{ text: "sing" }] }],
    })
  })

  it("translates calls and their results, which stay together and apart from what is said", () => {
    assert.deepStrictEqual(
      lower({
        messages: [
          user,
          { role: "assistant", content: "let me see", tool_calls: [call("a"), call("b", "")] },
          { role: "tool", tool_call_id: "b", content: '{"celsius":3}' },
          { role: "tool", tool_call_id: "a", content: [{ type: "text", text: "[1]" }] },
          { role: "user", content: "and?" },
        ],
        tools: [weather],
      }).contents,
      [
        { role: "user", parts: [{ text: "hi" }] },
        {
          role: "model",
          parts: [
            { text: "let me see" },
            { functionCall: { id: "a", name: "weather", args: { place: "Oslo" } } },
            { functionCall: { id: "b", name: "weather", args: {} } },
          ],
        },
        {
          role: "user",
          parts: [
            { functionResponse: { id: "b", name: "weather", response: { celsius: 3 } } },
            { functionResponse: { id: "a", name: "weather", response: { result: "[1]" } } },
          ],
        },
        { role: "user", parts: [{ text: "and?" }] },
      ],
    )
  })

  const signatures = (model: string, ...calls: ReadonlyArray<object>) =>
    lower({ messages: [user, { role: "assistant", tool_calls: calls }] }, model).contents[1].parts.map(
      (part: { thoughtSignature?: string }) => part.thoughtSignature,
    )

  it("brings thought signatures back where Gemini gave them", () => {
    assert.deepStrictEqual(signatures("gemini-3.5-flash", call("a", "{}", signed("c2ln")), call("b")), [
      "c2ln",
      undefined,
    ])
    assert.deepStrictEqual(signatures("gemini-2.5-flash", call("a", "{}", signed("c2ln"))), ["c2ln"])
    assert.deepStrictEqual(signatures("gemma-4-31b-it", call("a", "{}", signed("c2ln"))), [undefined])
  })

  it("brings the signature of a text back to its last part, and those of images to them", () => {
    const parts = (message: object, model = "gemini-3.5-flash") =>
      lower({ messages: [user, { role: "assistant", ...message }] }, model).contents[1].parts
    const two = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ]
    assert.deepStrictEqual(parts({ content: two, ...signed("c2ln") }), [
      { text: "a" },
      { text: "b", thoughtSignature: "c2ln" },
    ])
    assert.deepStrictEqual(
      parts({ content: null, ...signed("c2ln"), tool_calls: [call("a", "{}", signed("YWE="))] }),
      [
        { text: "", thoughtSignature: "c2ln" },
        { functionCall: { id: "a", name: "weather", args: {} }, thoughtSignature: "YWE=" },
      ],
    )
    const image = { ...imageAt("data:image/png;base64,AAAA"), ...signed("YmI=") }
    assert.deepStrictEqual(parts({ content: "here", images: [image] }), [
      { text: "here" },
      { inlineData: { mimeType: "image/png", data: "AAAA" }, thoughtSignature: "YmI=" },
    ])
    assert.deepStrictEqual(parts({ content: "a", ...signed("c2ln") }, "gemma-4-31b-it"), [{ text: "a" }])
  })

  it("writes a history once more without its signatures, and with Google's stand-in for those of calls", () => {
    const messages: ReadonlyArray<ChatMessage> = [
      user,
      {
        role: "assistant",
        content: "a",
        ...signed("b2xk"),
        tool_calls: [call("a", "{}", signed("b2xk")), call("b")],
      },
    ]
    const again = (model: string) => {
      const writer = Result.getOrThrow(
        gemini.lower({ _tag: "Chat", request: { messages }, mode: "whole" }, model),
      )
      return JSON.parse(String(writer.reworded?.("")?.write("whole"))).contents[1].parts.map(
        (part: { thoughtSignature?: string }) => part.thoughtSignature,
      )
    }
    assert.deepStrictEqual(again("gemini-3.8-flash"), [
      undefined,
      "skip_thought_signature_validator",
      undefined,
    ])
    assert.deepStrictEqual(again("gemini-2.5-flash"), [undefined, undefined, undefined])
    const writer = gemini.lower(
      { _tag: "Chat", request: { messages: [user] }, mode: "whole" },
      "gemini-3.8-flash",
    )
    assert.isUndefined(Result.getOrThrow(writer).reworded?.(""))
  })

  it.each<[model: string, signature: string | undefined]>([
    ["gemini-3-pro-preview", "skip_thought_signature_validator"],
    ["gemini-3.8-flash", "skip_thought_signature_validator"],
    ["gemini-flash-latest", "skip_thought_signature_validator"],
    ["gemini-2.5-pro", undefined],
    ["gemma-3-27b-it", undefined],
  ])("signs the first of another provider's calls for %s with %s", (model, signature) => {
    assert.deepStrictEqual(signatures(model, call("a"), call("b")), [signature, undefined])
  })

  it("puts data into the request", () => {
    assert.deepStrictEqual(
      lower(
        said(
          { type: "text", text: "look" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "high" } },
          { type: "input_audio", input_audio: { data: "BBBB", format: "mp3" } },
          {
            type: "file",
            file: { filename: "a.pdf", file_data: "data:application/pdf;name=a.pdf;base64,CCCC" },
          },
        ),
      ).contents[0].parts,
      [
        { text: "look" },
        { inlineData: { mimeType: "image/png", data: "AAAA" } },
        { inlineData: { mimeType: "audio/mp3", data: "BBBB" } },
        { inlineData: { mimeType: "application/pdf", data: "CCCC" } },
      ],
    )
  })

  it("calls a JPEG by the name that Google knows", () => {
    const urls = ["data:image/jpg;base64,AAAA", "data:image/JPG;base64,AAAA", "data:image/jpeg;base64,AAAA"]
    assert.deepStrictEqual(
      lower(said(...urls.map(imageAt))).contents[0].parts,
      urls.map(() => ({ inlineData: { mimeType: "image/jpeg", data: "AAAA" } })),
    )
  })
})

describe("settings", () => {
  const config = (fields: Partial<ChatRequest>, model?: string) =>
    lower(asked(fields), model).generationConfig

  it("translates every setting that has a counterpart", () => {
    assert.deepStrictEqual(
      config(
        {
          max_tokens: 5,
          temperature: 0,
          top_p: 0.9,
          stop: "x",
          seed: 7,
          n: 8,
          frequency_penalty: 0.5,
          presence_penalty: -0.5,
          logprobs: true,
          top_logprobs: 4,
        },
        "gemini-2.0-flash",
      ),
      {
        temperature: 0,
        topP: 0.9,
        frequencyPenalty: 0.5,
        presencePenalty: -0.5,
        candidateCount: 8,
        seed: 7,
        maxOutputTokens: 5,
        stopSequences: ["x"],
        responseLogprobs: true,
        logprobs: 4,
      },
    )
    assert.deepStrictEqual(config({ max_completion_tokens: 9, max_tokens: 5, stop: ["x", "y"] }), {
      maxOutputTokens: 9,
      stopSequences: ["x", "y"],
    })
  })

  it("leaves out what asks for nothing, and null", () => {
    for (const nothing of [
      { n: 1, frequency_penalty: 0, presence_penalty: 0, logprobs: false, top_logprobs: 3, stop: [] },
      { response_format: { type: "text" }, tools: [], tool_choice: "auto", parallel_tool_calls: false },
      Object.fromEntries(
        [
          ...["max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed", "n", "logprobs"],
          ...["top_logprobs", "response_format", "tools", "tool_choice", "parallel_tool_calls", "logit_bias"],
          ...["audio", "modalities", "web_search_options", "functions", "function_call", "reasoning_effort"],
        ].map((field) => [field, null]),
      ),
      { modalities: ["text"], logit_bias: {}, functions: [], prediction: { type: "content", content: "x" } },
      {
        user: "u",
        metadata: { a: "b" },
        store: true,
        service_tier: "auto",
        stream_options: {},
        verbosity: "low",
      },
      { a_field_of_2030: { deep: true } },
    ]) {
      assert.deepStrictEqual(Object.keys(lower(asked(nothing))), ["contents"], JSON.stringify(nothing))
    }
  })

  it("folds a long seed into Gemini's 32 bits", () => {
    assert.deepStrictEqual(config({ seed: 2 ** 40 + 5 }), { seed: 5 })
  })

  it("asks for JSON, with a schema or without", () => {
    const schema = { type: "object", properties: { a: { type: "integer" } }, additionalProperties: false }
    assert.deepStrictEqual(config({ response_format: { type: "json_object" } }), {
      responseMimeType: "application/json",
    })
    assert.deepStrictEqual(
      config({ response_format: { type: "json_schema", json_schema: { name: "n", strict: true, schema } } }),
      { responseMimeType: "application/json", responseJsonSchema: schema },
    )
  })

  it.each<[model: string, effort: string, thinking: object | undefined]>([
    ["gemini-2.5-flash", "none", { thinkingBudget: 0 }],
    ["gemini-2.5-pro", "none", { thinkingBudget: 1024 }],
    ["gemini-2.5-flash", "minimal", { thinkingBudget: 1024, includeThoughts: true }],
    ["gemini-2.5-flash", "low", { thinkingBudget: 1024, includeThoughts: true }],
    ["gemini-2.5-flash-lite", "medium", { thinkingBudget: 8192, includeThoughts: true }],
    ["gemini-2.5-pro", "high", { thinkingBudget: 24576, includeThoughts: true }],
    ["gemini-4-argon", "xhigh", { thinkingLevel: "XHIGH", includeThoughts: true }],
    ["gemini-4.5-flash", "max", { thinkingLevel: "XHIGH", includeThoughts: true }],
    ["gemini-3.8-flash", "xhigh", { thinkingLevel: "HIGH", includeThoughts: true }],
    ["gemini-flash-latest", "xhigh", { thinkingLevel: "HIGH", includeThoughts: true }],
    ["gemini-2.5-pro", "xhigh", { thinkingBudget: 24576, includeThoughts: true }],
    ["gemini-3-flash-preview", "none", { thinkingLevel: "MINIMAL" }],
    ["gemini-3.6-flash", "minimal", { thinkingLevel: "MINIMAL", includeThoughts: true }],
    ["gemini-3.7-flash", "minimal", { thinkingLevel: "LOW", includeThoughts: true }],
    ["gemini-3.10-flash", "none", { thinkingLevel: "LOW" }],
    ["gemini-3.1-pro-preview", "none", { thinkingLevel: "LOW" }],
    ["gemini-3.1-pro-preview", "medium", { thinkingLevel: "MEDIUM", includeThoughts: true }],
    ["gemini-3-pro-preview", "medium", { thinkingLevel: "HIGH", includeThoughts: true }],
    ["gemini-3.5-flash-lite", "low", { thinkingLevel: "LOW", includeThoughts: true }],
    ["gemini-flash-latest", "high", { thinkingLevel: "HIGH", includeThoughts: true }],
    ["gemini-2.0-flash", "high", undefined],
    ["gemma-3-27b-it", "high", undefined],
  ])("tells %s to think: %s", (model, effort, thinking) => {
    assert.deepStrictEqual(config({ reasoning_effort: effort }, model)?.thinkingConfig, thinking)
  })
})

describe("what is said to Google alone, or in another vendor's words", () => {
  const tokens = (budget_tokens: number) => ({ thinking: { type: "enabled", budget_tokens } })
  const google = (fields: object) => ({ extra_body: { google: fields } })

  it.each<[model: string, fields: Partial<ChatRequest>, thinking: object | undefined]>([
    [
      "gemini-2.5-flash",
      {
        ...google({ thinking_config: { thinking_budget: 0, include_thoughts: false } }),
        reasoning_effort: "high",
      },
      { thinkingBudget: 0, includeThoughts: false },
    ],
    [
      "gemini-3.8-flash",
      { google: { thinking_config: { thinking_level: "low" } }, ...tokens(9999) },
      { thinkingLevel: "LOW" },
    ],
    ["gemini-2.5-flash", tokens(5000), { thinkingBudget: 5000, includeThoughts: true }],
    ["gemini-2.5-flash", tokens(100_000), { thinkingBudget: 24_576, includeThoughts: true }],
    ["gemini-3.8-flash", tokens(1024), { thinkingLevel: "LOW", includeThoughts: true }],
    ["gemini-3.8-flash", tokens(5000), { thinkingLevel: "MEDIUM", includeThoughts: true }],
    ["gemini-3.8-flash", tokens(20_000), { thinkingLevel: "HIGH", includeThoughts: true }],
    ["gemini-2.5-flash", { thinking: { type: "disabled" } }, { thinkingBudget: 0 }],
    ["gemini-3.8-flash", { thinking: { type: "adaptive" } }, undefined],
    ...["adaptive", "between_tools", "enabled"].map(
      (type) =>
        [
          "gemini-3.8-flash",
          { thinking: { type }, reasoning_effort: "low" },
          { thinkingLevel: "LOW", includeThoughts: true },
        ] as [string, Partial<ChatRequest>, object],
    ),
    ["gemma-4-31b-it", tokens(20_000), undefined],
  ])("thinking of %s by %j", (model, fields, thinking) => {
    assert.deepStrictEqual(lower(asked(fields), model).generationConfig?.thinkingConfig, thinking)
  })

  it("goes out under Google's names", () => {
    const safety = [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }]
    assert.deepInclude(lower(asked({ safety_settings: safety, service_tier: "flex", top_k: 40 })), {
      safetySettings: safety,
      serviceTier: "flex",
      generationConfig: { topK: 40 },
    })
    assert.deepInclude(lower(asked(google({ safety_settings: safety }))), { safetySettings: safety })
    assert.deepStrictEqual(
      lower(
        asked({ modalities: ["text", "image"], image_config: { aspect_ratio: "16:9", image_size: "2K" } }),
        "gemini-3-pro-image-preview",
      ).generationConfig,
      { responseModalities: ["TEXT", "IMAGE"], imageConfig: { aspectRatio: "16:9", imageSize: "2K" } },
    )
  })

  it.each<[param: string, fields: Partial<ChatRequest>]>([
    ["extra_body.google.cached_content", google({ cached_content: "cachedContents/1" })],
    ["google.labels", { google: { labels: {} } }],
    ["extra_body.google.thinking_config", google({ thinking_config: { depth: 1 } })],
    [
      "extra_body.google.thinking_config.thinking_level",
      google({ thinking_config: { thinking_level: "odd" } }),
    ],
    ["thinking", { thinking: { type: "interleaved" } }],
    ["service_tier", { service_tier: "scale" }],
    ["modalities", { modalities: ["image"] }],
    ["image_config", { image_config: { style: "vivid" } }],
  ])("is refused by its name: %s", (param, fields) => {
    assert.deepInclude(fault(asked(fields)), { kind: "unsupported", param })
  })

  it.each<[param: string, fields: Partial<ChatRequest>]>([
    ["extra_body", { extra_body: "google" }],
    ["extra_body.google", google([])],
    ["extra_body.google.thinking_config", google({ thinking_config: "high" })],
    [
      "extra_body.google.thinking_config.thinking_budget",
      google({ thinking_config: { thinking_budget: 1.5 } }),
    ],
    [
      "extra_body.google.thinking_config.include_thoughts",
      google({ thinking_config: { include_thoughts: 1 } }),
    ],
    ["safety_settings", { safety_settings: [{ category: "HARM_CATEGORY_HARASSMENT" }] }],
    ["thinking", { thinking: true }],
    ["thinking.budget_tokens", { thinking: { type: "enabled", budget_tokens: -1 } }],
    ["thinking.type", { thinking: {} }],
    ["service_tier", { service_tier: 1 }],
    ["top_k", { top_k: 1.5 }],
    ["image_config", { image_config: { aspect_ratio: 1 } }],
  ])("makes no sense: %s", (param, fields) => {
    assert.deepInclude(fault(asked(fields)), { kind: "malformed", param })
  })

  it("names what is left out", () => {
    const dropped = (fields: Partial<ChatRequest>) =>
      Result.getOrThrow(
        gemini.lower({ _tag: "Chat", request: asked(fields), mode: "whole" }, "gemini-3.8-flash"),
      ).dropped?.()
    assert.deepStrictEqual(dropped({ user: "u", store: true, metadata: null, temperature: 1 }), [
      "user",
      "store",
    ])
    assert.deepStrictEqual(dropped({ min_p: 0.1, top_a: null }), ["min_p"])
    const strict = "tools[0].function.strict"
    const alone = { parallel_tool_calls: false, tools: [weather] }
    assert.deepStrictEqual(dropped(alone), ["parallel_tool_calls", strict])
    assert.deepStrictEqual(dropped({ parallel_tool_calls: false, tools: [] }), [])
    assert.deepStrictEqual(dropped({ parallel_tool_calls: true, tools: [weather] }), [strict])
  })
})

describe("tools", () => {
  it("declares functions by their JSON schema", () => {
    const bare = { type: "function", function: { name: "now", parameters: {} } }
    assert.deepStrictEqual(lower(asked({ tools: [weather, bare], parallel_tool_calls: true })).tools, [
      {
        functionDeclarations: [
          {
            name: "weather",
            description: "The weather of a place.",
            parametersJsonSchema: weather.function.parameters,
          },
          { name: "now" },
        ],
      },
    ])
  })

  const named = { type: "function", function: { name: "weather" } }

  it.each<[name: string, choice: unknown, calling: object | undefined]>([
    ["auto", "auto", undefined],
    ["none", "none", { mode: "NONE" }],
    ["required", "required", { mode: "ANY" }],
    ["one function", named, { mode: "ANY", allowedFunctionNames: ["weather"] }],
    [
      "one of some",
      { type: "allowed_tools", allowed_tools: { mode: "required", tools: [named] } },
      { mode: "ANY", allowedFunctionNames: ["weather"] },
    ],
    [
      "text or one of some",
      { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [named] } },
      { mode: "VALIDATED", allowedFunctionNames: ["weather"] },
    ],
  ])("tool_choice: %s", (_name, choice, calling) => {
    assert.deepStrictEqual(
      lower(asked({ tools: [weather], tool_choice: choice })).toolConfig?.functionCallingConfig,
      calling,
    )
  })
})

describe("what has no counterpart", () => {
  it.each<[param: string, request: ChatRequest]>([
    ["logit_bias", asked({ logit_bias: { "50256": -100 } })],
    ["audio", asked({ audio: { voice: "x", format: "mp3" } })],
    ["modalities", asked({ modalities: ["text", "audio"] })],
    ["web_search_options", asked({ web_search_options: {} })],
    ["functions", asked({ functions: [{ name: "f" }] })],
    ["function_call", asked({ function_call: "auto" })],
    ["tools[1]", asked({ tools: [weather, { type: "custom", custom: { name: "c" } }] })],
    ["tool_choice", asked({ tools: [weather], tool_choice: { type: "custom", custom: { name: "c" } } })],
    [
      "tool_choice",
      asked({
        tools: [weather],
        tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [{ type: "custom" }] } },
      }),
    ],
    ["response_format", asked({ response_format: { type: "grammar" } })],
    [
      "messages[0].content[1].image_url",
      said(
        { type: "text", text: "a" },
        { type: "image_url", image_url: { url: "https://example.com/a.png" } },
      ),
    ],
    [
      "messages[0].content[0].image_url",
      said({ type: "image_url", image_url: { url: "file:///etc/passwd" } }),
    ],
    [
      "messages[0].content[0].input_audio",
      said({ type: "input_audio", input_audio: { data: "", format: "pcm16" } }),
    ],
    ["messages[0].content[0].file", said({ type: "file", file: { file_id: "file-1" } })],
    ["messages[0].content[0]", said({ type: "hologram" })],
    [
      "messages[0].content[0]",
      {
        messages: [
          {
            role: "system",
            content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }],
          },
        ],
      },
    ],
    ["messages[0].function_call", { messages: [{ role: "assistant", function_call: { name: "f" } }] }],
    ["messages[0].audio", { messages: [{ role: "assistant", audio: { id: "a" } }] }],
    [
      "messages[0].tool_calls[0]",
      { messages: [{ role: "assistant", tool_calls: [{ id: "c", type: "custom", custom: {} }] }] },
    ],
    // Values that another provider takes or has to judge.
    ["n", asked({ n: 9 })],
    ["stop", asked({ stop: ["1", "2", "3", "4", "5", "6"] })],
    ["reasoning_effort", asked({ reasoning_effort: "frantic" })],
    ["tool_choice", asked({ tools: [weather], tool_choice: "perhaps" })],
    [
      "tool_choice",
      asked({
        tools: [weather],
        tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [{ type: "mcp" }] } },
      }),
    ],
    [
      "tool_choice.allowed_tools.mode",
      asked({
        tools: [weather],
        tool_choice: { type: "allowed_tools", allowed_tools: { mode: "never", tools: [weather] } },
      }),
    ],
    [
      "tools[0].function.name",
      asked({ tools: [{ type: "function", function: { name: `1${"x".repeat(128)}` } }] }),
    ],
    ["messages[0].content[0].image_url", said(imageAt("data:image/png,raw"))],
    ["messages[0].content[0].file", said({ type: "file", file: { file_data: "not a data URL" } })],
    ["messages[0].content[0].file", said({ type: "file", file: { file_url: "https://example.com/a" } })],
    ["messages[0].role", { messages: [{ role: "function", name: "f", content: "42" }] }],
    ["messages[0].tool_call_id", { messages: [{ role: "tool", content: "42" }] }],
    [
      "messages[1].tool_call_id",
      {
        messages: [
          { role: "assistant", tool_calls: [call("a")] },
          { role: "tool", tool_call_id: "b", content: "42" },
        ],
      },
    ],
  ])("%s is named, for others to try", (param, request) => {
    assert.deepInclude(fault(request), { kind: "unsupported", param })
  })
})

describe("what only some models can do", () => {
  const json = { response_format: { type: "json_object" } }
  const schema = { response_format: { type: "json_schema", json_schema: { name: "n", schema: {} } } }
  const penalty = { presence_penalty: 0.1 }

  it.each<[can: boolean, model: string, param: string, fields: Partial<ChatRequest>]>([
    [false, "gemini-2.5-flash", "response_format", { ...json, tools: [weather] }],
    [false, "gemini-2.0-flash", "response_format", { ...schema, tools: [weather] }],
    [false, "gemini-2.5-pro", "response_format", { ...json, tools: [weather], tool_choice: "none" }],
    [true, "gemini-3-flash-preview", "response_format", { ...schema, tools: [weather] }],
    [true, "gemini-2.5-flash", "response_format", { ...schema, tools: [] }],
    [true, "gemini-2.5-flash", "response_format", { response_format: { type: "text" }, tools: [weather] }],
    [false, "gemini-2.5-flash", "frequency_penalty", { frequency_penalty: 0.1 }],
    [false, "gemini-2.5-pro", "presence_penalty", penalty],
    [false, "gemini-3.8-flash", "presence_penalty", penalty],
    [false, "gemini-flash-latest", "presence_penalty", penalty],
    [true, "gemini-2.0-flash", "presence_penalty", penalty],
    [false, "gemini-3.1-flash-lite", "n", { n: 2 }],
    [true, "gemini-3.1-flash-lite", "n", { n: 1 }],
    [true, "gemini-2.5-flash", "n", { n: 2 }],
  ])("%s: %s and %s", (can, model, param, fields) => {
    const request = asked(fields)
    if (can) {
      lower(request, model)
    } else {
      assert.deepInclude(fault(request, model), { kind: "unsupported", param })
      assert.match(fault(request, model)?.reason ?? "", /not supported with this model\.$/)
    }
  })

  it("is told apart for the same request", () => {
    const request = asked({ presence_penalty: 0.1 })
    assert.deepStrictEqual(
      ["gemini-2.0-flash", "gemini-2.5-flash", "gemini-2.0-flash"].map(
        (model) => fault(request, model)?.param,
      ),
      [undefined, "presence_penalty", undefined],
    )
  })

  it("is asked about a request that is read once, however many models there are", () => {
    let reads = 0
    const request = {
      get messages() {
        reads += 1
        return [user]
      },
    }
    for (const model of ["gemini-2.0-flash", "gemini-2.5-flash", "gemini-3.8-flash"]) lower(request, model)
    assert.strictEqual(reads, 1)
  })
})

describe("deep values", () => {
  it.each([65, 1_000_000])(
    "of %s levels in a tool's result go out as the text that they came as",
    (levels) => {
      const { contents } = lower({
        messages: [
          user,
          { role: "assistant", tool_calls: [call("a")] },
          { role: "tool", tool_call_id: "a", content: nested(levels) },
        ],
      })
      assert.deepStrictEqual(contents[2].parts[0].functionResponse.response, { result: nested(levels) })
    },
  )
})

describe("values that make no sense", () => {
  it.each<[param: string, request: ChatRequest]>([
    ["tools", asked({ tools: "weather" })],
    ["tools[0]", asked({ tools: [null] })],
    ["tools[0].type", asked({ tools: [{}] })],
    ["tools[0].function.name", asked({ tools: [{ type: "function" }] })],
    [
      "tools[0].function.parameters",
      asked({ tools: [{ type: "function", function: { name: "f", parameters: 1 } }] }),
    ],
    ["tool_choice", asked({ tools: [weather], tool_choice: 1 })],
    ["tool_choice", asked({ tool_choice: "required" })],
    ["tool_choice.type", asked({ tools: [weather], tool_choice: {} })],
    ["tool_choice", asked({ tools: [weather], tool_choice: { type: "function" } })],
    ["tool_choice.allowed_tools.tools", asked({ tools: [weather], tool_choice: { type: "allowed_tools" } })],
    [
      "tool_choice.allowed_tools.mode",
      asked({
        tools: [weather],
        tool_choice: { type: "allowed_tools", allowed_tools: { tools: [weather] } },
      }),
    ],
    ["parallel_tool_calls", asked({ tools: [weather], parallel_tool_calls: "no" })],
    ["n", asked({ n: "2" })],
    ["n", asked({ n: 1.5 })],
    ["seed", asked({ seed: 0.5 })],
    ["max_tokens", asked({ max_tokens: 0.5 })],
    ["max_completion_tokens", asked({ max_tokens: 1, max_completion_tokens: 0.5 })],
    ["frequency_penalty", asked({ frequency_penalty: {} })],
    ["logprobs", asked({ logprobs: 3 })],
    ["top_logprobs", asked({ logprobs: true, top_logprobs: "3" })],
    ["response_format", asked({ response_format: "json" })],
    ["response_format.type", asked({ response_format: {} })],
    ["response_format.json_schema", asked({ response_format: { type: "json_schema" } })],
    [
      "response_format.json_schema.schema",
      asked({ response_format: { type: "json_schema", json_schema: { schema: "x" } } }),
    ],
    ["reasoning_effort", asked({ reasoning_effort: 5 })],
    ["messages[0].content[0].text", said({ type: "text" })],
    ["messages[0].content[0].image_url", said({ type: "image_url" })],
    ["messages[0].content[0].input_audio", said({ type: "input_audio", input_audio: { format: "wav" } })],
    ["messages[0].tool_calls", { messages: [{ role: "assistant", tool_calls: "x" }] }],
    ["messages[0].tool_calls[0]", { messages: [{ role: "assistant", tool_calls: [7] }] }],
    [
      "messages[0].tool_calls[0].function.name",
      { messages: [{ role: "assistant", tool_calls: [{ id: "a" }] }] },
    ],
  ])("%s is the client's mistake, and nobody else's to try", (param, request) => {
    assert.deepInclude(fault(request), { kind: "malformed", param })
  })
})
