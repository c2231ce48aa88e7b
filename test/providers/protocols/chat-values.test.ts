import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { OpenAI } from "openai"
import type { ChatRequest } from "../../../src/domain/Chat.ts"
import type { JsonObject } from "../../../src/platform/json.ts"
import { anthropic } from "../../../src/providers/protocols/anthropic/protocol.ts"
import { gemini } from "../../../src/providers/protocols/gemini/protocol.ts"
import { openAiResponses } from "../../../src/providers/protocols/openai-responses/protocol.ts"
import type { Protocol } from "../../../src/providers/protocols/Protocol.ts"
import type { TypeOf } from "../../support/value-of.ts"

/**
 * Every value that OpenAI's own package knows in a chat, and what becomes of it on each wire that is not chat: with a new one
 * there, this does not compile.
 */
type Chat = OpenAI.ChatCompletionCreateParamsNonStreaming

/** In this order below. */
const wires: ReadonlyArray<readonly [model: string, protocol: Protocol]> = [
  ["gpt-5.5-pro", openAiResponses],
  ["claude-haiku-4-5", anthropic(() => 64_000)],
  ["gemini-3-flash-preview", gemini],
]

/**
 * `sent`: the body is another one for it. `default`: it is not, as the provider does so anyway. `dropped`: named as left out.
 * `refused`: another provider has to take it. `malformed`: none can.
 */
type Fate = "sent" | "default" | "dropped" | "refused" | "malformed"
type Fates = readonly [responses: Fate, claude: Fate, gemini: Fate]

const user = { role: "user", content: "Hi" } as const
const plain: ChatRequest = { messages: [user] }
const tool = { type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }

const fate = (protocol: Protocol, model: string, without: ChatRequest, request: ChatRequest): Fate => {
  const body = (of: ChatRequest) =>
    Result.map(protocol.lower({ _tag: "Chat", request: of, mode: "whole" }, model), (writer) => ({
      text: String(writer.write("whole")),
      dropped: writer.dropped ?? [],
    }))
  const lowered = body(request)
  if (Result.isFailure(lowered)) return lowered.failure.kind === "malformed" ? "malformed" : "refused"
  if (lowered.success.dropped.length > 0) return "dropped"
  return lowered.success.text === Result.getOrThrow(body(without)).text ? "default" : "sent"
}

const become = <Value extends string>(
  what: string,
  values: Readonly<Record<Value, Fates>>,
  requestWith: (value: Value) => ChatRequest,
  without: ChatRequest = plain,
) =>
  describe(what, () => {
    for (const [value, fates] of Object.entries<Fates>(values)) {
      it(value, () => {
        // Its keys are the values, which the type of `entries` does not say.
        const request = requestWith(value as Value)
        assert.deepStrictEqual(
          wires.map(([model, protocol]) => fate(protocol, model, without, request)),
          [...fates],
        )
      })
    }
  })

const call = { id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }
const messages: Readonly<Record<OpenAI.ChatCompletionRole, ReadonlyArray<JsonObject>>> = {
  developer: [{ role: "developer", content: "Be brief." }, user],
  system: [{ role: "system", content: "Be brief." }, user],
  user: [user, user],
  assistant: [user, { role: "assistant", content: "Hello" }, user],
  tool: [
    user,
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "tool", tool_call_id: "call_1", content: "1" },
  ],
  function: [user, { role: "function", name: "f", content: "1" }],
}

// What a client sends is JSON, whatever the types say.
const requestOf = (request: object): ChatRequest => request as ChatRequest

become<OpenAI.ChatCompletionRole>(
  "a role",
  {
    developer: ["sent", "sent", "sent"],
    system: ["sent", "sent", "sent"],
    user: ["sent", "sent", "sent"],
    assistant: ["sent", "sent", "sent"],
    tool: ["sent", "sent", "sent"],
    function: ["refused", "refused", "refused"],
  },
  (role) => requestOf({ messages: messages[role] }),
)

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
type PartType = TypeOf<OpenAI.ChatCompletionContentPart>
const parts: Readonly<Record<PartType, JsonObject>> = {
  text: { text: "and" },
  image_url: { image_url: { url: `data:image/png;base64,${PIXEL}` } },
  input_audio: { input_audio: { data: "UklGRg==", format: "wav" } },
  file: { file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0xLjEK" } },
}

become<PartType>(
  "a part of a question",
  {
    text: ["sent", "sent", "sent"],
    image_url: ["sent", "sent", "sent"],
    input_audio: ["refused", "refused", "sent"],
    file: ["sent", "sent", "sent"],
  },
  (type) =>
    requestOf({
      messages: [
        {
          ...user,
          content: [
            { type: "text", text: "Hi" },
            { type, ...parts[type] },
          ],
        },
      ],
    }),
)

type SaidType = TypeOf<
  Exclude<NonNullable<OpenAI.ChatCompletionAssistantMessageParam["content"]>, string>[number]
>
become<SaidType>(
  "a part of an answer",
  { text: ["sent", "sent", "sent"], refusal: ["sent", "sent", "sent"] },
  (type) => requestOf({ messages: [user, { role: "assistant", content: [{ type, [type]: "No." }] }, user] }),
)

type ToolType = TypeOf<OpenAI.ChatCompletionTool>
become<ToolType>(
  "a tool",
  { function: ["sent", "sent", "sent"], custom: ["sent", "refused", "refused"] },
  (type) => requestOf({ ...plain, tools: [{ type, [type]: { name: "f" } }] }),
)

become<TypeOf<OpenAI.ChatCompletionMessageToolCall>>(
  "a call",
  { function: ["sent", "sent", "sent"], custom: ["sent", "refused", "refused"] },
  (type) => {
    const made = type === "function" ? call : { id: "call_1", type, custom: { name: "f", input: "1" } }
    return requestOf({
      messages: [
        user,
        { role: "assistant", content: null, tool_calls: [made] },
        { role: "tool", tool_call_id: "call_1", content: "1" },
      ],
    })
  },
)

type Choice = OpenAI.ChatCompletionToolChoiceOption
type ChoiceWord = Extract<Choice, string> | TypeOf<Choice>
const withTool: ChatRequest = { ...plain, tools: [tool] }
const choices: Readonly<Record<ChoiceWord, unknown>> = {
  none: "none",
  auto: "auto",
  required: "required",
  function: { type: "function", function: { name: "f" } },
  custom: { type: "custom", custom: { name: "f" } },
  allowed_tools: {
    type: "allowed_tools",
    allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "f" } }] },
  },
}
become<ChoiceWord>(
  "a choice of tools",
  {
    none: ["sent", "sent", "sent"],
    auto: ["sent", "default", "default"],
    required: ["sent", "sent", "sent"],
    function: ["sent", "sent", "sent"],
    custom: ["sent", "refused", "refused"],
    allowed_tools: ["sent", "sent", "sent"],
  },
  (word) => ({ ...withTool, tool_choice: choices[word] }),
  withTool,
)

become<NonNullable<Chat["service_tier"]>>(
  "a service tier",
  {
    auto: ["sent", "sent", "default"],
    default: ["sent", "sent", "default"],
    flex: ["sent", "refused", "sent"],
    scale: ["sent", "refused", "refused"],
    priority: ["sent", "refused", "sent"],
    fast: ["sent", "refused", "refused"],
  },
  (service_tier) => ({ ...plain, service_tier }),
)

become<NonNullable<Chat["reasoning_effort"]>>(
  "an effort",
  {
    none: ["sent", "default", "sent"],
    minimal: ["sent", "sent", "sent"],
    low: ["sent", "sent", "sent"],
    medium: ["sent", "sent", "sent"],
    high: ["sent", "sent", "sent"],
    xhigh: ["sent", "sent", "sent"],
    max: ["sent", "sent", "sent"],
  },
  (reasoning_effort) => ({ ...plain, reasoning_effort }),
)

become<NonNullable<Chat["verbosity"]>>(
  "a verbosity",
  {
    low: ["sent", "dropped", "dropped"],
    medium: ["sent", "dropped", "dropped"],
    high: ["sent", "dropped", "dropped"],
  },
  (verbosity) => ({ ...plain, verbosity }),
)

become<TypeOf<NonNullable<Chat["response_format"]>>>(
  "a response format",
  {
    text: ["sent", "default", "default"],
    json_schema: ["sent", "sent", "sent"],
    json_object: ["sent", "refused", "sent"],
  },
  (type) => ({
    ...plain,
    response_format: {
      type,
      ...(type === "json_schema" && {
        json_schema: { name: "n", schema: { type: "object", properties: {} } },
      }),
    },
  }),
)

become<NonNullable<Chat["modalities"]>[number]>(
  "a modality",
  { text: ["default", "default", "default"], audio: ["refused", "refused", "refused"] },
  (modality) => ({ ...plain, modalities: [modality] }),
)
