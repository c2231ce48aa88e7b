import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import type { Endpoints } from "../../src/catalog/preset.ts"
import { sealSummary } from "../../src/domain/compaction.ts"
import type { ChatTask } from "../../src/domain/Task.ts"
import type { JsonObject } from "../../src/platform/json.ts"
import { scanJson } from "../../src/platform/json-source.ts"
import { makeTransport } from "../../src/providers/http/transport.ts"
import { makeOpenAiCompatible } from "../../src/providers/vendors/openai-compatible.ts"
import { FakeUpstream } from "../support/FakeUpstream.ts"
import { type Behaviour, ok, status } from "../support/fake-upstream-behaviours.ts"
import { transportOptions } from "./http/transport-options.ts"

/** A client's own request, with what it means in chat. */
const task = (dialect: "messages" | "responses", fields: JsonObject = {}): ChatTask => {
  const said = [{ role: "user", content: "hello" }]
  const body = {
    ...(dialect === "messages" ? { max_tokens: 9, messages: said } : { input: "hello" }),
    ...fields,
  }
  const bytes = Buffer.from(JSON.stringify({ model: "auto", ...body }))
  const { members = [] } = scanJson(bytes, { depth: 9, fields: 99, innerFields: 99, pieces: 999 })
  return {
    _tag: "Chat",
    request: { messages: [{ role: "user", content: "hello" }] },
    body,
    mode: "whole",
    dialect,
    source: { bytes, members },
  }
}

const BOTH: Endpoints = {
  messages: { path: "messages", tools: [] },
  responses: { path: "responses", tools: ["mcp"] },
}

const world = Effect.fnUntraced(function* (endpoints: Endpoints) {
  const upstream = yield* FakeUpstream.make
  const provider = makeOpenAiCompatible(
    {
      kind: "openai-compatible",
      name: "it",
      baseUrl: upstream.openAiBaseUrl,
      apiKey: Redacted.make("key-of-the-operator"),
      endpoints,
      models: [],
    },
    yield* makeTransport(transportOptions),
  )
  const prepare = (asked: ChatTask, model = "m") => Result.getOrThrow(provider.prepare(asked, model))
  const paths = () => upstream.calls.map(({ path }) => path)
  return { upstream, prepare, paths }
})

describe("the way to a server that speaks a client's dialect", () => {
  it.live("is native, unless the request has tools that the server does not know", () =>
    Effect.gen(function* () {
      const { paths, prepare, upstream } = yield* world(BOTH)
      upstream.respond(status(500, {}))
      const ask = (...asked: Parameters<typeof prepare>) => Effect.flip(prepare(...asked).complete(5000))
      yield* ask(task("messages", { tools: [{ name: "f", input_schema: {} }] }))
      yield* ask(task("messages", { tools: [{ type: "web_search_20250305", name: "web_search" }] }))
      yield* ask(task("responses", { tools: [{ type: "function", name: "f" }, { type: "mcp" }] }))
      yield* ask(task("responses", { input: [{ type: "custom_tool_call", call_id: "c" }] }))
      // The gateway's own summary is a text; another's is for its maker alone, and so is the wish for one.
      const compaction = (encrypted_content: string) => ({
        input: [{ type: "compaction", encrypted_content }],
      })
      yield* ask(task("responses", compaction(sealSummary("Of Rome."))))
      yield* ask(task("responses", compaction("c2VhbGVk")))
      yield* ask({ ...task("responses"), isCompaction: true })
      assert.deepStrictEqual(paths(), [
        "/v1/messages",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/chat/completions",
        "/v1/chat/completions",
      ])
    }),
  )

  it.live("has the key where the endpoint wants it, and chats too for models that are there alone", () =>
    Effect.gen(function* () {
      const { prepare, upstream } = yield* world({
        messages: {
          path: "../anthropic/v1/messages",
          keyHeader: "x-api-key",
          models: "claude",
          alone: true,
        },
      })
      upstream.respond(status(500, {}))
      for (const asked of [task("messages"), task("responses")]) {
        yield* Effect.flip(prepare(asked, "claude-haiku-4-5").complete(5000))
        yield* Effect.flip(prepare(asked, "gpt-5.4").complete(5000))
      }
      const claudes = ["/anthropic/v1/messages", "key-of-the-operator", undefined]
      const others = ["/v1/chat/completions", undefined, "Bearer key-of-the-operator"]
      assert.deepStrictEqual(
        upstream.calls.map(({ headers, path }) => [path, headers["x-api-key"], headers.authorization]),
        [claudes, others, claudes, others],
      )
    }),
  )
})

describe("a cloud that does not take the betas of a client", () => {
  it.live("gets the request once more without them", () =>
    Effect.gen(function* () {
      const { prepare, upstream } = yield* world({ messages: { path: "messages", alone: true } })
      const error = { type: "invalid_request_error", message: "invalid beta flag" }
      upstream.enqueue(status(400, { type: "error", error }), status(500, {}))
      const call = prepare({ ...task("messages"), headers: ["anthropic-beta", "claude-code-20250219"] })
      for (const kind of ["needs_rewording", "server_error"]) {
        assert.strictEqual((yield* Effect.flip(call.complete(5000))).kind, kind)
      }
      assert.deepStrictEqual(
        upstream.calls.map(({ headers }) => headers["anthropic-beta"]),
        ["claude-code-20250219", undefined],
      )
    }),
  )
})

describe("a server that has no such path after all", () => {
  const plain =
    (code: number, text: string): Behaviour =>
    ({ response }) =>
      response.writeHead(code, { "content-type": "text/plain" }).end(text)

  it.live.each<[name: string, answer: Behaviour]>([
    ["Ollama", plain(404, "404 page not found")],
    ["vLLM", status(404, { detail: "Not Found" })],
    ["llama.cpp", status(404, { error: { code: 404, message: "File Not Found", type: "not_found_error" } })],
    ["LM Studio", status(200, { error: "Unexpected endpoint or method. (POST /v1/messages)" })],
    ["one that takes no POST there", status(405, { detail: "Method Not Allowed" })],
  ])("%s is asked in chat, at once and from then on", ([, answer]) =>
    Effect.gen(function* () {
      const { paths, prepare, upstream } = yield* world(BOTH)
      upstream.enqueue(answer, ok())
      const call = prepare(task("messages"))
      assert.strictEqual((yield* Effect.flip(call.complete(5000))).kind, "needs_rewording")
      assert.strictEqual((yield* call.complete(5000)).dialect, undefined)
      yield* prepare(task("messages")).complete(5000)
      const chat = "/v1/chat/completions"
      assert.deepStrictEqual(paths(), ["/v1/messages", chat, chat])
      // Of another dialect nothing is known yet.
      upstream.enqueue(status(500, {}))
      yield* Effect.flip(prepare(task("responses")).complete(5000))
      assert.strictEqual(paths().at(-1), "/v1/responses")
    }),
  )

  it.live("is told from one that lacks the model", () =>
    Effect.gen(function* () {
      const { paths, prepare, upstream } = yield* world(BOTH)
      const message = "The model `m` does not exist."
      upstream.respond(status(404, { type: "error", error: { type: "NotFoundError", message } }))
      for (const _ of [1, 2]) {
        const error = yield* Effect.flip(prepare(task("messages")).complete(5000))
        assert.strictEqual(error.kind, "model_not_found")
      }
      assert.deepStrictEqual(paths(), ["/v1/messages", "/v1/messages"])
    }),
  )

  it.live("is not one that misses a file of the client's", () =>
    Effect.gen(function* () {
      const { paths, prepare, upstream } = yield* world(BOTH)
      upstream.enqueue(
        ok(),
        status(404, { error: { message: "File not found", type: "not_found_error" } }),
        status(500, {}),
      )
      yield* prepare(task("responses")).complete(5000)
      assert.strictEqual((yield* Effect.flip(prepare(task("responses")).complete(5000))).kind, "refused")
      yield* Effect.flip(prepare(task("responses")).complete(5000))
      assert.deepStrictEqual(paths(), ["/v1/responses", "/v1/responses", "/v1/responses"])
    }),
  )
})
