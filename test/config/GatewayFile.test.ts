import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { parseGatewayFile } from "../../src/config/GatewayFile.ts"

const faults = (yaml: string): ReadonlyArray<string> =>
  Result.match(parseGatewayFile(yaml), { onSuccess: () => [], onFailure: (lines) => lines })

const WHOLE = `
providers:
  - name: my-vllm
    kind: openai-compatible
    base_url: http://10.0.0.5:8000/v1
    api_key_env: VLLM_API_KEY
    models:
      - name: meta-llama/llama-4
        kind: chat
        context_window: 128000
        max_output_tokens: 8192
        price: { input_usd_per_1m: 0.2, cached_input_usd_per_1m: 0.02, cache_write_usd_per_1m: 0.25, output_usd_per_1m: 0.6, cache_write_1h_usd_per_1m: 0.4, audio_input_usd_per_1m: 1, cached_audio_input_usd_per_1m: 0.1, audio_output_usd_per_1m: 2, image_output_usd_per_1m: 3, request_usd: 0.001, web_search_usd: 0.01, service_tiers: { flex: 0.5 }, bands: [{ above_tokens: 64000, input_usd_per_1m: 0.4, output_usd_per_1m: 0.9 }, { above_tokens: 128000, input_usd_per_1m: 0.8, audio_input_usd_per_1m: 2, output_usd_per_1m: 1.8 }], valid_from: 2026-11-01, source: contract, as_of: 2026-11-01 }
  - name: sim-a
    kind: simulated
    simulation: { median_ms: 300, p95_ms: 900, ms_per_output_token: 2, server_error_rate: 0, rate_limit_rate: 0, content_filter_rate: 0, mid_stream_error_rate: 1, retry_after_ms: 1000, outage: { every_ms: 60000, down_ms: 5000 } }
    models: [{ name: m }, { name: e, kind: embedding }]
  - { name: openai, kind: openai }
  - { name: gemini-eu, kind: gemini, base_url: "https://eu.example.com", models: [{ name: g }] }
prices:
  - { provider: openai, model: gpt-5.4-mini, input_usd_per_1m: 1, output_usd_per_1m: 2, source: contract, as_of: 2026-11-01 }
routes:
  auto: { candidates: [openai/gpt-5.4-mini, my-vllm/meta-llama/llama-4], larger_context: [], weights: { latency: 0.6, cost: 0.4 }, exploration: 0.02, hysteresis: 0.1 }
timeouts: { connect_ms: 1, headers_ms: 2, body_ms: 3, deadline_ms: 4, stream_ms: 5, first_token_ms: 6, keep_alive_ms: 7 }
limits: { max_attempts: 1, retry_ratio: 0.5, requests_per_minute: 7, max_in_flight: 8, max_event_loop_delay_ms: 9, max_upstream_bytes: 1024 }
`

const price = "input_usd_per_1m: 1, output_usd_per_1m: 1, source: s, as_of: 2026-01-31"
const band = (above: number) => `{ above_tokens: ${above}, input_usd_per_1m: 1, output_usd_per_1m: 1 }`
const model = (text: string) => `providers: [{ name: p, kind: simulated, models: [{ name: m, ${text} }] }]`
const provider = (text: string) => `providers: [{ name: p, ${text} }]`
const auto = (text: string) => `routes: { auto: { ${text} } }`

describe("a file that is right", () => {
  it("is accepted whole, and so is one that says nothing", () => {
    assert.deepStrictEqual(faults(WHOLE), [])
    assert.deepStrictEqual(faults(""), [])
    assert.deepStrictEqual(faults("# nothing yet\n"), [])
  })
})

describe("a file that is wrong", () => {
  const USD = "must be a price from 0 to 4000 USD with at most 9 decimals"
  const KIND =
    "must be a mapping whose kind is openai, gemini, anthropic, openai-compatible or simulated, or whose preset is one of " +
    "openai, gemini, anthropic, azure, bedrock, vertex, mistral, groq, deepseek, xai, openrouter, together, " +
    "fireworks, cerebras, moonshot, ollama, vllm, lmstudio"
  const BASE = "must be an http:// or https:// URL without credentials, query or fragment"
  const MODEL = "providers[0].models[0]"
  const cases: ReadonlyArray<readonly [yaml: string, ...lines: ReadonlyArray<string>]> = [
    ["- a", "must be a mapping"],
    ["providers:", "providers must be a list"],
    ["route: {}", "route is not a known setting"],
    ["routes: []", "routes must be a mapping"],
    ["limits: 4", "limits must be a mapping"],
    ["limits: { max_attempts: '4' }", "limits.max_attempts must be a whole number from 1 to 20"],
    ["limits: { max_attempts: 1.5 }", "limits.max_attempts must be a whole number from 1 to 20"],
    [
      "limits: { max_upstream_bytes: 5 }",
      "limits.max_upstream_bytes must be a whole number from 1024 to 1073741824",
    ],
    ["limits: { retry_ratio: 1.1 }", "limits.retry_ratio must be a number from 0 to 1"],
    ["limits: { retry_ratio: .nan }", "limits.retry_ratio must be a number from 0 to 1"],
    ["limits: { maxAttempts: 4 }", "limits.maxAttempts is not a known setting"],
    ["timeouts: { deadline_ms: 0 }", "timeouts.deadline_ms must be a whole number from 1 to 3600000"],
    ["timeouts: { deadline_ms: 3600001 }", "timeouts.deadline_ms must be a whole number from 1 to 3600000"],
    ["timeouts: { keep_alive_ms: 0 }", "timeouts.keep_alive_ms must be a whole number from 1 to 3600000"],
    ["providers: [{ preset: acme }]", `providers[0] ${KIND}`],
    [
      "providers: [{ preset: groq, kind: openai, name: p }]",
      "providers[0].kind is not a known setting",
      "providers[0].preset is not a known setting",
    ],
    [
      "providers: [{ preset: groq, models: [] }]",
      "providers[0].models must be a list with at least one entry",
    ],
    ["providers: [{ preset: groq, base_url: canary }]", `providers[0].base_url ${BASE}`],
    [auto("candidates: []"), "routes.auto.candidates must be a list with at least one entry"],
    [auto("candidates: [gpt]"), "routes.auto.candidates[0] must be provider/model"],
    [auto("weights: { latency: 0.6 }"), "routes.auto.weights.cost is missing"],
    [auto("weights: { latency: 0.6, cost: -0.4 }"), "routes.auto.weights.cost must be a number from 0 to 1"],
    [auto("weights: { latency: 0.6, cost: 0.5 }"), "routes.auto.weights must sum to 1"],
    [auto("exploration: 0.6"), "routes.auto.exploration must be a number from 0 to 0.5"],
    [auto("hysteresis: 2"), "routes.auto.hysteresis must be a number from 0 to 1"],
    ['routes: { "a\\nb": { speed: 1 } }', 'routes["a\\nb"].speed is not a known setting'],
    [provider("kind: cohere"), `providers[0] ${KIND}`],
    ["providers: [{ name: p }]", `providers[0] ${KIND}`],
    [provider("kind: simulated"), "providers[0].models is missing"],
    [provider("kind: simulated, models: []"), "providers[0].models must be a list with at least one entry"],
    [provider("kind: openai, api_key: canary"), "providers[0].api_key is not a known setting"],
    [
      provider("kind: openai, api_key_env: sk-canary"),
      "providers[0].api_key_env must be the name of an environment variable (A-Z, 0-9, _)",
    ],
    [provider("kind: openai, api_keys: []"), "providers[0].api_keys must be a list with at least one entry"],
    [
      provider("kind: openai, api_keys: [{ env: sk-canary }, { env: K, weight: 0 }, { weight: 1 }]"),
      "providers[0].api_keys[0].env must be the name of an environment variable (A-Z, 0-9, _)",
      "providers[0].api_keys[1].weight must be a number from 0.001 to 1000000",
      "providers[0].api_keys[2].env is missing",
    ],
    [
      provider("kind: openai, api_keys: [{ env: K, name: 'sk canary' }]"),
      "providers[0].api_keys[0].name must be 1 to 128 of A-Z, a-z, 0-9, ., _ and -",
    ],
    [
      "providers: [{ name: p, kind: simulated, models: [{ name: m }], api_keys: [{ env: K }] }]",
      "providers[0].api_keys is not a known setting",
    ],
    [provider("kind: openai, base_url: 'http://u:canary@x'"), `providers[0].base_url ${BASE}`],
    [provider("kind: openai-compatible, models: [{ name: m }]"), "providers[0].base_url is missing"],
    ["providers: [{ name: Open AI, kind: openai }]", "providers[0].name must be 1 to 64 of a-z, 0-9 and -"],
    [model("context_window: 0"), `${MODEL}.context_window must be a whole number from 1 to 1000000000`],
    [model("kind: image"), `${MODEL}.kind must be chat or embedding`],
    [
      model(`price: { ${price}, cached_input_usd_per_1m: -1 }`),
      `${MODEL}.price.cached_input_usd_per_1m ${USD}`,
    ],
    [model(`price: { ${price} }`).replace("m: 1,", "m: 4000.1,"), `${MODEL}.price.input_usd_per_1m ${USD}`],
    [
      model(`price: { ${price} }`).replace("m: 1,", "m: 0.0000000001,"),
      `${MODEL}.price.input_usd_per_1m ${USD}`,
    ],
    [model(`price: { ${price} }`).replace("m: 1,", "m: free,"), `${MODEL}.price.input_usd_per_1m ${USD}`],
    [model(`price: { ${price} }`).replace("-31", "-32"), `${MODEL}.price.as_of must be a day as YYYY-MM-DD`],
    [
      model(`price: { ${price} }`).replace("01-31", "02-30"),
      `${MODEL}.price.as_of must be a day as YYYY-MM-DD`,
    ],
    [
      model(`price: { ${price}, bands: [${band(5)}, ${band(5)}] }`),
      `${MODEL}.price.bands must rise in above_tokens`,
    ],
    [
      model(`price: { ${price}, bands: [${band(5)}, ${band(4)}] }`),
      `${MODEL}.price.bands must rise in above_tokens`,
    ],
    [model(`price: { ${price}, bands: [] }`), `${MODEL}.price.bands must be a list with at least one entry`],
    [
      model(`price: { ${price}, bands: [{ above_tokens: 1 }] }`),
      `${MODEL}.price.bands[0].input_usd_per_1m is missing`,
      `${MODEL}.price.bands[0].output_usd_per_1m is missing`,
    ],
    [
      model(`price: { ${price}, web_search_usd: 11 }`),
      `${MODEL}.price.web_search_usd must be a price from 0 to 10 USD with at most 9 decimals`,
    ],
    [
      model(`price: { ${price}, valid_from: tomorrow }`),
      `${MODEL}.price.valid_from must be a day as YYYY-MM-DD`,
    ],
    [
      model("price: { input_usd_per_1m: 1 }"),
      `${MODEL}.price.output_usd_per_1m is missing`,
      `${MODEL}.price.source is missing`,
      `${MODEL}.price.as_of is missing`,
    ],
    [
      "limits: { a: 1, max_attempts: 0 }\ntimeouts: { connect_ms: x }\nprices: 1",
      "limits.a is not a known setting",
      "limits.max_attempts must be a whole number from 1 to 20",
      "prices must be a list",
      "timeouts.connect_ms must be a whole number from 1 to 3600000",
    ],
    [
      "routes: { auto: { candidates: [], weights: { latency: 1, cost: 1 } } }\nlimits: { max_attempts: 0 }",
      "routes.auto.candidates must be a list with at least one entry",
      "routes.auto.weights must sum to 1",
      "limits.max_attempts must be a whole number from 1 to 20",
    ],
    ["limits: {}\nlimits: {}", "is not valid YAML: Duplicate key 'limits' at line 2"],
    ["limits: {", "is not valid YAML: Expected ':' at flow offset 1"],
  ]
  for (const [yaml, ...lines] of cases) {
    it(`${yaml.replaceAll("\n", "\\n")} -> ${lines.join("; ")}`, () => {
      assert.deepStrictEqual([...faults(yaml)].sort(), [...lines].sort())
    })
  }

  it("is never quoted with a value", () => {
    for (const [yaml] of cases) assert.notInclude(faults(yaml).join(), "canary")
  })
})

describe("prices", () => {
  it("every price with at most nine decimals is accepted, one with a tenth is not", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 4_000n * 10n ** 9n - 1n), fc.integer({ min: 1, max: 9 }), (nano, tenth) => {
        const digits = nano.toString().padStart(10, "0")
        const usd = `${digits.slice(0, -9)}.${digits.slice(-9)}`
        const yaml = (value: string) => model(`price: { ${price} }`).replace("m: 1,", `m: ${value},`)
        assert.deepStrictEqual(faults(yaml(usd)), [])
        // Above 1 USD a double can no longer tell a tenth decimal from rounding in every case.
        if (nano < 10n ** 9n) assert.strictEqual(faults(yaml(`${usd}${tenth}`)).length, 1)
      }),
    )
  })
})
