import { readFileSync, writeFileSync } from "node:fs"
import {
  anthropicModels,
  geminiModels,
  openaiModels,
  openaiResponsesModels,
} from "../src/catalog/builtin-models.ts"
import { presets } from "../src/catalog/vendors.ts"

/**
 * Takes the rows of the built-in models out of LiteLLM's list of prices (MIT), with which a test compares ours:
 *
 *     pip download litellm --no-deps && unzip litellm-*.whl litellm/model_prices_and_context_window_backup.json
 *     node scripts/litellm-prices.ts litellm/model_prices_and_context_window_backup.json VERSION DAY
 */

const FIXTURE = "test/fixtures/litellm-prices.json"

/** What the test looks at: prices of tokens as such, above a bound, and of a service tier; and of a search, of which a model has three. */
const SEARCH = "search_context_cost_per_query"
const PRICE =
  /^(input_cost_per(_audio)?_token|output_cost_per(_audio|_image)?_token|cache_read_input(_audio)?_token_cost|cache_creation_input_token_cost(_above_1hr)?)(_above_\d+k_tokens)?(_flex|_priority)?$/

const [file, version, taken] = process.argv.slice(2)
if (file === undefined || version === undefined || taken === undefined) {
  console.error("Usage: node scripts/litellm-prices.ts FILE VERSION DAY")
  process.exit(1)
}

const list = JSON.parse(readFileSync(file, "utf8")) as Record<string, Record<string, unknown>>

/** What the list calls vendors that it calls otherwise. Bedrock's models have no vendor before their names. */
const VENDORS: Readonly<Record<string, string>> = {
  bedrock: "",
  fireworks: "fireworks_ai/",
  together: "together_ai/",
}
/** Their rows are those of others. */
const COPIES = new Set(["azure", "vertex"])

/** Names here, and there. */
const names = [
  ...[...openaiModels, ...openaiResponsesModels].map(({ name }) => [name, name] as const),
  ...geminiModels.map(({ name }) => [`gemini/${name}`, `gemini/${name}`] as const),
  ...anthropicModels.map(({ name }) => [name, name] as const),
  ...presets
    .filter(({ name }) => !COPIES.has(name))
    .flatMap(({ models, name: vendor, unserved }) =>
      [...models, ...unserved].map(
        ({ name }) => [`${vendor}/${name}`, `${VENDORS[vendor] ?? `${vendor}/`}${name}`] as const,
      ),
    ),
]

const searchOf = (row: Record<string, unknown>): number | undefined => {
  const sizes = row[SEARCH] as Record<string, number> | undefined
  return sizes?.search_context_size_medium
}

const models = Object.fromEntries(
  names.flatMap(([here, there]) => {
    const row = list[there]
    if (row === undefined) return []
    const search = searchOf(row)
    const prices = [
      ...Object.entries(row).filter(([field]) => PRICE.test(field)),
      ...(search === undefined ? [] : [[SEARCH, search] as const]),
    ]
    return [[here, Object.fromEntries(prices.toSorted(([a], [b]) => (a < b ? -1 : 1)))]]
  }),
)

const about = {
  source: "https://github.com/BerriAI/litellm, model_prices_and_context_window.json",
  license: "MIT, Copyright (c) 2023 Berri AI",
  version,
  taken,
}
writeFileSync(FIXTURE, `${JSON.stringify({ about, models }, null, 2)}\n`)
console.log(`${Object.keys(models).length} of ${names.length} models are in ${FIXTURE}`)
