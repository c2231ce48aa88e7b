import type {
  BetaContentBlockParam,
  BetaMessageParam,
  BetaOutputConfig,
  MessageCreateParams as BetaParams,
  BetaRequestDocumentBlock,
  BetaThinkingConfigParam,
  BetaToolChoice,
  BetaToolUnion,
} from "@anthropic-ai/sdk/resources/beta/messages"
import type {
  ContentBlockParam,
  DocumentBlockParam,
  ImageBlockParam,
  MessageCreateParams,
  MessageParam,
  OutputConfig,
  TextCitationParam,
  ThinkingConfigParam,
  ToolChoice,
  ToolUnion,
} from "@anthropic-ai/sdk/resources/messages"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { toChat } from "../../../src/dialects/messages/request.ts"
import type { JsonObject } from "../../../src/platform/json.ts"
import { gemini } from "../../../src/providers/protocols/gemini/protocol.ts"
import { openAiChat } from "../../../src/providers/protocols/openai-chat/protocol.ts"
import type { Protocol } from "../../../src/providers/protocols/Protocol.ts"
import type { TypeOf } from "../../support/value-of.ts"

/**
 * Every value that Anthropic's own package knows in a request, of its beta API too, and what becomes of it with others: with
 * a new one there, this does not compile. Claude itself gets the client's own bytes.
 *
 * `said`: the body is another one for it. `left out`: it is not. `dropped`: named as left out. `Claude's`: others are not asked.
 */
type Fate = "said" | "left out" | "dropped" | "Claude's"
type Fates = readonly [openAi: Fate, gemini: Fate]

const wires: ReadonlyArray<readonly [model: string, protocol: Protocol]> = [
  ["gpt-5", openAiChat({ isOpenAi: true })],
  ["gemini-3-flash-preview", gemini],
]

const user = { role: "user", content: "Hi" }

const fate = (protocol: Protocol, model: string, without: JsonObject, body: JsonObject): Fate => {
  const lower = (more: JsonObject) => {
    const request = Result.getOrThrow(toChat({ max_tokens: 99, messages: [user], ...more }))
    return Result.map(
      protocol.lower({ _tag: "Chat", request, mode: "whole", dialect: "messages" }, model),
      (writer) => ({ text: String(writer.write("whole")), dropped: writer.dropped ?? [] }),
    )
  }
  const lowered = lower(body)
  if (Result.isFailure(lowered)) {
    assert.strictEqual(lowered.failure.kind, "unsupported")
    return "Claude's"
  }
  const other = Result.getOrThrow(lower(without))
  if (lowered.success.dropped.length > other.dropped.length) return "dropped"
  return lowered.success.text === other.text ? "left out" : "said"
}

const become = <Value extends string>(
  what: string,
  fates: Readonly<Record<Value, Fates>>,
  bodyWith: (value: Value) => JsonObject,
  without: JsonObject = {},
) =>
  describe(what, () => {
    it.each(Object.entries<Fates>(fates))("%s", (value, expected) => {
      // Its keys are the values, which the type of `entries` does not say.
      const body = bodyWith(value as Value)
      assert.deepStrictEqual(
        wires.map(([model, protocol]) => fate(protocol, model, without, body)),
        [...expected],
      )
    })
  })

become<MessageParam["role"] | BetaMessageParam["role"]>(
  "a role",
  { user: ["said", "said"], assistant: ["said", "said"], system: ["said", "said"] },
  (role) => ({ messages: [user, { role, content: "So" }, user] }),
  { messages: [user, user] },
)

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
const image = { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } }
const call = { type: "tool_use", id: "toolu_1", name: "f", input: {} }

type BlockType = TypeOf<ContentBlockParam | BetaContentBlockParam>
const blocks: Partial<Record<BlockType, JsonObject>> = {
  text: { type: "text", text: "So" },
  image,
  document: { type: "document", source: { type: "text", media_type: "text/plain", data: "So" } },
  thinking: { type: "thinking", thinking: "They greet.", signature: "c2ln" },
  redacted_thinking: { type: "redacted_thinking", data: "ZGF0YQ==" },
  tool_use: call,
  tool_result: { type: "tool_result", tool_use_id: "toolu_1", content: "1" },
}

const claudes: Fates = ["Claude's", "Claude's"]

become<BlockType>(
  "a block",
  {
    text: ["said", "said"],
    image: ["said", "said"],
    document: ["said", "said"],
    tool_use: ["said", "said"],
    tool_result: ["said", "said"],
    // Claude's own reasoning is of no use to another model.
    thinking: ["left out", "left out"],
    redacted_thinking: ["left out", "left out"],
    search_result: claudes,
    server_tool_use: claudes,
    web_search_tool_result: claudes,
    web_fetch_tool_result: claudes,
    advisor_tool_result: claudes,
    code_execution_tool_result: claudes,
    bash_code_execution_tool_result: claudes,
    text_editor_code_execution_tool_result: claudes,
    tool_search_tool_result: claudes,
    mcp_tool_use: claudes,
    mcp_tool_result: claudes,
    mcp_tool_listing: claudes,
    container_upload: claudes,
    compaction: claudes,
    fallback: claudes,
    tool_addition: claudes,
    tool_removal: claudes,
  },
  (type) => {
    const block = blocks[type] ?? { type }
    const said = { type: "text", text: "Hello" }
    if (type === "image" || type === "document")
      return { messages: [{ role: "user", content: [said, block] }] }
    if (type === "tool_result") {
      return {
        messages: [user, { role: "assistant", content: [said, call] }, { role: "user", content: [block] }],
      }
    }
    return { messages: [user, { role: "assistant", content: [said, block] }, user] }
  },
  { messages: [user, { role: "assistant", content: [{ type: "text", text: "Hello" }] }, user] },
)

type ImageSource = TypeOf<
  ImageBlockParam["source"] | Extract<BetaContentBlockParam, { type: "image" }>["source"]
>
const sources = {
  base64: { media_type: "image/png", data: PNG },
  url: { url: "https://a.example/a.png" },
  file: { file_id: "file_1" },
} satisfies Record<ImageSource, JsonObject>
become<ImageSource>(
  "the source of an image",
  { base64: ["said", "said"], url: ["said", "Claude's"], file: claudes },
  (type) => ({
    messages: [{ role: "user", content: [{ type: "image", source: { type, ...sources[type] } }] }],
  }),
)

type DocumentSource = TypeOf<DocumentBlockParam["source"] | BetaRequestDocumentBlock["source"]>
const documents = {
  base64: { media_type: "application/pdf", data: "JVBERi0xLjEK" },
  text: { media_type: "text/plain", data: "So" },
  content: { content: "So" },
  url: { url: "https://a.example/a.pdf" },
  file: { file_id: "file_1" },
} satisfies Record<DocumentSource, JsonObject>
become<DocumentSource>(
  "the source of a document",
  {
    base64: ["said", "said"],
    text: ["said", "said"],
    content: ["said", "said"],
    url: claudes,
    file: claudes,
  },
  (type) => ({
    messages: [{ role: "user", content: [{ type: "document", source: { type, ...documents[type] } }] }],
  }),
)

become<TypeOf<TextCitationParam>>(
  "a citation in an earlier answer",
  {
    char_location: ["left out", "left out"],
    page_location: ["left out", "left out"],
    content_block_location: ["left out", "left out"],
    web_search_result_location: ["left out", "left out"],
    search_result_location: ["left out", "left out"],
  },
  (type) => ({
    messages: [
      user,
      {
        role: "assistant",
        content: [{ type: "text", text: "Hello", citations: [{ type, cited_text: "x" }] }],
      },
      user,
    ],
  }),
  { messages: [user, { role: "assistant", content: [{ type: "text", text: "Hello" }] }, user] },
)

const tool = { name: "f", input_schema: { type: "object", properties: {} } }
become<TypeOf<ToolUnion | BetaToolUnion>>(
  "a tool",
  {
    custom: ["said", "said"],
    bash_20241022: claudes,
    bash_20250124: claudes,
    text_editor_20241022: claudes,
    text_editor_20250124: claudes,
    text_editor_20250429: claudes,
    text_editor_20250728: claudes,
    computer_20241022: claudes,
    computer_20250124: claudes,
    computer_20251124: claudes,
    computer_toolset_20260801: claudes,
    browser_toolset_20260801: claudes,
    memory_20250818: claudes,
    code_execution_20250522: claudes,
    code_execution_20250825: claudes,
    code_execution_20260120: claudes,
    code_execution_20260521: claudes,
    web_search_20250305: claudes,
    web_search_20260209: claudes,
    web_search_20260318: claudes,
    web_fetch_20250910: claudes,
    web_fetch_20260209: claudes,
    web_fetch_20260309: claudes,
    web_fetch_20260318: claudes,
    advisor_20260301: claudes,
    tool_search_tool_bm25: claudes,
    tool_search_tool_bm25_20251119: claudes,
    tool_search_tool_regex: claudes,
    tool_search_tool_regex_20251119: claudes,
    mcp_toolset: claudes,
  },
  (type) => ({ tools: [type === "custom" ? { type, ...tool } : { type, name: "g" }] }),
)

become<TypeOf<ToolChoice | BetaToolChoice>>(
  "a choice of tools",
  {
    auto: ["said", "left out"],
    any: ["said", "said"],
    tool: ["said", "said"],
    none: ["said", "said"],
  },
  (type) => ({ tools: [tool], tool_choice: { type, name: "f" } }),
  { tools: [tool] },
)

become<TypeOf<ThinkingConfigParam | BetaThinkingConfigParam>>(
  "a type of thinking",
  {
    enabled: ["said", "said"],
    disabled: ["left out", "said"],
    between_tools: ["dropped", "left out"],
    adaptive: ["dropped", "left out"],
  },
  (type) => ({ thinking: { type, ...(type === "enabled" && { budget_tokens: 2000 }) } }),
)

become<NonNullable<OutputConfig["effort"] | BetaOutputConfig["effort"]>>(
  "an effort",
  {
    low: ["said", "said"],
    medium: ["said", "said"],
    high: ["said", "said"],
    xhigh: ["said", "said"],
    max: ["said", "said"],
  },
  (effort) => ({ output_config: { effort } }),
)

become<NonNullable<MessageCreateParams["service_tier"] | BetaParams["service_tier"]>>(
  "a service tier",
  { auto: ["said", "left out"], standard_only: ["said", "left out"] },
  (service_tier) => ({ service_tier }),
)
