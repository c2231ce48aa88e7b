import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { carryReasoning } from "../../../../src/domain/carried-reasoning.ts"
import type { JsonObject } from "../../../../src/platform/json.ts"
import { scanJson } from "../../../../src/platform/json-source.ts"
import type { VendorResponses } from "../../../../src/providers/protocols/openai-responses/native-request.ts"
import { nativeResponsesOf } from "../../../../src/providers/protocols/openai-responses/protocol.ts"

const lower = (vendor: VendorResponses, model: string, body: JsonObject) => {
  const bytes = Buffer.from(JSON.stringify({ model: "auto", ...body }))
  const { members = [] } = scanJson(bytes, { depth: 9, fields: 99, innerFields: 99, pieces: 999 })
  return Result.getOrThrow(
    nativeResponsesOf(vendor).lower(
      {
        _tag: "Chat",
        request: { messages: [] },
        body,
        mode: "whole",
        dialect: "responses",
        source: { bytes, members },
      },
      model,
    ),
  )
}
const sent = (vendor: VendorResponses, model: string, body: JsonObject) =>
  JSON.parse(String(lower(vendor, model, body).write("whole")))

const open = {
  type: "reasoning",
  id: "rs_1",
  summary: [],
  content: [{ type: "reasoning_text", text: "Hm." }],
}
const openAis = { type: "reasoning", id: "rs_2", summary: [], encrypted_content: "gAAAAABotests" }
const anothers = { type: "reasoning", id: "rs_3", summary: [], encrypted_content: "c2VhbGVk" }
const carried = { type: "reasoning", summary: [], encrypted_content: carryReasoning([{ type: "x" }]) }
const long = { type: "function_call", id: "fc_1", call_id: "c".repeat(65), name: "f", arguments: "{}" }
const call = { type: "function_call", id: "fc_2", call_id: "c", name: "f", arguments: "{}" }

describe("a history that goes on", () => {
  const input = [open, openAis, anothers, carried, long, { ...call, extra_content: { google: {} } }]

  it.each<[name: string, vendor: VendorResponses, model: string, own: ReadonlyArray<JsonObject>]>([
    ["to a vendor that shows what it reasons", {}, "deepseek-flash", [open, anothers, long, call]],
    ["to one that encrypts", { encrypts: "all" }, "grok-4.3", [anothers, long, call]],
  ])("%s has its reasoning, and neither OpenAI's nor what travels for others", (_, vendor, model, own) => {
    assert.deepStrictEqual(sent(vendor, model, { input }).input, own)
  })

  it.each<[name: string, vendor: VendorResponses, model: string]>([
    ["on a cloud", { encrypts: "OpenAI's" }, "my-deployment"],
    ["behind an aggregator", {}, "openai/gpt-5.4-mini"],
  ])("to OpenAI's models %s has what is encrypted, and names of calls that they take", (_, vendor, model) => {
    const { input: items } = sent(vendor, model, { input })
    assert.deepStrictEqual(items.slice(0, 2), [openAis, anothers])
    assert.match(items[2].call_id, /^call_\w{32}$/)
    assert.deepStrictEqual(items[3], call)
  })

  it("is the client's own bytes otherwise", () => {
    const body = { input: [open, call], temperature: 1 }
    assert.deepStrictEqual(sent({}, "deepseek-flash", body), {
      model: "deepseek-flash",
      ...body,
      store: false,
    })
  })

  it("goes once more without reasoning that the vendor does not take, and without the ids that it goes with", () => {
    const writer = lower({ encrypts: "OpenAI's" }, "gpt-5.4", { input: [anothers, call] })
    const { id: _, ...bare } = call
    const other = writer.reworded?.("")
    assert.deepStrictEqual(JSON.parse(String(other?.write("stream"))).input, [bare])
    assert.deepStrictEqual([writer.dropped?.(), other?.dropped?.()], [[], ["input[0]"]])
    assert.isUndefined(lower({}, "gpt-5.4", { input: [call] }).reworded?.(""))
    assert.isUndefined(lower({}, "gpt-5.4", { input: "Hi" }).reworded?.(""))
    const refusal = {
      message: "The encrypted content gAAA...DQ== could not be verified.",
      type: "invalid_request_error",
      param: null,
      code: "invalid_encrypted_content",
    }
    const headers = { retryAfter: undefined, retryAfterMs: undefined }
    const { classify } = nativeResponsesOf({})
    assert.strictEqual(
      classify({ status: 400, headers, body: { error: refusal } }, 0).kind,
      "needs_rewording",
    )
  })
})

describe("fields", () => {
  it("that a vendor refuses stay here, by name where they are the client's", () => {
    const vendor = { without: ["store", "include", "prompt_cache_key"] }
    const writer = lower(vendor, "openai/gpt-oss-120b", { input: "Hi", store: false, prompt_cache_key: "k" })
    assert.deepStrictEqual(JSON.parse(String(writer.write("whole"))), {
      model: "openai/gpt-oss-120b",
      input: "Hi",
    })
    assert.deepStrictEqual(writer.dropped?.(), ["prompt_cache_key"])
  })

  it("ask for reasoning that only comes encrypted", () => {
    const include = ["reasoning.encrypted_content"]
    assert.deepStrictEqual(sent({ encrypts: "all" }, "grok-4.3", { input: "Hi" }).include, include)
    assert.deepStrictEqual(sent({}, "openai/gpt-5.4-mini", { input: "Hi" }).include, include)
    assert.isUndefined(sent({}, "openai/gpt-oss-120b", { input: "Hi" }).include)
    assert.isUndefined(sent({ encrypts: "OpenAI's" }, "gpt-4.1", { input: "Hi" }).include)
  })
})
