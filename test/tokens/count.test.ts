import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import { embeddingTokens, promptTokens, speak } from "../../src/tokens/count.ts"
import { cpuMs } from "../support/cpu-time.ts"
import { scaled } from "../support/slowness.ts"

const ask = (
  content: NonNullable<ChatRequest["messages"][number]["content"]>,
  more: Partial<ChatRequest> = {},
) => promptTokens({ messages: [{ role: "user", content }], ...more })

/** A character that seldom comes twice, so that nothing can be remembered of it. */
const ideograph = (i: number) => String.fromCharCode(0x4e00 + ((Math.imul(i, 0x9e3779b1) >>> 8) % 20_000))

/** Of a role, around a message, and before the answer. */
const AROUND = 7

const english = "The quick brown fox jumps over the lazy dog; then it slept, as foxes do. "
const chinese = "没有询问任何模型，这个答案来自网关的模拟提供者。今天天气很好，我们去公园散步吧。"
const code = readFileSync("src/providers/vendors/simulated/simulated.ts", "utf8")

describe("tokens of a prompt", () => {
  it("are what OpenAI bills", () => {
    // The first example of its cookbook on counting tokens: 129 by gpt-3.5 and gpt-4, 124 by gpt-4o.
    const example: ChatRequest["messages"] = [
      {
        role: "system",
        content:
          "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
      },
      { role: "system", name: "example_user", content: "New synergies will help drive top-line growth." },
      {
        role: "system",
        name: "example_assistant",
        content: "Things working well together will increase revenue.",
      },
      {
        role: "system",
        name: "example_user",
        content:
          "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
      },
      {
        role: "system",
        name: "example_assistant",
        content: "Let's talk later when we're less busy about how to do better.",
      },
      {
        role: "user",
        content: "This late pivot means we don't have time to boil the ocean for the client deliverable.",
      },
    ]
    assert.strictEqual(promptTokens({ messages: example }), 124)
    assert.strictEqual(ask("Hello"), 1 + AROUND)
  })

  it.each([
    ["English", english],
    ["Chinese", chinese],
    ["code", code],
    ["a special token", "<|endoftext|> <|im_start|>"],
    ["half a character", "\ud83d and \ude00"],
    ["nothing", ""],
  ])("are counted exactly in %s", (_, text) => {
    assert.strictEqual(ask(text), countTokens(text, { disallowedSpecial: new Set() }) + AROUND)
  })

  it.each([
    ["English", english, 10_000],
    ["Chinese", chinese, 2_000],
    ["code", code, 40],
  ])("are within 5 %% in a long text of %s", (_, text, times) => {
    const exact = countTokens(text.repeat(times))
    assert.approximately(ask(text.repeat(times)) / exact, 1, 0.05)
  })

  it("come within a blink whatever a text is", () => {
    ask("loads the vocabulary")
    const varied = Array.from({ length: 2_000_000 }, (_, i) => ideograph(i)).join("")
    const texts = ["a", " ", "\n", "😀", "!", "a1", "\u0301"].map((each) =>
      each.repeat(2_000_000 / each.length),
    )
    for (const text of [varied, ...texts]) {
      // Left to itself, the encoding takes minutes.
      assert.isBelow(
        cpuMs(() => ask(text)),
        scaled(1_000),
      )
    }
  })

  it("count tools, calls, schemas and other parts than texts", () => {
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }]
    assert.strictEqual(ask("Hi", { tools }) - ask("Hi"), countTokens(JSON.stringify(tools)))
    assert.isAbove(ask("Hi", { response_format: { type: "json_object" } }), ask("Hi"))
    const image = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(100_000)}` } }
    assert.strictEqual(ask([{ type: "text", text: "Hi" }, image]), ask("Hi") + 500)
  })

  it("are those of the texts in a request for embeddings", () => {
    assert.strictEqual(embeddingTokens({ input: ["Hello world", "Hello"] }), 3)
    assert.strictEqual(embeddingTokens({ input: [[1, 2], [3]] }), 3)
  })
})

describe("a text that is spoken", () => {
  it("is cut at a token, never within a character", () => {
    const text = `${english}🫠𠮷é${chinese}`
    const all = speak(text)
    assert.strictEqual(all.pieces.join(""), text)
    assert.strictEqual(all.tokens, countTokens(text))
    assert.isTrue(all.whole)
    for (let limit = 0; limit < all.tokens; limit++) {
      const { pieces, tokens, whole } = speak(text, limit)
      assert.isTrue(text.startsWith(pieces.join("")))
      assert.notInclude(pieces.join(""), "\ufffd")
      assert.deepStrictEqual([tokens, whole], [limit, false])
      // What was cut off does not come back in the next one.
      assert.strictEqual(speak("𠮷").pieces.join(""), "𠮷")
    }
  })

  it("is split within a blink even if it is one long word", () => {
    const word = Array.from({ length: 32_000 }, (_, i) => ideograph(i)).join("")
    assert.isBelow(
      cpuMs(() => speak(word)),
      scaled(1_000),
    )
    assert.strictEqual(speak(word).pieces.join(""), word)
  })
})

it("loads the vocabulary with the first answer and not before", () => {
  const script = `
    const { makeSimulated } = await import("./src/providers/vendors/simulated/simulated.ts")
    const { promptTokens } = await import("./src/tokens/count.ts")
    const { createRequire } = await import("node:module")
    const cache = createRequire(process.cwd() + "/").cache
    const isLoaded = () => Object.keys(cache).some((file) => file.includes("gpt-tokenizer"))
    const before = isLoaded()
    promptTokens({ messages: [{ role: "user", content: "Hi" }] })
    console.log(before, isLoaded())`
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  })
  assert.strictEqual(stdout.trim(), "false true", stderr)
})
