import { readFileSync, writeFileSync } from "node:fs"
import {
  anthropicModels,
  geminiModels,
  openaiModels,
  openaiResponsesModels,
} from "../src/catalog/builtin-models.ts"

/**
 * Takes the rows of the built-in models out of LiteLLM's list of prices (MIT), with which a test compares ours:
 *
 *     pip download litellm --no-deps && unzip litellm-*.whl litellm/model_prices_and_context_window_backup.json
 *     node scripts/litellm-prices.ts litellm/model_prices_and_context_window_backup.json VERSION DAY
 */

const FIXTURE = "test/fixtures/litellm-prices.json"

/** What the test looks at: prices of tokens as such, above a bound, and of a service tier. */
const PRICE =
  /^(input_cost_per(_audio)?_token|output_cost_per(_audio|_image)?_token|cache_read_input(_audio)?_token_cost|cache_creation_input_token_cost(_above_1hr)?)(_above_\d+k_tokens)?(_flex|_priority)?$/

const [file, version, taken] = process.argv.slice(2)
if (file === undefined || version === undefined || taken === undefined) {
  console.error("Usage: node scripts/litellm-prices.ts FILE VERSION DAY")
  process.exit(1)
}

const list = JSON.parse(readFileSync(file, "utf8")) as Record<string, Record<string, unknown>>

const names = [
  ...[...openaiModels, ...openaiResponsesModels].map(({ name }) => name),
  ...geminiModels.map(({ name }) => `gemini/${name}`),
  ...anthropicModels.map(({ name }) => name),
]
const models = Object.fromEntries(
  names.flatMap((name) => {
    const row = list[name]
    if (row === undefined) return []
    const prices = Object.entries(row).filter(([field]) => PRICE.test(field))
    return [[name, Object.fromEntries(prices.toSorted(([a], [b]) => (a < b ? -1 : 1)))]]
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
