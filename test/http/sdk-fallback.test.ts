import type Anthropic from "@anthropic-ai/sdk"
import { assert } from "@effect/vitest"
import type OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import type { ToolCall } from "../support/fake-upstream-wire.ts"
import { KINDS, type Kind, modelOf, routeOf, SdkMatrixWorld } from "./sdk-matrix-world.ts"

/**
 * A loop of tools in which one vendor begins, another goes on when the first does not answer, and the first comes back. The
 * fakes refuse what their vendors refuse of such a history: ids that are not of their form, calls without results, others'
 * signatures, a turn that lacks its thought.
 */

let world: SdkMatrixWorld

beforeAll(async () => {
  world = await SdkMatrixWorld.start(2)
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

/** One conversation of a client, which asks with all that was said and runs each call that it gets. */
interface Conversation {
  /** Returns the words of the answer. */
  readonly ask: (model: string, how: "whole" | "streamed") => Promise<string>
}

const question = "Where is it warmer, Rome or Oslo?"
const parameters = { type: "object" as const, properties: { city: { type: "string" } } }

const chat = (): Conversation => {
  const messages: Array<OpenAI.ChatCompletionMessageParam> = [{ role: "user", content: question }]
  return {
    ask: async (model, how) => {
      const body = {
        model,
        messages,
        tools: [{ type: "function" as const, function: { name: "weather", parameters } }],
        reasoning_effort: "medium" as const,
        max_completion_tokens: 4000,
      }
      const { completions } = world.openai().chat
      const { choices } =
        how === "whole"
          ? await completions.create(body)
          : await completions.stream(body).finalChatCompletion()
      const message = choices[0]?.message
      assert(message !== undefined)
      messages.push(message)
      for (const { id } of message.tool_calls ?? []) {
        messages.push({ role: "tool", tool_call_id: id, content: "21" })
      }
      return message.content ?? ""
    },
  }
}

const messages = (): Conversation => {
  const turns: Array<Anthropic.MessageParam> = [{ role: "user", content: question }]
  return {
    ask: async (model, how) => {
      const body = {
        model,
        messages: turns,
        tools: [{ name: "weather", input_schema: parameters }],
        thinking: { type: "enabled" as const, budget_tokens: 2000 },
        max_tokens: 4000,
      }
      const client = world.anthropic().messages
      const { content } =
        how === "whole" ? await client.create(body) : await client.stream(body).finalMessage()
      turns.push({ role: "assistant", content })
      const results = content.flatMap((block) =>
        block.type === "tool_use"
          ? [{ type: "tool_result" as const, tool_use_id: block.id, content: "21" }]
          : [],
      )
      if (results.length > 0) turns.push({ role: "user", content: results })
      return content.map((block) => (block.type === "text" ? block.text : "")).join("")
    },
  }
}

const responses = (): Conversation => {
  const input: Array<OpenAI.Responses.ResponseInputItem> = [{ role: "user", content: question }]
  return {
    ask: async (model, how) => {
      const body = {
        model,
        input,
        tools: [{ type: "function" as const, name: "weather", parameters, strict: false }],
        reasoning: { effort: "medium" as const, summary: "auto" as const },
        include: ["reasoning.encrypted_content" as const],
        store: false,
        max_output_tokens: 4000,
      }
      const client = world.openai().responses
      const { output, output_text } =
        how === "whole" ? await client.create(body) : await client.stream(body).finalResponse()
      for (const item of output) {
        // The client's stream adds it, and OpenAI does not take it back.
        const { parsed_arguments: _, ...own } = item as typeof item & { parsed_arguments?: unknown }
        input.push(own as OpenAI.Responses.ResponseInputItem)
      }
      for (const item of output) {
        if (item.type !== "function_call") continue
        input.push({ type: "function_call_output", call_id: item.call_id, output: "21" })
      }
      return output_text
    },
  }
}

/** Ids as servers of these kinds make them: Kimi's, vLLM's, OpenAI's, Claude's; Gemini makes none. */
const idsOf: Readonly<Record<Kind["kind"], ReadonlyArray<string | undefined>>> = {
  "openai-compatible": ["functions.weather:0", `chatcmpl-tool-${"0123456789abcdef".repeat(4)}`],
  openai: ["call_AUzcGuOcVRgRIRbwA5sQTpVh", "call_zLVRgRIbwA5sQTpVhAUzcGuO"],
  gemini: [undefined, undefined],
  anthropic: ["toolu_01A09q90qw90lq917835lq9", "toolu_01B19r91rx91mr028946mr0"],
}

const callsOf = ({ kind }: Kind): ReadonlyArray<ToolCall> =>
  idsOf[kind].map((id, nth) => ({
    ...(id !== undefined && { id }),
    name: "weather",
    args: { city: nth === 0 ? "Rome" : "Oslo" },
  }))

/** What comes before calls: of open models often nothing but line breaks. */
const wordsOf = ({ kind }: Kind): string =>
  kind === "openai-compatible" ? "\n\n" : `Let me see, says ${kind}.`

const pairs = KINDS.flatMap((first) =>
  KINDS.filter((second) => second !== first).map(
    (second) => [first.name, second.name, first, second] as const,
  ),
)

describe.each([
  ["chat completions", chat],
  ["Messages", messages],
  ["Responses", responses],
] as const)("a client of %s", (_, begin) => {
  describe.each(pairs)("that %s answers, then %s", (_, __, first, second) => {
    it.each(["whole", "streamed"] as const)("goes on with both, %s", async (how) => {
      const conversation = begin()
      world.upstream.enqueue(
        ok({ thought: "Look it up.", text: wordsOf(first), toolCalls: callsOf(first) }),
        status(422, { error: { message: "Not now." } }),
        ok({ thought: "Once more.", text: wordsOf(second), toolCalls: callsOf(second) }),
        ok({ thought: "I see.", text: "Rome." }),
      )
      await conversation.ask(modelOf(first), how)
      await conversation.ask(routeOf(first, second), how)
      assert.strictEqual(await conversation.ask(modelOf(first), how), "Rome.")

      const { calls } = world.upstream
      assert.deepStrictEqual(
        calls.map(({ asked }) => asked.model),
        [first, first, second, first].map(({ model }) => model),
      )
      for (const { asked, body } of calls) {
        const own = KINDS.find(({ model }) => model === asked.model)
        for (const { signature } of KINDS) {
          if (signature === undefined || signature === own?.signature) continue
          assert.notInclude(body.toString(), signature)
        }
      }
      assert.include(calls[1]?.body.toString(), first.signature ?? "Look it up.")
      assert.include(calls[3]?.body.toString(), first.signature ?? "Look it up.")
      for (const words of [wordsOf(first), wordsOf(second)]) {
        if (words.trim() !== "") assert.include(calls[3]?.body.toString(), words)
      }
    })
  })
})
