import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import { dayOf } from "../../src/catalog/model.ts"
import { rowsOf } from "../../src/catalog/price-history.ts"
import type { CandidateRef, GatewayConfig } from "../../src/config/GatewayConfig.ts"
import { parseGatewayFile } from "../../src/config/GatewayFile.ts"
import { mergeGatewayConfig } from "../../src/config/merge-gateway-config.ts"

const merge = (yaml: string, ...variables: ReadonlyArray<string>) =>
  mergeGatewayConfig(
    Result.getOrThrowWith(parseGatewayFile(yaml), (faults) => new Error(faults.join("\n"))),
    {
      apiKeys: new Map(variables.map((name) => [name, Redacted.make(`value of ${name}`)])),
      baseUrls: {
        openai: "https://openai.test/v1",
        gemini: "https://gemini.test",
        anthropic: "https://anthropic.test",
      },
      variables: new Map(),
    },
  )

const config = (yaml: string, ...variables: ReadonlyArray<string>): GatewayConfig =>
  Result.getOrThrowWith(merge(yaml, ...variables), (faults) => new Error(faults.join("\n")))

const faults = (yaml: string, ...variables: ReadonlyArray<string>): ReadonlyArray<string> =>
  Result.match(merge(yaml, ...variables), { onSuccess: () => [], onFailure: (lines) => lines })

const names = (found: GatewayConfig) => found.providers.map(({ name }) => name)
const show = (refs: ReadonlyArray<CandidateRef> | undefined) =>
  refs?.map(({ provider, model }) => `${provider}/${model}`)

const candidates = (found: GatewayConfig, route = "auto") => show(found.routes.get(route)?.candidates)

const VLLM = `
providers:
  - { name: my-vllm, kind: openai-compatible, base_url: "http://x/v1/", models: [{ name: org/a }, { name: b }] }
`

describe("which providers are on", () => {
  it("without keys and file: two simulated ones, both in auto, one several times cheaper, neither failing", () => {
    const found = config("")
    assert.deepStrictEqual(candidates(found), ["sim-swift/swift-1", "sim-thrift/thrift-1"])
    assert.deepStrictEqual(found.routes.get("auto")?.largerContext, [])
    const [swift, thrift] = found.providers
    assert(swift?.kind === "simulated" && thrift?.kind === "simulated")
    assert.isBelow(swift.simulation.medianMs, thrift.simulation.medianMs)
    const price = (provider: typeof swift) => provider.models[0]?.price?.outputNanoPer1M ?? Number.NaN
    assert.isAbove(price(swift), 2 * price(thrift))
    for (const { simulation, models } of [swift, thrift]) {
      const { serverErrorRate, rateLimitRate, contentFilterRate, midStreamErrorRate, outage } = simulation
      assert.deepStrictEqual(
        [serverErrorRate, rateLimitRate, contentFilterRate, midStreamErrorRate, outage],
        [0, 0, 0, 0, undefined],
      )
      assert.deepStrictEqual(
        models.map(({ kind, price }) => [kind, price?.source]),
        [
          ["chat", "simulated"],
          ["embedding", "simulated"],
        ],
      )
    }
  })

  it("the simulated ones share an embedding model by name, so that its bare name fails over", () => {
    const [swift, thrift] = config("").providers.map(({ models }) => models[1])
    assert.strictEqual(swift?.name, thrift?.name)
    assert.isAbove(swift?.price?.inputNanoPer1M ?? 0, thrift?.price?.inputNanoPer1M ?? Number.NaN)
  })

  it("a key turns its vendor on and the simulated ones off", () => {
    const found = config("", "OPENAI_API_KEY", "GEMINI_API_KEY")
    assert.deepStrictEqual(names(found), ["openai", "gemini"])
    assert.deepStrictEqual(candidates(found), ["openai/gpt-5.4-mini", "gemini/gemini-3.8-flash"])
    assert.deepStrictEqual(show(found.routes.get("auto")?.largerContext), ["openai/gpt-5.4"])
    const [openai] = found.providers
    assert(openai?.kind === "openai")
    assert.strictEqual(openai.baseUrl, "https://openai.test/v1")
    assert.strictEqual(openai.apiKey && Redacted.value(openai.apiKey), "value of OPENAI_API_KEY")
    assert.deepStrictEqual(names(config("", "GEMINI_API_KEY")), ["gemini"])
    assert.deepStrictEqual(config("", "GEMINI_API_KEY").routes.get("auto")?.largerContext, [])
    const claude = config("", "ANTHROPIC_API_KEY")
    assert.deepStrictEqual(candidates(claude), ["anthropic/claude-haiku-4-5"])
    assert.deepStrictEqual(show(claude.routes.get("auto")?.largerContext), ["anthropic/claude-sonnet-5-5"])
    assert(claude.providers[0]?.kind === "anthropic")
    assert.strictEqual(claude.providers[0].baseUrl, "https://anthropic.test")
  })

  it("a provider in the file turns the simulated ones off and joins the vendors; its first model is in auto", () => {
    assert.deepStrictEqual(names(config(VLLM)), ["my-vllm"])
    assert.deepStrictEqual(candidates(config(VLLM)), ["my-vllm/org/a"])
    const found = config(VLLM, "GEMINI_API_KEY")
    assert.deepStrictEqual(names(found), ["gemini", "my-vllm"])
    assert.deepStrictEqual(candidates(found), ["gemini/gemini-3.8-flash", "my-vllm/org/a"])
    const vllm = found.providers[1]
    assert(vllm?.kind === "openai-compatible")
    assert.strictEqual(vllm.baseUrl, "http://x/v1")
    assert.isFalse("apiKey" in vllm)
  })

  it("a listed vendor takes the built-in's place: its models alone, known facts filled in", () => {
    const found = config(
      "providers: [{ name: openai, kind: openai, models: [{ name: gpt-5.4-nano, context_window: 9 }, { name: new }] }]",
      "OPENAI_API_KEY",
    )
    assert.deepStrictEqual(names(found), ["openai"])
    const [nano, unknown] = found.providers[0]?.models ?? []
    assert.strictEqual(nano?.contextWindow, 9)
    assert.strictEqual(nano?.price?.inputNanoPer1M, 200_000_000)
    assert.deepStrictEqual(unknown, { name: "new", kind: "chat" })
    assert.deepStrictEqual(candidates(found), ["openai/gpt-5.4-nano"])
  })

  it("models that only the Responses API has are served too", () => {
    const [openai] = config("", "OPENAI_API_KEY").providers
    const model = openai?.models.find(({ name }) => name === "gpt-5.4-pro")
    assert.strictEqual(model?.price?.outputNanoPer1M, 180_000_000_000)
  })

  it("a vendor's kind under another name has its own key and address and every known model", () => {
    const found = config(
      "providers: [{ name: openai-eu, kind: openai, base_url: 'https://eu.test/', api_key_env: EU_KEY }]",
      "EU_KEY",
      "OPENAI_API_KEY",
    )
    assert.deepStrictEqual(names(found), ["openai", "openai-eu"])
    const eu = found.providers[1]
    assert(eu?.kind === "openai")
    assert.strictEqual(eu.baseUrl, "https://eu.test")
    assert.strictEqual(eu.apiKey && Redacted.value(eu.apiKey), "value of EU_KEY")
    assert.deepStrictEqual(candidates(found), ["openai/gpt-5.4-mini", "openai-eu/gpt-5.4-mini"])
  })

  it("a simulated provider of the file keeps what it says over the defaults", () => {
    const [found] = config(
      "providers: [{ name: s, kind: simulated, simulation: { p95_ms: 400, mid_stream_error_rate: 0.5, outage: { every_ms: 9, down_ms: 3 } }, models: [{ name: m }] }]",
    ).providers
    assert(found?.kind === "simulated")
    assert.strictEqual(found.simulation.medianMs, 300)
    assert.strictEqual(found.simulation.p95Ms, 400)
    assert.strictEqual(found.simulation.midStreamErrorRate, 0.5)
    assert.deepStrictEqual(found.simulation.outage, { everyMs: 9, downMs: 3 })
  })
})

describe("prices", () => {
  const row = (provider: string, model: string, more = "") =>
    `{ provider: ${provider}, model: ${model}, input_usd_per_1m: 0.15, output_usd_per_1m: 0.000000001, source: contract, as_of: 2026-11-01${more} }`

  it("a row of the file replaces the built-in one, cached input at the input price unless said", () => {
    const found = config(`prices: [${row("openai", "gpt-5.4-mini")}]`, "OPENAI_API_KEY")
    const model = found.providers[0]?.models.find(({ name }) => name === "gpt-5.4-mini")
    assert.deepStrictEqual(model?.price, {
      inputNanoPer1M: 150_000_000,
      cachedInputNanoPer1M: 150_000_000,
      outputNanoPer1M: 1,
      source: "contract",
      asOf: "2026-11-01",
    })
    assert.strictEqual(model?.contextWindow, 400_000)
  })

  it("a row for a vendor that is off is kept quiet about, so that one file serves many environments", () => {
    assert.deepStrictEqual(faults(`prices: [${row("gemini", "gemini-2.5-pro")}]`), [])
  })

  it("a row that hits nothing, or hits twice, is a fault", () => {
    assert.deepStrictEqual(
      faults(
        `prices: [${row("nobody", "m")}, ${row("gemini", "m")}, ${row("openai", "o3")}, ${row("openai", "o3")}, ${row("v", "m")}]
providers: [{ name: v, kind: openai-compatible, base_url: http://x, models: [{ name: m, price: { input_usd_per_1m: 1, output_usd_per_1m: 1, source: s, as_of: 2026-01-01 } }] }]`,
      ),
      [
        "prices[0].provider names no provider",
        "prices[1].model names no model of provider gemini",
        "prices[3] prices openai/o3 a second time from the same day on",
        "prices[4] prices v/m a second time from the same day on",
      ],
    )
  })

  it("rows of one model from different days are its history, over what is known of earlier days", () => {
    const days = (model: string, yaml: string) =>
      rowsOf(
        config(yaml, "OPENAI_API_KEY")
          .providers.find(({ name }) => name === "openai")
          ?.models.find(({ name }) => name === model)?.price,
      ).map(({ source, validFrom }) => [source, validFrom === undefined ? undefined : dayOf(validFrom)])
    const from = (day: string) => row("openai", "gpt-5.6-terra", `, valid_from: ${day}`)
    const known = "genai-prices 0.1.8"
    assert.deepStrictEqual(days("gpt-5.6-terra", `prices: [${from("2026-09-01")}, ${from("2027-01-01")}]`), [
      ["contract", "2027-01-01"],
      ["contract", "2026-09-01"],
      [known, "2026-07-30"],
      [known, undefined],
    ])
    const listed = (own: string) => `providers:
  - { name: openai, kind: openai, models: [{ name: gpt-5.6-terra, price: { input_usd_per_1m: 1, output_usd_per_1m: 1, source: own, as_of: 2026-01-01${own} } }] }
prices: [${from("2026-08-01")}]`
    assert.deepStrictEqual(days("gpt-5.6-terra", listed("")), [
      ["contract", "2026-08-01"],
      ["own", undefined],
    ])
    assert.deepStrictEqual(days("gpt-5.6-terra", listed(", valid_from: 2026-07-01")), [
      ["contract", "2026-08-01"],
      ["own", "2026-07-01"],
      [known, undefined],
    ])
    assert.deepStrictEqual(faults(listed(", valid_from: 2026-08-01"), "OPENAI_API_KEY"), [
      "prices[0] prices openai/gpt-5.6-terra a second time from the same day on",
    ])
  })
})

describe("kinds of models", () => {
  const EMBEDDER = `providers:
  - { name: v, kind: openai-compatible, base_url: "http://x", models: [{ name: e, kind: embedding }, { name: c }, { name: d }] }
  - { name: w, kind: openai-compatible, base_url: "http://y", models: [{ name: e, kind: embedding }] }
`

  it("are chat unless the file or the built-in row says otherwise", () => {
    const found = config(
      "providers: [{ name: openai, kind: openai, models: [{ name: text-embedding-3-small }, { name: gpt-4o }] }]",
      "OPENAI_API_KEY",
    )
    assert.deepStrictEqual(
      found.providers[0]?.models.map(({ kind }) => kind),
      ["embedding", "chat"],
    )
    assert.deepStrictEqual(candidates(found), ["openai/gpt-4o"])
  })

  it("keep embeddings out of the default auto: the first chat model stands in, or nothing", () => {
    assert.deepStrictEqual(candidates(config(EMBEDDER)), ["v/c"])
    const onlyEmbeddings =
      "providers: [{ name: w, kind: openai-compatible, base_url: http://y, models: [{ name: e, kind: embedding }] }]"
    assert.deepStrictEqual(candidates(config(onlyEmbeddings)), [])
  })

  it("are never mixed in a route, though a route may be all embeddings", () => {
    assert.deepStrictEqual(
      candidates(config(`${EMBEDDER}routes: { vectors: { candidates: [v/e, w/e] } }`), "vectors"),
      ["v/e", "w/e"],
    )
    const chatFirst = "has kind embedding, but the first model of the route has kind chat"
    assert.deepStrictEqual(
      faults(`${EMBEDDER}routes:
  auto: { larger_context: [w/e] }
  mixed: { candidates: [v/c, v/e, v/d, w/e] }
  larger: { candidates: [v/c], larger_context: [v/d, v/e] }
  other: { candidates: [v/e, v/c] }
  unknown: { candidates: [v/x, v/e] }`),
      [
        `routes.auto.larger_context[0] ${chatFirst}`,
        `routes.mixed.candidates[1] ${chatFirst}`,
        `routes.mixed.candidates[3] ${chatFirst}`,
        `routes.larger.larger_context[1] ${chatFirst}`,
        "routes.other.candidates[1] has kind chat, but the first model of the route has kind embedding",
        "routes.unknown.candidates[0] names no model of provider v",
      ],
    )
  })

  it("are stated over what is built in of what they take", () => {
    const found = config(
      "providers: [{ name: openai, kind: openai, models: [{ name: o3, inputs: [text], unsupported: [] }, { name: o1 }] }]",
      "OPENAI_API_KEY",
    )
    const [stated, known] = found.providers[0]?.models ?? []
    assert.deepStrictEqual([stated?.inputs, stated?.unsupported], [["text"], []])
    assert.include(known?.unsupported ?? [], "temperature")
    assert.deepStrictEqual(known?.inputs, ["text", "image", "file"])
  })

  it("with embeddings have no output to limit", () => {
    assert.deepStrictEqual(
      faults(
        "providers: [{ name: v, kind: openai-compatible, base_url: http://x, models: [{ name: e, kind: embedding, max_output_tokens: 5 }] }]",
      ),
      ["providers[0].models[0].max_output_tokens means nothing for an embedding model"],
    )
  })
})

describe("routes", () => {
  it("have the documented defaults", () => {
    const auto = config("").routes.get("auto")
    assert.deepStrictEqual(auto?.weights, { latency: 0.6, cost: 0.4 })
    assert.strictEqual(auto?.exploration, 0.003)
    assert.strictEqual(auto?.hysteresis, 0)
    assert.deepStrictEqual(auto?.parameters, new Map())
  })

  it("say of parameters whether they are dropped, under any dialect's names", () => {
    const found = config(
      "routes: { auto: { parameters: { temperature: drop, output_config.effort: drop, stop_sequences: exclude } } }",
    )
    assert.deepStrictEqual(
      [...(found.routes.get("auto")?.parameters ?? [])],
      [
        ["temperature", "drop"],
        ["reasoning_effort", "drop"],
        ["stop", "exclude"],
      ],
    )
  })

  it("never drop what changes the answer for its client", () => {
    const no = "must be the name of a parameter, such as temperature or reasoning.effort"
    assert.deepStrictEqual(
      faults(`routes:
  auto:
    parameters:
      tools: drop
      text.format: drop
      max_output_tokens: drop
      "reasoning_effort=none": drop
      "a b": exclude
      "tools[0]": exclude
      reasoning_effort: drop
      reasoning.effort: drop`),
      [
        "routes.auto.parameters.tools must be exclude: it is never dropped, since the client is told by it what to run",
        'routes.auto.parameters["text.format"] must be exclude: it is never dropped, since the client reads the answer by it',
        "routes.auto.parameters.max_output_tokens must be exclude: it is never dropped, since it decides where the answer ends",
        `routes.auto.parameters["reasoning_effort=none"] ${no}`,
        `routes.auto.parameters["a b"] ${no}`,
        `routes.auto.parameters["tools[0]"] ${no}`,
        'routes.auto.parameters["reasoning.effort"] repeats reasoning_effort under another name',
      ],
    )
  })

  it("auto is there beside the file's routes, and can be tuned without listing candidates", () => {
    const found = config(
      `${VLLM}routes: { auto: { weights: { latency: 1, cost: 0 } }, long: { candidates: [my-vllm/b], larger_context: [my-vllm/org/a] } }`,
    )
    assert.deepStrictEqual([...found.routes.keys()], ["auto", "long"])
    assert.deepStrictEqual(candidates(found), ["my-vllm/org/a"])
    assert.deepStrictEqual(found.routes.get("auto")?.weights, { latency: 1, cost: 0 })
    assert.deepStrictEqual(candidates(found, "long"), ["my-vllm/b"])
    assert.deepStrictEqual(show(found.routes.get("long")?.largerContext), ["my-vllm/org/a"])
  })

  it("an auto with candidates of its own never gains another, not even for long prompts", () => {
    const found = config(`${VLLM}routes: { auto: { candidates: [my-vllm/b] } }`, "OPENAI_API_KEY")
    assert.deepStrictEqual(candidates(found), ["my-vllm/b"])
    assert.deepStrictEqual(found.routes.get("auto")?.largerContext, [])
  })

  it("what cannot serve is a fault, each by its place", () => {
    assert.deepStrictEqual(
      faults(`${VLLM}routes:
  auto: { candidates: [openai/gpt-5.4-mini, nobody/x, my-vllm/c, my-vllm/b, my-vllm/b], larger_context: [my-vllm/z] }
  none: {}
  a/b: { candidates: [my-vllm/b] }`),
      [
        "routes.auto.candidates[0] needs provider openai, which is off: OPENAI_API_KEY is not set",
        "routes.auto.candidates[1] names no provider",
        "routes.auto.candidates[2] names no model of provider my-vllm",
        "routes.auto.candidates[4] repeats an earlier entry",
        "routes.auto.larger_context[0] names no model of provider my-vllm",
        "routes.none.candidates is missing",
        `routes["a/b"] must be named with 1 to 64 letters, digits, '.', '_' or '-'`,
      ],
    )
  })
})

describe("other rules between settings", () => {
  it("names are unique, keys that are named exist, simulations make sense", () => {
    assert.deepStrictEqual(
      faults(`providers:
  - { name: a, kind: simulated, simulation: { median_ms: 10, p95_ms: 9, outage: { every_ms: 5, down_ms: 6 } }, models: [{ name: m }, { name: m }] }
  - { name: a, kind: openai }
  - { name: b, kind: gemini, api_key_env: OTHER }`),
      [
        "providers[1].name repeats the name of providers[0]",
        "providers[0].models[1].name repeats an earlier model",
        "providers[0].simulation.p95_ms must not be below the median (10)",
        "providers[0].simulation.outage.down_ms must not be above every_ms",
        "providers[1].api_key_env needs the environment variable OPENAI_API_KEY, which is not set",
        "providers[2].api_key_env needs the environment variable OTHER, which is not set",
      ],
    )
  })

  it("a provider's keys are a pool, each by the name of its variable unless it has one", () => {
    const found = config(
      "providers: [{ name: eu, kind: openai, api_keys: [{ env: KEY_A, weight: 3, name: search }, { env: KEY_B }] }, { preset: groq, api_keys: [{ env: KEY_A }] }]",
      "KEY_A",
      "KEY_B",
    )
    const pools = found.providers.map((provider) => {
      assert(provider.kind !== "simulated")
      assert.isUndefined(provider.apiKey)
      return provider.apiKeys?.map(({ name, value, weight }) => [name, Redacted.value(value), weight])
    })
    assert.deepStrictEqual(pools, [
      [
        ["search", "value of KEY_A", 3],
        ["KEY_B", "value of KEY_B", 1],
      ],
      [["KEY_A", "value of KEY_A", 1]],
    ])
  })

  it("a pool has keys that are there and differ, under names that differ, and stands alone", () => {
    assert.deepStrictEqual(
      faults(
        `providers:
  - name: a
    kind: openai
    api_key_env: KEY_A
    api_keys: [{ env: KEY_A, name: KEY_B }, { env: KEY_A, name: x }, { env: KEY_B }, { env: UNSET }]`,
        "KEY_A",
        "KEY_B",
      ),
      [
        "providers[0].api_keys must not be stated beside api_key_env",
        "providers[0].api_keys[1].env holds the same key as api_keys[0]",
        "providers[0].api_keys[2].name repeats the name of api_keys[0]",
        "providers[0].api_keys[3].env needs the environment variable UNSET, which is not set",
      ],
    )
  })

  it("timeouts and limits: the file's over the documented defaults", () => {
    const found = config("timeouts: { body_ms: 5, first_token_ms: 6 }\nlimits: { max_attempts: 2 }")
    assert.deepStrictEqual(found.timeouts, {
      connectMs: 3_000,
      headersMs: 300_000,
      bodyMs: 5,
      deadlineMs: 600_000,
      streamMs: 600_000,
      firstTokenMs: 6,
      keepAliveMs: 15_000,
      clientStallMs: 30_000,
      drainMs: 20_000,
    })
    assert.deepStrictEqual(found.limits, {
      maxAttempts: 2,
      retryRatio: 0.2,
      requestsPerMinute: 600,
      cachedTokensCount: true,
      models: {},
      defaultMaxOutputTokens: 8_192,
      maxInFlight: 1_000,
      maxStreams: 10_000,
      maxKeyShare: 0.75,
      maxEventLoopDelayMs: 500,
      maxUpstreamBytes: 67_108_864,
      timeZone: "UTC",
    })
  })
})

describe("header fields that say whom a request is for", () => {
  it("are names of fields, each of a user or a tag", () => {
    assert.deepStrictEqual(
      config("attribution: { headers: { X-Cost-Center: tag, x-user: user } }").attribution,
      {
        headers: { "X-Cost-Center": "tag", "x-user": "user" },
      },
    )
    assert.deepStrictEqual(config("").attribution, { headers: {} })
    assert.deepStrictEqual(
      faults('attribution: { headers: { "a b": tag, Authorization: user, x-user: user, X-User: tag } }'),
      [
        'attribution.headers["a b"] is not the name of a header field',
        "attribution.headers.Authorization is a credential, which nothing here may name",
        "attribution.headers.X-User repeats an earlier name",
      ],
    )
    assert.deepStrictEqual(
      Result.getOrThrow(
        Result.flip(parseGatewayFile("attribution: { headers: { x-user: team }, tags: [] }")),
      ),
      ["attribution.tags is not a known setting", "attribution.headers.x-user must be user or tag"],
    )
  })
})
