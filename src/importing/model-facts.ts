import { MAX_USD_PER_1M } from "../catalog/model.ts"
import { isEmpty, nameOf, numberIn, type Place, truthIn } from "./document.ts"
import type { Outcome } from "./report.ts"
import type { YamlMapping, YamlValue } from "./yaml-text.ts"

/** What LiteLLM's costs and `model_info` say of a model, as a model of the file says it. Costs are per token there, and per million here. */

/** One thing that is said of a model, and the fields that say it. */
interface Fact {
  readonly field: "kind" | "context_window" | "max_output_tokens" | "inputs" | "unsupported" | "price"
  readonly value: YamlValue
  readonly sources: ReadonlyArray<{ readonly place: Place; readonly to: string; readonly note?: string }>
}

/** A field of which nothing was made, and why. */
interface Refusal {
  readonly place: Place
  readonly outcome: Outcome
  readonly note: string
}

interface Facts {
  readonly facts: ReadonlyArray<Fact>
  readonly refused: ReadonlyArray<Refusal>
}

const RATES: ReadonlyMap<string, string> = new Map([
  ["input_cost_per_token", "input_usd_per_1m"],
  ["cache_read_input_token_cost", "cached_input_usd_per_1m"],
  ["cache_creation_input_token_cost", "cache_write_usd_per_1m"],
  ["cache_creation_input_token_cost_above_1hr", "cache_write_1h_usd_per_1m"],
  ["output_cost_per_token", "output_usd_per_1m"],
  ["input_cost_per_audio_token", "audio_input_usd_per_1m"],
  ["cache_read_input_audio_token_cost", "cached_audio_input_usd_per_1m"],
  ["output_cost_per_audio_token", "audio_output_usd_per_1m"],
  ["output_cost_per_image_token", "image_output_usd_per_1m"],
])

const BAND = /^(.+)_above_(\d{1,6})k_tokens$/

/** Tells a field of costs, of LiteLLM's many. */
const isCost = (name: string): boolean => /(_|^)cost(_|$)/.test(name)

const UNPRICED =
  "a price here is of tokens, requests and searches: state it under the model or in prices, if one of these comes near"

/** Dollars per million, with the nine decimals that there are; undefined for what is no price. */
const per1M = (perToken: number | undefined): number | undefined => {
  if (perToken === undefined || perToken < 0) return undefined
  const usd = Math.round(perToken * 1e15) / 1e9
  return usd > MAX_USD_PER_1M ? undefined : usd
}

interface Rate {
  readonly place: Place
  readonly name: string
  readonly usd: number
}

/** Reads the price of a model; `places` has each of LiteLLM's costs once. */
const priceFrom = (places: ReadonlyArray<Place>, isEmbedding: boolean, today: string): Facts => {
  const refused: Array<Refusal> = []
  const rates = new Map<number, Array<Rate>>()
  for (const place of places) {
    const field = nameOf(place)
    const [, base, thousands] = BAND.exec(field) ?? []
    const name = RATES.get(base ?? field)
    const usd = per1M(numberIn(place))
    if (name === undefined) refused.push({ place, outcome: "unsupported", note: UNPRICED })
    else if (usd === undefined) {
      const note = `must be a cost of at most ${MAX_USD_PER_1M} USD per million tokens, as a number: state the price under the model`
      refused.push({ place, outcome: "unsupported", note })
    } else {
      const above = Number(thousands ?? 0) * 1_000
      rates.set(above, [...(rates.get(above) ?? []), { place, name, usd }])
    }
  }
  const usable = [...rates]
    .toSorted(([first], [second]) => first - second)
    .filter(([above, each]) => {
      const names = each.map(({ name }) => name)
      const isWhole =
        names.includes("input_usd_per_1m") && (isEmbedding || names.includes("output_usd_per_1m"))
      if (isWhole && (above === 0 || rates.has(0))) return true
      const note = "a price needs input_cost_per_token and output_cost_per_token beside it: state both"
      refused.push(...each.map(({ place }) => ({ place, outcome: "unsupported" as const, note })))
      return false
    })
  const [plain, ...bands] = usable[0]?.[0] === 0 ? usable : []
  if (plain === undefined) {
    const note = "a price for long prompts needs one for all others: state it under the model"
    refused.push(
      ...usable.flatMap(([, each]) =>
        each.map(({ place }) => ({ place, outcome: "unsupported" as const, note })),
      ),
    )
    return { facts: [], refused }
  }
  const row = (each: ReadonlyArray<Rate>): YamlMapping => ({
    ...Object.fromEntries(each.map(({ name, usd }) => [name, usd])),
    // What an embedding gives is not counted.
    ...(isEmbedding && { output_usd_per_1m: 0 }),
  })
  const value: YamlMapping = {
    ...row(plain[1]),
    ...(bands.length > 0 && {
      bands: bands.map(([above, each]) => ({ above_tokens: above, ...row(each) })),
    }),
    source: "LiteLLM configuration",
    as_of: today,
  }
  const sources = usable.flatMap(([above, each]) =>
    each.map(({ place, name }) => ({ place, to: above === 0 ? `price.${name}` : `price.bands.${name}` })),
  )
  return { facts: [{ field: "price", value, sources }], refused }
}

const MAX_TOKENS = 1_000_000_000

const tokens = (
  field: "context_window" | "max_output_tokens",
  place: Place | undefined,
  note?: string,
): Facts => {
  if (place === undefined) return { facts: [], refused: [] }
  const value = numberIn(place)
  return value !== undefined && Number.isInteger(value) && value >= 1 && value <= MAX_TOKENS
    ? {
        facts: [{ field, value, sources: [{ place, to: field, ...(note !== undefined && { note }) }] }],
        refused: [],
      }
    : {
        facts: [],
        refused: [{ place, outcome: "unsupported", note: `must be a whole number from 1 to ${MAX_TOKENS}` }],
      }
}

const INPUTS = [
  ["supports_vision", "image"],
  ["supports_audio_input", "audio"],
  ["supports_video_input", "video"],
  ["supports_pdf_input", "file"],
] as const

const inputsFrom = (find: (name: string) => Place | undefined): ReadonlyArray<Fact> => {
  const stated = INPUTS.flatMap(([name, input]) => {
    const place = find(name)
    const supported = truthIn(place)
    return place === undefined || supported === undefined ? [] : [{ place, input, supported }]
  })
  if (stated.length === 0) return []
  const read = stated.filter(({ supported }) => supported).map(({ input }) => input)
  const note = "what is not said to be read is not sent to the model: complete the list"
  return [
    {
      field: "inputs",
      value: ["text", ...read],
      sources: stated.map(({ place }) => ({ place, to: "inputs", note })),
    },
  ]
}

const ABILITIES = [
  ["supports_function_calling", "tools"],
  ["supports_parallel_function_calling", "parallel_tool_calls"],
  ["supports_tool_choice", "tool_choice"],
  ["supports_response_schema", "response_format.type=json_schema"],
  ["supports_reasoning", "reasoning_effort"],
] as const

/** `sure` are parameters that the model refuses in any case, by the place that says so. */
const unsupportedFrom = (
  find: (name: string) => Place | undefined,
  sure: ReadonlyArray<{ readonly place: Place; readonly parameter: string }>,
): Facts => {
  const refused: Array<Refusal> = []
  const missing = ABILITIES.flatMap(([name, parameter]) => {
    const place = find(name)
    const supported = truthIn(place)
    if (place === undefined || supported === undefined) return []
    if (!supported) return [{ place, parameter }]
    const note = "what nothing is said of is sent: there is no need to say it"
    refused.push({ place, outcome: "imported", note })
    return []
  })
  const all = [...sure, ...missing]
  if (all.length === 0) return { facts: [], refused }
  const fact: Fact = {
    field: "unsupported",
    value: [...new Set(all.map(({ parameter }) => parameter))],
    sources: all.map(({ place }) => ({ place, to: "unsupported" })),
  }
  return { facts: [fact], refused }
}

/**
 * Reads what is said of a model. `fields` are those of `litellm_params` and then of `model_info`: what the former say holds, as it
 * does for LiteLLM.
 */
export const factsOf = (
  fields: ReadonlyArray<Place>,
  isEmbedding: boolean,
  sure: ReadonlyArray<{ readonly place: Place; readonly parameter: string }>,
  today: string,
): Facts => {
  const byName = new Map<string, Place>()
  const refused: Array<Refusal> = []
  for (const place of fields) {
    const name = nameOf(place)
    const isInfo = place.path.includes("model_info")
    const isFact = isCost(name) || (isInfo && (name.startsWith("max_") || name.startsWith("supports_")))
    if (!isFact || isEmpty(place)) continue
    if (byName.has(name)) {
      refused.push({
        place,
        outcome: "approximated",
        note: `litellm_params.${name} holds, as it does for LiteLLM`,
      })
    } else byName.set(name, place)
  }
  const find = (name: string) => byName.get(name)
  const price = priceFrom(
    [...byName.values()].filter((place) => isCost(nameOf(place))),
    isEmbedding,
    today,
  )
  const window = tokens(
    "context_window",
    find("max_input_tokens") ?? (isEmbedding ? find("max_tokens") : undefined),
    "here prompt and answer have to fit together",
  )
  const output = isEmbedding
    ? { facts: [], refused: [] }
    : tokens("max_output_tokens", find("max_output_tokens") ?? find("max_tokens"))
  const unsupported = unsupportedFrom(find, sure)
  const all = [price, window, output, unsupported]
  return {
    facts: [...all.flatMap(({ facts }) => facts), ...inputsFrom(find)],
    refused: [...refused, ...all.flatMap((each) => each.refused)],
  }
}
