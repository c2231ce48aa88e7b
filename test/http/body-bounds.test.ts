import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { readJson } from "../../src/http/body.ts"
import { decodeInfer } from "../../src/http/infer-route.ts"
import { type DecodeCall, understandLarge } from "../../src/http/inference-route.ts"
import { decodeChat, decodeEmbeddings } from "../../src/http/openai-routes.ts"

/** What a request may have of everything, which field says that it has more, and in which words. */

const list = (count: number, item: string) => Array(count).fill(item).join()
const fields = (count: number) => Array.from({ length: count }, (_, i) => `"f${i}":0`).join()
const USER = '{"role":"user","content":"hello"}'
const PART = '{"type":"text","text":""}'

const faultOf = (decode: DecodeCall, text: string) => {
  const call = Result.flatMap(readJson(Buffer.from(text)), decode)
  if (Result.isSuccess(call)) return undefined
  const { code, param, detail } = call.failure
  return { code, param, detail }
}

const chat = (more: string) => `{"model":"m","messages":[${USER}]${more}}`
const said = (messages: string) => `{"model":"m","messages":[${messages}]}`
const embed = (input: string) => `{"model":"m","input":${input}}`

describe("a bound of a request", () => {
  it.each<[string, DecodeCall, within: string, beyond: string, param: string | undefined, rule: string]>([
    [
      "fields",
      decodeChat,
      chat(`,${fields(998)}`),
      chat(`,${fields(999)}`),
      undefined,
      "Expected at most 1000 fields.",
    ],
    [
      "fields of an object within",
      decodeChat,
      said(`${USER},{"role":"user","content":[${PART},{"type":"text","text":"","x":{${fields(10_000)}}}]}`),
      said(`${USER},{"role":"user","content":[${PART},{"type":"text","text":"","x":{${fields(10_001)}}}]}`),
      "messages[1].content[1].x",
      "Expected at most 10000 fields.",
    ],
    [
      "fields, objects and lists in all",
      decodeChat,
      chat(`,"x":[${list(249_991, "[]")}]`),
      chat(`,"x":[${list(249_992, "[]")}]`),
      undefined,
      "Expected at most 250000 fields, lists and objects in all.",
    ],
    [
      "messages",
      decodeChat,
      said(list(10_000, USER)),
      said(list(10_001, USER)),
      "messages",
      "Expected a value with a length of at most 10000.",
    ],
    [
      "parts",
      decodeChat,
      said(`{"role":"user","content":[${list(10_000, PART)}]}`),
      said(`{"role":"user","content":[${list(10_001, PART)}]}`),
      "messages[0].content",
      "Expected a value with a length of at most 10000.",
    ],
    [
      "stop sequences",
      decodeChat,
      chat(`,"stop":[${list(1_000, '""')}]`),
      chat(`,"stop":[${list(1_001, '""')}]`),
      "stop",
      "Expected a value with a length of at most 1000.",
    ],
    [
      "messages of POST /infer",
      decodeInfer,
      `{"messages":[${list(10_000, USER)}]}`,
      `{"messages":[${list(10_001, USER)}]}`,
      "messages",
      "Expected a value with a length of at most 10000.",
    ],
    [
      "parts of POST /infer",
      decodeInfer,
      `{"messages":[{"role":"user","content":[${list(10_000, PART)}]}]}`,
      `{"messages":[{"role":"user","content":[${list(10_001, PART)}]}]}`,
      "messages[0].content",
      "Expected a value with a length of at most 10000.",
    ],
    [
      "texts to embed",
      decodeEmbeddings,
      embed(`[${list(2_048, '"a"')}]`),
      embed(`[${list(2_049, '"a"')}]`),
      "input",
      "Expected 1 to 2048 inputs.",
    ],
    [
      "token ids of a text",
      decodeEmbeddings,
      embed(`[${list(1_000_000, "1")}]`),
      embed(`[${list(1_000_001, "1")}]`),
      "input",
      "Expected 1 to 1000000 token ids.",
    ],
  ])("on %s holds what is within and refuses one more", (_what, decode, within, beyond, param, rule) => {
    assert.isUndefined(faultOf(decode, within))
    assert.deepStrictEqual(faultOf(decode, beyond), {
      code: "invalid_request",
      param,
      detail: param === undefined ? rule : `${param}: ${rule}`,
    })
  })

  it("on levels is one of JSON itself", () => {
    const deep = (levels: number) => chat(`,"x":${"[".repeat(levels)}${"]".repeat(levels)}`)
    assert.isUndefined(faultOf(decodeChat, deep(255)))
    assert.deepInclude(faultOf(decodeChat, deep(256)), {
      code: "invalid_json",
      detail: "The body is nested more than 256 levels deep.",
    })
  })

  it("is not exceeded by what stands in texts", () => {
    const text = JSON.stringify(`{${fields(20_000)}${"[".repeat(1000)}`)
    assert.isUndefined(faultOf(decodeChat, said(`{"role":"user","content":${text}}`)))
  })
})

describe("inputs to embed", () => {
  it.each([['"a text"'], ['["one","two"]'], ["[1,2,3]"], ["[[1],[2,3]]"]])("are %s", (input) =>
    assert.isUndefined(faultOf(decodeEmbeddings, embed(input))),
  )

  it.each([
    ['""', "input", "Expected a text that is not empty."],
    ["{}", "input", "Expected a text, a list of texts or of token ids."],
    ["[]", "input", "Expected 1 to 2048 inputs."],
    ['["a",""]', "input[1]", "Expected a text that is not empty."],
    ['["a",1]', "input[1]", "Expected a text, like the inputs before."],
    ["[1,-1]", "input[1]", "Expected a token id, a whole number from 0."],
    ["[1,1.5]", "input[1]", "Expected a token id, a whole number from 0."],
    ['[1,"a"]', "input[1]", "Expected a token id, a whole number from 0."],
    ["[[1],[]]", "input[1]", "Expected 1 to 1000000 token ids."],
    ["[[1],[2,null]]", "input[1][1]", "Expected a token id, a whole number from 0."],
    ["[null]", "input[0]", "Expected a text or a list of token ids."],
  ])("are not %s", (input, param, rule) => {
    assert.deepStrictEqual(faultOf(decodeEmbeddings, embed(input)), {
      code: "invalid_request",
      param,
      detail: `${param}: ${rule}`,
    })
  })
})

it("a field that nobody knows is named as far as a person reads", () => {
  const name = "x".repeat(100_000)
  const fault = faultOf(decodeInfer, `{"prompt":"hello","${name}":1}`)
  assert.strictEqual(fault?.param, `${"x".repeat(100)}…`)
})

it("fields that nobody knows reach the task as they came", () => {
  const text =
    '{"model":"m","messages":[{"role":"user","content":[{"type":"x","y":1}],"name":"n"}],"stream_options":{"z":[]},"seed":12345678901234567890}'
  const { task } = Result.getOrThrow(Result.flatMap(readJson(Buffer.from(text)), decodeChat))
  assert.strictEqual(JSON.stringify(task.request), text.replace('"model":"m",', ""))
})

it("a large body is understood in turns of the event loop", async () => {
  const turnsOf = async (bytes: number) => {
    let turns = 0
    let counting = true
    const count = () => {
      turns++
      if (counting) setImmediate(count)
    }
    const body = Buffer.from(said(`{"role":"user","content":"${"x".repeat(bytes)}"}`))
    setImmediate(count)
    await Effect.runPromise(understandLarge(body, decodeChat))
    counting = false
    return turns
  }
  assert.isAtLeast(await turnsOf(1_000_000), 2)
})
