import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { temporaryDirectory } from "../support/Databases.ts"
import { runCli } from "./run-cli.ts"

const YAML = `
providers:
  - { name: openai, kind: openai }
  - name: local
    kind: openai-compatible
    base_url: http://127.0.0.1:9/v1
    models:
      - { name: gpt-5.6-terra }
      - { name: llama, price: { input_usd_per_1m: 0, output_usd_per_1m: 0, source: own hardware, as_of: 2026-11-01 } }
prices:
  - { provider: openai, model: gpt-5.6-terra, input_usd_per_1m: 1.5, output_usd_per_1m: 9, request_usd: 0.001, source: contract 4711, as_of: 2026-11-01, valid_from: 2026-10-01 }
  - { provider: openai, model: gpt-5.6-terra, input_usd_per_1m: 1, output_usd_per_1m: 6, source: contract 4712, as_of: 2026-11-01, valid_from: 2027-01-01 }
`

/** Runs a command on the 28th of November 2026. */
const run = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const folder = yield* temporaryDirectory
  const file = join(folder, "gateway.yaml")
  yield* Effect.promise(() => writeFile(file, YAML))
  yield* TestClock.setTime(Date.UTC(2026, 10, 28, 12))
  return yield* runCli(args, { OPENAI_API_KEY: "sk-of-a-test", GATEWAY_CONFIG: file }, folder)
})

describe("prices list", () => {
  it.effect("shows what each served model costs today, who says so and when it was read", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run("prices", "list")
      assert.strictEqual(code, 0)
      const line = (start: string) => stdout.split("\n").find((each) => each.startsWith(start))
      assert.match(line("openai/o3 ") ?? "", / 2 +0\.5 +8 +built-in +genai-prices 0\.1\.8, 2026-11-28$/)
      assert.match(line("openai/gpt-5.6-terra") ?? "", / 1\.5 +1\.5 +9 +file +contract 4711, 2026-11-01$/)
      assert.match(line("local/llama") ?? "", / 0 +0 +0 +file +own hardware, 2026-11-01$/)
      assert.match(line("local/gpt-5.6-terra") ?? "", / - +- +- +unknown$/)
    }),
  )

  it.effect("of one provider is as JSON what a file would state", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run("prices", "list", "--provider", "local", "--json")
      assert.deepStrictEqual(JSON.parse(stdout), {
        models: [
          { provider: "local", model: "gpt-5.6-terra", price: null },
          {
            provider: "local",
            model: "llama",
            price: {
              layer: "file",
              state: "holds",
              price_version: "own hardware@2026-11-01",
              input_usd_per_1m: 0,
              cached_input_usd_per_1m: 0,
              output_usd_per_1m: 0,
              source: "own hardware",
              as_of: "2026-11-01",
            },
          },
        ],
      })
    }),
  )

  it.effect("of a provider that is not there says which are", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* run("prices", "list", "--provider", "nobody")
      assert.strictEqual(code, 1)
      assert.include(stderr, "No provider has this name. There are: openai, local")
    }),
  )
})

describe("prices show", () => {
  it.effect("shows every row of every provider that has the model, and what becomes of it", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run("prices", "show", "gpt-5.6-terra")
      assert.strictEqual(
        stdout,
        `openai/gpt-5.6-terra
  file: will hold from 2027-01-01
    input 1, cached input 1, output 6 USD per million tokens
    price version: contract 4712@2026-11-01 from 2027-01-01
  file: holds from 2026-10-01 until 2027-01-01
    input 1.5, cached input 1.5, output 9 USD per million tokens
    request 0.001 USD
    price version: contract 4711@2026-11-01 from 2026-10-01
  built-in: held from 2026-07-30 until 2026-10-01
    input 2, cached input 0.2, cache write 2.5, output 12 USD per million tokens
    above 272000 input tokens: input 4, cached input 0.4, cache write 5, output 18
    web search 0.01 USD, file search 0.0025 USD
    service tiers: flex x 0.5, priority x 2, others unknown
    price version: genai-prices 0.1.8@2026-11-28 from 2026-07-30
  built-in: held until 2026-07-30
    input 2.5, cached input 0.25, cache write 3.125, output 15 USD per million tokens
    above 272000 input tokens: input 5, cached input 0.5, cache write 6.25, output 22.5
    web search 0.01 USD, file search 0.0025 USD
    service tiers: flex x 0.5, priority x 2, others unknown
    price version: genai-prices 0.1.8@2026-11-28
local/gpt-5.6-terra
  unknown: state it in the file that GATEWAY_CONFIG names
`,
      )
    }),
  )

  it.effect("of provider/model shows that one alone, also as JSON", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run("prices", "show", "openai/gpt-5.6-terra", "--json")
      const { models } = JSON.parse(stdout) as {
        models: ReadonlyArray<{ provider: string; rows: ReadonlyArray<Record<string, unknown>> }>
      }
      assert.deepStrictEqual(
        models.map(({ provider, rows }) => [
          provider,
          ...rows.map(({ layer, state }) => `${layer} ${state}`),
        ]),
        [["openai", "file will hold", "file holds", "built-in held", "built-in held"]],
      )
      assert.deepInclude(models[0]?.rows[2], {
        valid_from: "2026-07-30",
        until: "2026-10-01",
        bands: [
          {
            above_tokens: 272_000,
            input_usd_per_1m: 4,
            cached_input_usd_per_1m: 0.4,
            cache_write_usd_per_1m: 5,
            output_usd_per_1m: 18,
          },
        ],
      })
    }),
  )

  it.effect("shows what models of vendors that are off would cost", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run("prices", "show", "gemini-2.5-pro")
      assert.match(stdout, /^gemini\/gemini-2\.5-pro \(not served here\)\n {2}built-in: holds/)
      assert.notInclude((yield* run("prices", "list")).stdout, "gemini/")
      assert.include((yield* run("prices", "list", "--provider", "gemini")).stdout, "gemini/gemini-2.5-pro")
    }),
  )

  it.effect("of a model that nobody serves says where those are that somebody does", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* run("prices", "show", "gpt-9")
      assert.strictEqual(code, 1)
      assert.include(stderr, "llm-gateway prices list")
    }),
  )
})
