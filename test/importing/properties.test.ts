import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Yaml } from "effect/encoding"
import fc from "fast-check"
import { parseGatewayFile } from "../../src/config/GatewayFile.ts"
import { importKeys } from "../../src/importing/import-keys.ts"
import { importLitellm } from "../../src/importing/import-litellm.ts"
import { litellmVendors, unservedVendors } from "../../src/importing/litellm-vendors.ts"
import { flag } from "../../src/importing/shell.ts"
import { type YamlValue, yamlText } from "../../src/importing/yaml-text.ts"
import { pathsOf } from "./paths.ts"

const DAY = "2026-11-29"
const SECRET = "s3cr3t-never-to-be-seen"

/** Names that are odd somewhere: in YAML, in a path, in a shell, or in JavaScript. */
const oddText = fc.oneof(
  fc.string({ maxLength: 12, unit: "grapheme" }),
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "",
    " ",
    "null",
    "on",
    "1e3",
    "a/b",
    "a,b",
    "-x",
    "\u2028",
    "é",
    "*",
  ),
)
const junk = fc.jsonValue({ maxDepth: 3, noUnicodeString: false })
const sometimes = <A>(arbitrary: fc.Arbitrary<A>) =>
  fc.oneof({ weight: 6, arbitrary }, { weight: 1, arbitrary: junk })

const prefix = fc.constantFrom(...litellmVendors.keys(), ...unservedVendors.keys(), "unknown", "a:b")
const model = fc.oneof(
  fc
    .tuple(
      prefix,
      fc.constantFrom(
        "gpt-5.4",
        "claude-sonnet-4-5",
        "gemini-3.8-flash",
        "*",
        "x-embed",
        "dall-e-3",
        "a/b",
        "",
      ),
    )
    .map(([vendor, name]) => `${vendor}/${name}`),
  fc.constantFrom("gpt-5.4", "claude-sonnet-4-5", "*", "text-embedding-3-small", "llama"),
  oddText,
)
const base = fc.constantFrom(
  "https://a.example",
  "https://a.example/v1/",
  "http://embeddings",
  "http://127.0.0.1:11434/api/chat",
  "https://x.openai.azure.com/openai/deployments/a/chat/completions?api-version=1",
  `https://u:${SECRET}@a.example`,
  `https://a.example?key=${SECRET}`,
  "os.environ/BASE",
  "os.environ/OTHER_BASE",
  "ftp://a",
  "",
)
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom("5", "1e-6", 0, 1e-6, 60, 1e9, 1e308, "x"))
const group = fc.oneof(fc.constantFrom("a", "b", "c", "openai/gpt-5.4", "x y", "auto"), oddText)
const params = fc.record(
  {
    model: sometimes(model),
    api_key: sometimes(fc.constantFrom(SECRET, `${SECRET}-2`, "os.environ/KEY", "os.environ/key", "none", 7)),
    api_base: sometimes(base),
    api_version: junk,
    custom_llm_provider: sometimes(prefix),
    aws_region_name: sometimes(fc.constantFrom("us-east-1", "os.environ/AWS_REGION", "?")),
    litellm_credential_name: fc.constantFrom("shared", "nobody"),
    rpm: number,
    tpm: number,
    max_parallel_requests: number,
    weight: number,
    order: number,
    input_cost_per_token: number,
    output_cost_per_token: number,
    input_cost_per_token_above_200k_tokens: number,
    output_cost_per_token_above_200k_tokens: number,
    cache_read_input_token_cost: number,
    output_cost_per_second: number,
    drop_params: junk,
    additional_drop_params: sometimes(
      fc.array(fc.oneof(fc.constantFrom("temperature", "tools", "a=b"), oddText)),
    ),
    extra_headers: fc.constant({ Authorization: SECRET }),
    odd: junk,
  },
  { requiredKeys: ["model"] },
)
const info = fc.record(
  {
    mode: sometimes(fc.constantFrom("chat", "embedding", "rerank", "completion")),
    base_model: sometimes(fc.constantFrom("azure/gpt-4.1", "gpt-5.4", "text-embedding-3-small", "x")),
    max_tokens: number,
    max_input_tokens: number,
    max_output_tokens: number,
    input_cost_per_token: number,
    supports_vision: junk,
    supports_function_calling: junk,
    id: junk,
  },
  { requiredKeys: [] },
)
const row = fc.record(
  { model_name: sometimes(group), litellm_params: sometimes(params), model_info: sometimes(info), rpm: junk },
  { requiredKeys: ["model_name", "litellm_params"] },
)
const fallbacks = sometimes(
  fc.array(sometimes(fc.dictionary(group, sometimes(fc.array(sometimes(group), { maxLength: 3 }))))),
)
const settings = fc.record(
  {
    routing_strategy: sometimes(
      fc.constantFrom("simple-shuffle", "least-busy", "cost-based-routing", "usage-based-routing-v2", "own"),
    ),
    fallbacks,
    context_window_fallbacks: fallbacks,
    content_policy_fallbacks: fallbacks,
    default_fallbacks: sometimes(fc.array(group)),
    model_group_alias: sometimes(fc.dictionary(group, sometimes(group))),
    num_retries: number,
    timeout: number,
    request_timeout: number,
    stream_timeout: number,
    drop_params: junk,
    max_budget: number,
    budget_duration: sometimes(fc.constantFrom("1d", "30d", "2h", "soon")),
    callbacks: sometimes(fc.array(sometimes(fc.constantFrom("prometheus", "langfuse")))),
    redis_password: fc.constant(SECRET),
    odd: junk,
  },
  { requiredKeys: [] },
)
const configuration = fc.record(
  {
    model_list: sometimes(fc.array(sometimes(row), { maxLength: 8 })),
    router_settings: sometimes(settings),
    litellm_settings: sometimes(settings),
    general_settings: sometimes(
      fc.record(
        { master_key: fc.constant(SECRET), global_max_parallel_requests: number, odd: junk },
        { requiredKeys: [] },
      ),
    ),
    credential_list: sometimes(
      fc.array(
        sometimes(
          fc.record({
            credential_name: sometimes(fc.constant("shared")),
            credential_values: sometimes(
              fc.record({ api_key: fc.constant(SECRET), api_base: base }, { requiredKeys: [] }),
            ),
          }),
        ),
        { maxLength: 2 },
      ),
    ),
    environment_variables: fc.constant({ OPENAI_API_KEY: SECRET }),
    odd: junk,
  },
  { requiredKeys: ["model_list"] },
)

const RUNS = { numRuns: 300 }
/** Two fifths of the configurations are taken: of 300, one run in seventy takes no more than a third. */
const MANY_RUNS = { numRuns: 1_000 }

describe("any configuration", () => {
  it("is refused in one line, or becomes a file that the gateway reads and a report of every field, once, without secrets", () => {
    let taken = 0
    fc.assert(
      fc.property(
        fc.oneof({ weight: 9, arbitrary: configuration }, { weight: 1, arbitrary: junk }),
        (document) => {
          const text = JSON.stringify(document)
          const imported = importLitellm(text, DAY)
          if (Result.isFailure(imported)) {
            assert.notInclude(imported.failure, "\n")
            assert.notInclude(imported.failure, "should not be")
            assert.notInclude(imported.failure, SECRET)
            return
          }
          taken += 1
          const { commands, entries, variables, yaml } = imported.success
          assert.deepStrictEqual(
            entries.map(({ path }) => path),
            pathsOf(Yaml.parse(text)),
          )
          assert.isTrue(Result.isSuccess(parseGatewayFile(yaml)))
          // Names of fields are not secrets, and stand in paths.
          assert.notInclude(yaml + JSON.stringify([commands, entries, variables]), SECRET)
          for (const { outcome, note } of entries) if (outcome !== "imported") assert.isNotEmpty(note)
        },
      ),
      MANY_RUNS,
    )
    assert.isAbove(taken, MANY_RUNS.numRuns / 3)
  })

  it("in any text is refused in one line, or taken", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const imported = importLitellm(text, DAY)
        if (Result.isFailure(imported)) assert.notInclude(imported.failure, "\n")
      }),
      RUNS,
    )
  })
})

const plain = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }),
  fc.integer(),
  fc.boolean(),
  oddText,
)
const { value: written } = fc.letrec<{ value: YamlValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    plain,
    fc.array(fc.oneof(plain, fc.dictionary(oddText, tie("value"), { noNullPrototype: true })), {
      maxLength: 4,
    }),
    fc.dictionary(oddText, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}))

describe("written YAML", () => {
  it("is read back as it was", () => {
    fc.assert(
      fc.property(
        fc.dictionary(oddText, written, { minKeys: 1, maxKeys: 4, noNullPrototype: true }),
        (document) => {
          const read = Yaml.parse(yamlText(document))
          assert.deepStrictEqual(JSON.parse(JSON.stringify(read)), JSON.parse(JSON.stringify(document)))
        },
      ),
      RUNS,
    )
  })
})

const key = fc.record(
  {
    token: fc.constant(SECRET),
    key_alias: sometimes(oddText),
    models: sometimes(fc.array(fc.oneof(fc.constantFrom("a", "all-team-models"), oddText), { maxLength: 3 })),
    rpm_limit: number,
    tpm_limit: number,
    max_parallel_requests: number,
    max_budget: number,
    budget_duration: sometimes(fc.constantFrom("1d", "7d", "90d", "monthly", "")),
    team_id: sometimes(oddText),
    expires: sometimes(fc.constantFrom("2027-01-01", "2020-01-01", "2300-01-01T00:00:00+02:00", "soon")),
    blocked: junk,
    metadata: sometimes(
      fc.record({ tags: sometimes(fc.array(oddText, { maxLength: 12 })), secret: fc.constant(SECRET) }),
    ),
    litellm_budget_table: sometimes(
      fc.record({ max_budget: number, budget_duration: fc.constant("30d"), odd: junk }, { requiredKeys: [] }),
    ),
    odd: junk,
  },
  { requiredKeys: [] },
)

describe("any keys", () => {
  it("are refused in one line, or become commands of one line and a report of every field, once", () => {
    const { gateway, names } = Result.getOrThrow(
      importLitellm("model_list: [{ model_name: a, litellm_params: { model: openai/gpt-5.4 } }]", DAY),
    )
    const documents = fc.oneof(
      fc.array(sometimes(key), { maxLength: 4 }),
      fc.record({ keys: sometimes(fc.array(key, { maxLength: 4 })), total_pages: junk }),
      fc.record({ key: fc.constant(SECRET), info: key }),
      junk,
    )
    fc.assert(
      fc.property(documents, (document) => {
        const text = JSON.stringify(document)
        const imported = importKeys(text, { gateway, names, nowMs: Date.parse(DAY) })
        if (Result.isFailure(imported)) return assert.notInclude(imported.failure, "\n")
        const { commands, entries } = imported.success
        assert.deepStrictEqual(
          entries.map(({ path }) => path),
          pathsOf(JSON.parse(text)),
        )
        assert.notInclude(JSON.stringify([commands, entries]), SECRET)
        for (const command of commands) assert.notMatch(command, /[\n\r\0]/)
      }),
      RUNS,
    )
  })
})

describe("quoted words", () => {
  it("are what a shell hands to the command", () => {
    fc.assert(
      fc.property(
        fc.array(
          oddText.filter((text) => !text.includes("\0")),
          { minLength: 1, maxLength: 5 },
        ),
        (words) => {
          const line = words.map((word) => flag("name", word)).join(" ")
          const given = execFileSync("sh", ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" })
            .split("\0")
            .slice(0, -1)
          const wanted = words.flatMap((word) =>
            word.startsWith("-") ? [`--name=${word}`] : ["--name", word],
          )
          assert.deepStrictEqual(given, wanted)
        },
      ),
      { numRuns: 60 },
    )
  })
})
