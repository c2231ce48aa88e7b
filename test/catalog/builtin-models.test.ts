import { assert, describe, it } from "@effect/vitest"
import {
  anthropicModels,
  geminiModels,
  openaiModels,
  openaiResponsesModels,
} from "../../src/catalog/builtin-models.ts"
import { builtinVendors } from "../../src/config/builtin-providers.ts"
import { parameterOf } from "../../src/domain/parameters.ts"
import { takesSampling } from "../../src/providers/protocols/anthropic/model-abilities.ts"

const all = [...openaiModels, ...geminiModels, ...anthropicModels]
const embeddings = all.filter(({ kind }) => kind === "embedding")

describe("built-in models", () => {
  it("are each named once, and priced with source and date", () => {
    for (const models of [openaiModels, geminiModels, anthropicModels]) {
      assert.strictEqual(new Set(models.map(({ name }) => name)).size, models.length)
    }
    for (const { name, price, kind } of all) {
      assert(price !== undefined, name)
      assert.strictEqual(price.asOf, "2026-11-28")
      if (kind === "embedding") continue
      for (const nano of [price.inputNanoPer1M, price.cachedInputNanoPer1M, price.outputNanoPer1M]) {
        assert(Number.isSafeInteger(nano) && nano > 0, name)
      }
      // A slipped decimal would show: no list price leaves these bounds.
      assert(price.cachedInputNanoPer1M <= price.inputNanoPer1M, name)
      assert(price.inputNanoPer1M <= price.outputNanoPer1M, name)
    }
  })

  it("of embeddings put nothing out and say which price was read where", () => {
    assert.deepStrictEqual(
      embeddings.map(({ name, contextWindow, maxOutputTokens, price }) => [
        name,
        contextWindow,
        maxOutputTokens,
        price?.inputNanoPer1M,
        price?.outputNanoPer1M,
        price?.source,
      ]),
      [
        ["text-embedding-3-small", 8_192, undefined, 20_000_000, 0, "genai-prices 0.1.8"],
        ["text-embedding-3-large", 8_192, undefined, 130_000_000, 0, "genai-prices 0.1.8"],
        ["text-embedding-ada-002", 8_192, undefined, 100_000_000, 0, "genai-prices 0.1.8"],
        ["gemini-embedding-001", 2_048, undefined, 150_000_000, 0, "genai-prices 0.1.8"],
      ],
    )
  })

  it("have an undated alias beside every dated snapshot, with the same facts", () => {
    const byName = new Map(openaiModels.map((model) => [model.name, model]))
    const dated = openaiModels.filter(({ name }) => /-\d{4}-\d{2}-\d{2}$/.test(name))
    assert.isAbove(dated.length, 20)
    for (const model of dated) {
      const alias = model.name.replace(/-\d{4}-\d{2}-\d{2}$/, "")
      assert.deepStrictEqual(byName.get(alias), { ...model, name: alias })
    }
  })

  it("are none that a chat cannot be asked of, which a file may list all the same", () => {
    assert.isFalse(openaiModels.some(({ name }) => /-pro|-codex|deep-research/.test(name)))
    assert.lengthOf(openaiResponsesModels, 16)
  })

  it("hold every model of the default route, larger ones with a larger window", () => {
    for (const { models, auto, largerContext } of Object.values(builtinVendors)) {
      const window = (name: string) => models.find((model) => model.name === name)?.contextWindow ?? 0
      assert.isAbove(auto.length, 0)
      for (const name of auto) {
        assert.isAbove(window(name), 0)
        for (const larger of largerContext) assert.isAbove(window(larger), window(name))
      }
    }
  })

  it("spot check against the published numbers", () => {
    assert.deepStrictEqual(
      all.find(({ name }) => name === "gpt-5.4-mini"),
      {
        name: "gpt-5.4-mini",
        kind: "chat",
        contextWindow: 400_000,
        maxOutputTokens: 128_000,
        inputs: ["text", "image", "file"],
        price: {
          inputNanoPer1M: 750_000_000,
          cachedInputNanoPer1M: 75_000_000,
          outputNanoPer1M: 4_500_000_000,
          serviceTiers: { flex: 0.5, priority: 2 },
          webSearchNano: 10_000_000,
          fileSearchNano: 2_500_000,
          source: "genai-prices 0.1.8",
          asOf: "2026-11-28",
        },
      },
    )
  })

  it("cost as an alias what the newest model costs that it stands for, on every day", () => {
    const of = (model: string) => {
      const price = geminiModels.find(({ name }) => name === model)?.price
      return [price, ...(price?.earlier ?? [])].map((row) => ({ ...row, source: "", earlier: undefined }))
    }
    assert.deepStrictEqual(of("gemini-flash-latest"), of("gemini-3.8-flash"))
  })

  it("state under chat's own names what they refuse", () => {
    for (const { name, unsupported = [] } of [...all, ...openaiResponsesModels]) {
      for (const stated of unsupported) assert.strictEqual(parameterOf(stated)?.name, stated, name)
    }
  })

  it("state what their vendors' documents say, and of snapshots what they say of the model", () => {
    const of = (model: string) => all.find(({ name }) => name === model)?.unsupported ?? []
    for (const [model, refused, taken] of [
      ["o3", ["temperature", "logit_bias", "stop"], ["tools", "reasoning_effort"]],
      ["o3-mini", ["top_p"], ["stop", "response_format.type=json_schema"]],
      ["o1-mini", ["tools", "reasoning_effort"], ["stop"]],
      ["gpt-5-mini", ["temperature", "reasoning_effort=none"], ["reasoning_effort=minimal"]],
      // It takes these while it does not reason.
      ["gpt-5.2", ["reasoning_effort=minimal"], ["temperature", "reasoning_effort=none"]],
      ["gpt-6-astra", ["reasoning_effort=none"], ["temperature"]],
      ["gpt-4.1", [], ["temperature"]],
      ["gemini-3.8-flash", [], ["temperature"]],
    ] as const) {
      assert.includeMembers([...of(model)], [...refused], model)
      for (const each of taken) assert.notInclude(of(model), each, model)
    }
    for (const { name, unsupported } of openaiModels) {
      const model = name.replace(/-\d{4}-\d{2}-\d{2}$/, "")
      assert.deepStrictEqual(unsupported ?? [], of(model), name)
    }
  })

  it("of Claude state to refuse sampling where the protocol leaves it out", () => {
    for (const { name, unsupported } of anthropicModels) {
      const expected = takesSampling(name) ? undefined : ["temperature", "top_p", "top_k"]
      assert.deepStrictEqual(unsupported, expected, name)
    }
  })
})
