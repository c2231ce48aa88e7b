import { assert } from "@effect/vitest"
import OpenAI from "openai"
import { afterAll, beforeAll, beforeEach, describe, it } from "vitest"
import { ok, status } from "../support/fake-upstream-behaviours.ts"
import { OpenAiWorld, PROVIDER_KEY, thrown, user } from "./openai-sdk-world.ts"

/** Embeddings and the list of models, as OpenAI's own client asks for them. */

let world: OpenAiWorld
let client: OpenAI

beforeAll(async () => {
  world = await OpenAiWorld.start()
  client = world.client()
})

afterAll(() => world?.stop())

beforeEach(() => world.upstream.reset())

describe("embeddings", () => {
  it("are the same in the client's default encoding, which is base64, and as numbers", async () => {
    world.upstream.respond(ok({ usage: { input: 9, output: 0 } }))
    const packed = await client.embeddings.create({ model: "p0/e", input: "a text" })
    const plain = await client.embeddings.create({ model: "p0/e", input: "a text", encoding_format: "float" })
    assert.deepStrictEqual(
      world.upstream.calls.map(({ path, json }) => [path, json]),
      [
        ["/v1/embeddings", { model: "e", input: "a text", encoding_format: "base64" }],
        ["/v1/embeddings", { model: "e", input: "a text", encoding_format: "float" }],
      ],
    )
    assert.lengthOf(plain.data[0]?.embedding ?? [], 8)
    assert.deepStrictEqual(packed.data[0]?.embedding, plain.data[0]?.embedding)
    assert.deepStrictEqual(plain.usage, { prompt_tokens: 9, total_tokens: 9 })
    assert.strictEqual(plain.model, "e")
    assert.strictEqual(world.upstream.calls[0]?.headers.authorization, `Bearer ${PROVIDER_KEY}`)
  })

  it.each([
    ["texts", ["one", "two", "one"], 3],
    ["token ids", [1, 2, 3], 1],
    ["lists of token ids", [[1, 2], [3]], 2],
  ])("of a batch of %s come in its order", async (_, input, count) => {
    const sent = {
      model: "p0/e",
      input,
      dimensions: 4,
      encoding_format: "float" as const,
      user: "u-1",
      x_invented: 1,
    }
    const { data } = await client.embeddings.create(sent)
    assert.deepStrictEqual(world.upstream.calls[0]?.json, { ...sent, model: "e" })
    assert.deepStrictEqual(
      data.map(({ index, embedding, object }) => [index, embedding.length, object]),
      Array.from({ length: count }, (_, index) => [index, 4, "embedding"]),
    )
    if (count === 3) {
      assert.deepStrictEqual(data[0]?.embedding, data[2]?.embedding)
      assert.notDeepEqual(data[0]?.embedding, data[1]?.embedding)
    }
  })

  it("travel in the provider's own bytes", async () => {
    const bytes = '{ "data":[ {"embedding":[0.10,1e-7]} ], "x_invented":null, "object":"list" }'
    world.upstream.respond(status(200, bytes))
    const response = await world.post("/embeddings", { model: "p0/e", input: "a" })
    assert.strictEqual(await response.text(), bytes)
    assert.strictEqual(response.headers.get("x-gateway-provider"), "p0")
    assert.strictEqual(response.headers.get("x-gateway-cost"), "unknown")
    assert.strictEqual(response.headers.get("x-ratelimit-limit-requests"), "100000")
  })
})

describe("Gemini's embeddings", () => {
  const model = "g0/gemini-embedding-001"

  it("read as OpenAI's in either encoding", async () => {
    const input = ["one", "two"]
    for (const encoding_format of ["float", "base64", undefined] as const) {
      const answer = await client.embeddings.create({
        model,
        input,
        dimensions: 3,
        ...(encoding_format && { encoding_format }),
      })
      assert.strictEqual(answer.object, "list")
      assert.strictEqual(answer.model, "gemini-embedding-001")
      const vectors =
        encoding_format === "base64"
          ? answer.data.map(({ embedding }) => floatsOf(String(embedding)))
          : answer.data.map(({ embedding }) => embedding)
      // Google's shortened vectors are not of unit length; OpenAI's are.
      for (const [i, first] of [0.5, 1.5].entries()) {
        const length = Math.hypot(first, 0.25, 0.25)
        for (const [j, number] of [first, 0.25, 0.25].entries()) {
          assert.closeTo(vectors[i]?.[j] ?? Number.NaN, number / length, 1e-6)
        }
      }
      assert.isAbove(answer.usage.prompt_tokens, 0)
      assert.strictEqual(answer.usage.total_tokens, answer.usage.prompt_tokens)
    }
    const [call] = world.upstream.calls
    assert.strictEqual(call?.path, "/v1beta/models/gemini-embedding-001:batchEmbedContents")
    assert.deepStrictEqual(call?.json, {
      requests: input.map((text) => ({
        model: "models/gemini-embedding-001",
        content: { parts: [{ text }] },
        outputDimensionality: 3,
      })),
    })
  })

  it("cannot be of token ids", async () => {
    const error = await thrown(client.embeddings.create({ model, input: [1, 2] }), OpenAI.BadRequestError)
    assert.deepInclude(error, { code: "invalid_request", param: "input" })
    assert.strictEqual(world.upstream.count, 0)
  })
})

describe("a model of the other kind", () => {
  it.each(["p0/m", "g0/gemini-2.5-flash", "auto"])("cannot embed: %s", async (model) => {
    const error = await thrown(client.embeddings.create({ model, input: "a" }), OpenAI.BadRequestError)
    assert.deepInclude(error, { code: "invalid_request", param: "model" })
    assert.strictEqual(world.upstream.count, 0)
  })

  it.each(["p0/e", "g0/gemini-embedding-001"])("cannot chat: %s", async (model) => {
    for (const stream of [false, true]) {
      const asked = client.chat.completions.create({ model, messages: [user("Hi")], stream })
      const error = await thrown(asked, OpenAI.BadRequestError)
      assert.deepInclude(error, { code: "invalid_request", param: "model" })
    }
    assert.strictEqual(world.upstream.count, 0)
  })
})

describe("a wrong embeddings request", () => {
  it.each([
    [{ input: "" }, "input"],
    [{ input: [] }, "input"],
    [{ input: "a", dimensions: 0 }, "dimensions"],
    [{}, "input"],
  ])("is refused, naming the field: %o", async (body, param) => {
    const response = await world.post("/embeddings", { model: "p0/e", ...body })
    const { error } = (await response.json()) as { error: Record<string, unknown> }
    assert.strictEqual(response.status, 400)
    assert.deepInclude(error, { type: "invalid_request_error", code: "invalid_request" })
    assert.match(String(error.param), new RegExp(`^${param}`))
    assert.strictEqual(world.upstream.count, 0)
  })
})

describe("models", () => {
  const all = ["auto", "both", "m", "small", "org/large", "e", "gemini-2.5-flash", "gemini-embedding-001"]
  const qualified = [
    "p0/m",
    "p0/small",
    "p0/org/large",
    "p0/e",
    "g0/gemini-2.5-flash",
    "g0/gemini-embedding-001",
  ]

  const listed = async (client: OpenAI) => {
    const models = []
    for await (const model of client.models.list()) models.push(model)
    return models
  }

  it("are every name that a request may ask for, and who is behind it", async () => {
    const models = await listed(client)
    assert.sameMembers(
      models.map(({ id }) => id),
      [...all, ...qualified],
    )
    for (const model of models) assert.hasAllKeys(model, ["id", "object", "created", "owned_by"])
    const ownerOf = (name: string) => models.find(({ id }) => id === name)?.owned_by
    assert.deepStrictEqual(["auto", "m", "p0/m", "g0/gemini-2.5-flash"].map(ownerOf), [
      "llm-gateway",
      "p0",
      "p0",
      "g0",
    ])
  })

  it("are found one by one, their slash escaped by the client or as it is", async () => {
    for (const expected of await listed(client)) {
      const model = await client.models.retrieve(expected.id)
      assert.deepStrictEqual({ ...model }, expected)
    }
    const plain = await fetch(`${world.baseUrl}/models/p0/m`, {
      headers: { authorization: `Bearer ${world.key}` },
    })
    assert.strictEqual(((await plain.json()) as { id: string }).id, "p0/m")
  })

  it.each(["p0/m", "p0%2Fm", "auto"])("are only read: POST to %s is 405", async (name) => {
    const response = await fetch(`${world.gateway.url}/v1/models/${name}`, { method: "POST" })
    assert.strictEqual(response.status, 405)
    assert.strictEqual(response.headers.get("allow"), "GET")
  })

  it.each(["nobody", "p0/nobody", "p0/m/", "%", "../admin/keys", "a/b/c"])(
    "%j is none of them",
    async (id) => {
      const error = await thrown(client.models.retrieve(id), OpenAI.NotFoundError)
      assert.oneOf(error.code, ["model_not_found", "not_found"])
      assert.strictEqual(error.type, "invalid_request_error")
    },
  )

  it("are only those that the key may ask for", async () => {
    const { key } = await world.gateway.createKey({ models: ["p0/m", "g0/gemini-embedding-001"] })
    const limited = world.client({ apiKey: key })
    const names = (await listed(limited)).map(({ id }) => id)
    assert.sameMembers(names, [
      "auto",
      "both",
      "m",
      "gemini-embedding-001",
      "p0/m",
      "g0/gemini-embedding-001",
    ])
    // What is listed can be asked for, and what can be asked for is listed.
    for (const id of [...all, ...qualified]) {
      const retrieved = limited.models.retrieve(id)
      if (names.includes(id)) assert.strictEqual((await retrieved).id, id)
      else assert.strictEqual((await thrown(retrieved, OpenAI.NotFoundError)).code, "model_not_found")
    }
    for (const model of names) {
      await (model.includes("embedding")
        ? limited.embeddings.create({ model, input: "a" })
        : limited.chat.completions.create({ model, messages: [user("Hi")] }))
    }
  })

  it("are nobody's without a key", async () => {
    const nobody = world.client({ apiKey: "gwk_nobody" })
    await thrown(nobody.models.list().then(), OpenAI.AuthenticationError)
    await thrown(nobody.models.retrieve("p0/m"), OpenAI.AuthenticationError)
  })
})

const floatsOf = (base64: string): ReadonlyArray<number> => {
  const bytes = Buffer.from(base64, "base64")
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(4 * at))
}
