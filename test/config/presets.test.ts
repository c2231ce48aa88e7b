import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { presets } from "../../src/catalog/vendors.ts"
import type { GatewayConfig, HttpProviderConfig } from "../../src/config/GatewayConfig.ts"
import { parseGatewayFile } from "../../src/config/GatewayFile.ts"
import { mergeGatewayConfig } from "../../src/config/merge-gateway-config.ts"

const merge = (yaml: string, keys: ReadonlyArray<string>, variables: Readonly<Record<string, string>> = {}) =>
  mergeGatewayConfig(
    Result.getOrThrowWith(parseGatewayFile(yaml), (faults) => new Error(faults.join("\n"))),
    {
      apiKeys: new Map(keys.map((name) => [name, Redacted.make(`value of ${name}`)])),
      baseUrls: {
        openai: "https://openai.test/v1",
        gemini: "https://gemini.test",
        anthropic: "https://anthropic.test",
      },
      variables: new Map(Object.entries(variables)),
    },
  )

const config = (...args: Parameters<typeof merge>): GatewayConfig =>
  Result.getOrThrowWith(merge(...args), (faults) => new Error(faults.join("\n")))

const faults = (...args: Parameters<typeof merge>): ReadonlyArray<string> =>
  Result.match(merge(...args), { onSuccess: () => [], onFailure: (lines) => lines })

const auto = (found: GatewayConfig) =>
  found.routes.get("auto")?.candidates.map(({ provider, model }) => `${provider}/${model}`)

const only = (found: GatewayConfig): HttpProviderConfig => {
  const [provider, ...more] = found.providers
  assert(provider !== undefined && provider.kind !== "simulated")
  assert.deepStrictEqual(more, [])
  return provider
}

const keyOf = ({ apiKey }: HttpProviderConfig) => apiKey && Redacted.value(apiKey)

const ALL_KEYS = [
  ...["OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY"],
  ...presets.flatMap(({ apiKeyEnv }) => apiKeyEnv ?? []),
]

describe("a vendor's key in the environment", () => {
  it("turns it on: its address, its models at their prices, its choice for auto", () => {
    const found = config("", ["GROQ_API_KEY"])
    const groq = only(found)
    assert.deepInclude(groq, {
      name: "groq",
      kind: "openai-compatible",
      baseUrl: "https://api.groq.com/openai/v1",
    })
    assert.strictEqual(keyOf(groq), "value of GROQ_API_KEY")
    assert.deepStrictEqual(auto(found), ["groq/openai/gpt-oss-120b"])
    assert.strictEqual(groq.models[0]?.price?.inputNanoPer1M, 150_000_000)
  })

  it("adds one candidate to auto for each vendor, in the table's order, after openai, gemini and anthropic", () => {
    const found = config("", ALL_KEYS, { AWS_REGION: "eu-west-1", AZURE_OPENAI_ENDPOINT: "https://x.test" })
    assert.deepStrictEqual(
      auto(found)?.map((candidate) => candidate.split("/")[0]),
      [
        ...["openai", "gemini", "anthropic", "bedrock", "vertex", "mistral", "groq", "deepseek", "xai"],
        ...["openrouter", "together", "fireworks", "cerebras", "moonshot"],
      ],
    )
    assert.deepStrictEqual([...found.off.keys()], ["azure", "ollama", "vllm", "lmstudio"])
  })

  it("is found where its address's variable says, with the region that stands in another", () => {
    const url = (variables: Record<string, string>) =>
      only(config("", ["AWS_BEARER_TOKEN_BEDROCK"], variables)).baseUrl
    const inRegion = "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1"
    assert.strictEqual(url({ AWS_REGION: "eu-west-1" }), inRegion)
    const both = { AWS_REGION: "eu-west-1", AWS_BEDROCK_BASE_URL: "http://proxy.test/v1" }
    assert.strictEqual(url(both), "http://proxy.test/v1")
  })

  it("is not enough where a part of the address is missing", () => {
    const found = config("", ["AWS_BEARER_TOKEN_BEDROCK"])
    assert.deepStrictEqual(
      found.providers.map(({ kind }) => kind),
      ["simulated", "simulated"],
    )
    assert.deepStrictEqual(found.off.get("bedrock"), {
      why: "AWS_REGION or AWS_BEDROCK_BASE_URL is not set",
      hasKey: true,
    })
    assert.isFalse(found.off.get("groq")?.hasKey)
  })
})

describe("a preset in the file", () => {
  it("has the vendor's name, key and models, unless it says others", () => {
    const found = config(
      `providers:
        - preset: mistral
        - { preset: mistral, name: eu, api_key_env: EU_KEY, base_url: "https://eu.test/v1/", models: [{ name: mistral-large-2512, max_output_tokens: 9 }, { name: new }] }`,
      ["MISTRAL_API_KEY", "EU_KEY"],
    )
    const [usual, eu] = found.providers
    assert(usual?.kind === "openai-compatible" && eu?.kind === "openai-compatible")
    assert.deepStrictEqual([usual.name, eu.name], ["mistral", "eu"])
    assert.deepStrictEqual([usual.baseUrl, eu.baseUrl], ["https://api.mistral.ai/v1", "https://eu.test/v1"])
    assert.strictEqual(keyOf(eu), "value of EU_KEY")
    const [large, unknown] = eu.models
    assert.deepInclude(large, { kind: "chat", contextWindow: 262_144, maxOutputTokens: 9 })
    assert.strictEqual(large?.price?.outputNanoPer1M, 1_500_000_000)
    assert.deepStrictEqual(unknown, { name: "new", kind: "chat" })
    assert.deepStrictEqual(auto(found), ["mistral/mistral-medium-latest", "eu/mistral-large-2512"])
  })

  it("takes the place of what the key turns on", () => {
    const models = only(
      config("providers: [{ preset: xai, models: [{ name: grok-4.6 }] }]", ["XAI_API_KEY"]),
    ).models
    assert.deepStrictEqual(
      models.map(({ name }) => name),
      ["grok-4.6"],
    )
  })

  it("knows an Azure deployment that has a model's name", () => {
    const azure = only(
      config(
        "providers: [{ preset: azure, models: [{ name: gpt-5.4-mini }, { name: our-own }] }]",
        ["AZURE_OPENAI_API_KEY"],
        { AZURE_OPENAI_ENDPOINT: "https://contoso.openai.azure.com" },
      ),
    )
    assert.strictEqual(azure.baseUrl, "https://contoso.openai.azure.com/openai/v1")
    assert.strictEqual(azure.models[0]?.price?.inputNanoPer1M, 750_000_000)
    assert.deepStrictEqual(azure.models[1], { name: "our-own", kind: "chat" })
  })

  it("asks a server of one's own without a key, or with the one that is named", () => {
    const ollama = (rest: string) =>
      only(config(`providers: [{ preset: ollama, models: [{ name: m }]${rest} }]`, ["OWN_KEY"]))
    assert.isFalse("apiKey" in ollama(""))
    assert.strictEqual(ollama("").baseUrl, "http://127.0.0.1:11434/v1")
    assert.strictEqual(keyOf(ollama(", api_key_env: OWN_KEY")), "value of OWN_KEY")
  })

  it("speaks what its row says natively, or what of it the file lists", () => {
    const spoken = (rest: string) =>
      Object.keys(
        only(config(`providers: [{ preset: deepseek${rest} }]`, ["DEEPSEEK_API_KEY"])).endpoints ?? {},
      )
    assert.deepStrictEqual(spoken(""), ["messages", "responses"])
    assert.deepStrictEqual(spoken(", dialects: [responses]"), ["responses"])
    assert.deepStrictEqual(spoken(", dialects: []"), [])
    const ownServer = (rest: string) =>
      only(
        config(
          `providers: [{ name: own, kind: openai-compatible, base_url: "https://own.test/v1", models: [{ name: m }]${rest} }]`,
          [],
        ),
      ).endpoints
    assert.deepStrictEqual(ownServer(""), {})
    assert.deepInclude(ownServer(", dialects: [messages]")?.messages, { path: "messages" })
  })

  it("may be a vendor whose protocol is a kind, by its name", () => {
    const found = config(
      `providers:
        - { preset: openai, models: [{ name: gpt-5.4-mini }] }
        - { preset: anthropic, name: eu, api_key_env: EU_KEY, base_url: "https://eu.test" }
        - preset: gemini`,
      ["OPENAI_API_KEY", "GEMINI_API_KEY", "EU_KEY"],
    )
    assert.deepStrictEqual(
      found.providers.map((provider) => [
        provider.kind,
        provider.name,
        "baseUrl" in provider && provider.baseUrl,
      ]),
      [
        ["openai", "openai", "https://openai.test/v1"],
        ["anthropic", "eu", "https://eu.test"],
        ["gemini", "gemini", "https://gemini.test"],
      ],
    )
    assert.deepStrictEqual(auto(found)?.[0], "openai/gpt-5.4-mini")
  })

  it.each<[yaml: string, ...lines: ReadonlyArray<string>]>([
    [
      "providers: [{ preset: groq, api_key_env: SET, dialects: [responses, messages] }]",
      "providers[0].dialects[1] is not spoken by preset groq",
    ],
    [
      "providers: [{ preset: groq }]",
      "providers[0].api_key_env needs the environment variable GROQ_API_KEY, which is not set",
    ],
    [
      "providers: [{ preset: ollama }]",
      "providers[0].models is required for preset ollama, whose models only you know: list them by name",
    ],
    [
      "providers: [{ preset: vllm, models: [{ name: m }] }]",
      "providers[0].base_url is required unless VLLM_BASE_URL is set in the environment",
    ],
    [
      "providers: [{ preset: azure, api_key_env: SET, models: [{ name: m }] }]",
      "providers[0].base_url is required unless AZURE_OPENAI_ENDPOINT or AZURE_OPENAI_BASE_URL is set in the environment",
    ],
    [
      "providers: [{ preset: xai, api_key_env: SET }, { preset: xai, api_key_env: SET }]",
      "providers[1].name repeats the name of providers[0]",
    ],
    [
      "routes: { auto: { candidates: [xai/grok-4.6] } }",
      "routes.auto.candidates[0] needs provider xai, which is off: XAI_API_KEY is not set",
    ],
    [
      "prices: [{ provider: xai, model: grok-1, input_usd_per_1m: 1, output_usd_per_1m: 1, source: s, as_of: 2026-11-28 }]",
      "prices[0].model names no model of provider xai",
    ],
  ])("%s is a fault", (yaml, ...lines) => {
    assert.deepStrictEqual(faults(yaml, ["SET"]), lines)
  })
})

describe("prices of a preset", () => {
  it("are the file's over the last update's over the built-in ones", () => {
    const priced = (yaml: string, update: boolean) =>
      Result.getOrThrow(
        mergeGatewayConfig(Result.getOrThrow(parseGatewayFile(yaml)), {
          apiKeys: new Map([["KEY", Redacted.make("k")]]),
          baseUrls: {
            openai: "https://openai.test/v1",
            gemini: "https://gemini.test",
            anthropic: "https://anthropic.test",
          },
          variables: new Map(),
          prices: update
            ? [
                {
                  provider: "groq",
                  model: "openai/gpt-oss-20b",
                  price: {
                    inputNanoPer1M: 7,
                    cachedInputNanoPer1M: 7,
                    outputNanoPer1M: 7,
                    source: "update",
                    asOf: "2026-12-01",
                  },
                },
              ]
            : [],
        }),
      ).providers[0]?.models.find(({ name }) => name === "openai/gpt-oss-20b")?.price?.source
    const other = "providers: [{ preset: groq, name: fast, api_key_env: KEY }]"
    const stated =
      "\nprices: [{ provider: fast, model: openai/gpt-oss-20b, input_usd_per_1m: 1, output_usd_per_1m: 1, source: contract, as_of: 2026-12-02 }]"
    assert.deepStrictEqual(
      [priced(other, false), priced(other, true), priced(other + stated, true)],
      ["genai-prices 0.1.8", "update", "contract"],
    )
  })
})
