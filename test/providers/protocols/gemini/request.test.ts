import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { ChatMessage, ChatRequest } from "../../../../src/domain/Chat.ts"
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
  messages: [{ role: "assistant", tool_calls: [call("a", args)] }],
})
/** An object in an object in an object, so many times. */
const nested = (levels: number) => `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`
const imageAt = (url: string) => ({ type: "image_url", image_url: { url } })
const signed = (signature: string) => ({ extra_content: { google: { thought_signature: signature } } })

describe("messages", () => {
  it("gathers system and developer messages, names the assistant model and joins turns of one side", () => {
    assert.deepStrictEqual(
      lower({
        messages: [
          { role: "system", content: "be brief" },
          user,
          { role: "user", content: "there" },
          { role: "assistant", content: "hello" },
          { role: "developer", content: [{ type: "text", text: "and kind" }] },
          { role: "assistant", content: [{ type: "refusal", refusal: "no" }] },
          { role: "user", content: "" },
        ],
      }),
      {
        systemInstruction: { role: "user", parts: [{ text: "be brief" }, { text: "and kind" }] },
        contents: [
          { role: "user", parts: [{ text: "hi" }, { text: "there" }] },
          { role: "model", parts: [{ text: "hello" }, { text: "no" }] },
          { role: "user", parts: [{ text: "" }] },
        ],
      },
    )
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
        service_tier: "flex",
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
    ["tools[0].function.name", asked({ tools: [{ type: "function", function: { name: "1st" } }] })],
    ["messages[0].content[0].image_url", said(imageAt("data:image/png,raw"))],
    ["messages[0].content[0].file", said({ type: "file", file: { file_data: "not a data URL" } })],
    ["messages[0].content[0].file", said({ type: "file", file: { file_url: "https://example.com/a" } })],
    ["messages[0].role", { messages: [{ role: "function", name: "f", content: "42" }] }],
    [
      "messages[0].tool_calls[1].function.arguments",
      { messages: [{ role: "assistant", tool_calls: [call("a"), call("b", '{"place":')] }] },
    ],
    [
      "messages[0].tool_calls[0].function.arguments",
      { messages: [{ role: "assistant", tool_calls: [call("a", "[1]")] }] },
    ],
    ["messages[0].tool_calls[0].function.arguments", calling(nested(65))],
    ["messages[0].tool_calls[0].function.arguments", calling(nested(1_000_000))],
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
  it("go out up to a bound", () => {
    const body = lower(calling(nested(64)))
    assert.strictEqual(JSON.stringify(body.contents[0].parts[0].functionCall.args), nested(64))
  })

  it.each([65, 1_000_000])(
    "of %s levels in a tool's result go out as the text that they came as",
    (levels) => {
      const { contents } = lower({
        messages: [
          { role: "assistant", tool_calls: [call("a")] },
          { role: "tool", tool_call_id: "a", content: nested(levels) },
        ],
      })
      assert.deepStrictEqual(contents[1].parts[0].functionResponse.response, { result: nested(levels) })
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
