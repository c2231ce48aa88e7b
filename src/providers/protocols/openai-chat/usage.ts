import { makeUsage, type Usage, type UsageDetails } from "../../../domain/Usage.ts"
import { isObject, type JsonObject, objectAt } from "../../../platform/json.ts"

/**
 * Reads the usage block of a chat's answer, as the vendors that speak this protocol write it. They agree on prompt and
 * completion, and put what is part of them, or beside them, in places of their own. `calls` are what somebody else has counted.
 */
export const readUsage = (
  usage: unknown,
  serviceTier?: unknown,
  model?: unknown,
  calls?: UsageDetails,
): Usage | null => {
  if (!isObject(usage) || countsNothing(usage)) return null
  const input = objectAt(usage, "prompt_tokens_details") ?? objectAt(usage, "input_tokens_details")
  const output = objectAt(usage, "completion_tokens_details") ?? objectAt(usage, "output_tokens_details")
  const cachedTokens = cachedIn(usage, input)
  const cacheWriteTokens = writtenIn(usage, input)
  const cache = numberOf(cachedTokens) + numberOf(cacheWriteTokens)
  const gap = gapOf(usage)
  const told = output?.reasoning_tokens ?? usage.reasoning_tokens
  const reasoningTokens = gap !== undefined && isUntold(gap, cache, told, model) ? gap : told
  const inputTokens = inputOf(usage, gap, cache, numberOf(reasoningTokens))
  const reported = reportedNanoUsd(usage)
  // Ollama counts no prompt that it has in its cache; of OpenRouter's the cost is told.
  if (inputTokens === 0 && reported === undefined) return null
  if (missesPrompt(usage, inputTokens)) return null
  const outputTokens = outputOf(usage, gap, cache, numberOf(reasoningTokens))
  return makeUsage({
    inputTokens,
    outputTokens,
    totalTokens: usage.total_tokens,
    cachedTokens,
    cacheWriteTokens,
    // More of it than was said is none that was charged for here.
    reasoningTokens:
      reported === undefined ? reasoningTokens : atMost(reasoningTokens, numberOf(outputTokens)),
    details: {
      audio_input_tokens: input?.audio_tokens,
      cached_audio_tokens: (input && objectAt(input, "cached_tokens_details"))?.audio_tokens,
      cache_write_1h_tokens: agreed(
        // Claude behind a proxy: LiteLLM, then what it passes on; new-api.
        agreed(
          hourOf(input && objectAt(input, "cache_creation_token_details"), cacheWriteTokens),
          usage.claude_cache_creation_1_h_tokens,
        ),
        hourOf(objectAt(usage, "cache_creation"), cacheWriteTokens),
      ),
      audio_output_tokens: output?.audio_tokens,
      image_output_tokens: output?.image_tokens, // OpenRouter
      web_searches:
        calls?.web_searches ??
        agreed(
          objectAt(usage, "server_tool_use")?.web_search_requests, // OpenRouter, Claude
          usage.num_search_queries, // Perplexity
        ),
      file_searches: calls?.file_searches,
      // xAI, which says what they cost, or nothing
      unpriced_calls: calls?.unpriced_calls ?? (usage.num_server_side_tools_used || usage.num_sources_used),
    },
    serviceTier: serviceTier ?? usage.service_tier,
    reportedNanoUsd: reported,
  })
}

/** Finds the counts of a chunk: Moonshot's are in the choice, and Groq's in a place of its own. */
export const countedIn = (json: JsonObject, choices: ReadonlyArray<JsonObject>): JsonObject | undefined =>
  objectAt(json, "usage") ?? objectAt(choices[0], "usage") ?? objectAt(objectAt(json, "x_groq"), "usage")

/** Recognizes a block of zeros, which some send where they did not count. No answer is made of nothing. */
export const countsNothing = (usage: JsonObject): boolean =>
  (usage.prompt_tokens ?? usage.input_tokens) === 0 &&
  (usage.completion_tokens ?? usage.output_tokens ?? 0) === 0 &&
  (usage.total_tokens ?? 0) === 0 &&
  !usage.cost

/**
 * Reads what aggregators and vendors say that an answer costs, in USD: OpenRouter, Vercel, DeepInfra; Perplexity in an
 * object; xAI in ticks, of which a dollar has ten thousand million.
 */
export const reportedNanoUsd = (usage: JsonObject): number | undefined => {
  const { cost, cost_details, cost_in_usd_ticks: ticks, is_byok } = usage
  if (typeof ticks === "number") return Math.round(ticks / 10)
  const usd = (isObject(cost) ? cost.total_cost : cost) ?? usage.estimated_cost
  if (typeof usd !== "number") return undefined
  // Of a key of the operator's own at the vendor, the cost is OpenRouter's fee alone.
  const upstream = is_byok === true && isObject(cost_details) ? cost_details.upstream_inference_cost : 0
  return typeof upstream === "number" ? Math.round((usd + upstream) * 1e9) : undefined
}

/** Returns the tokens read from a cache, wherever a vendor says so. */
const cachedIn = (usage: JsonObject, input: JsonObject | undefined): unknown => {
  const usual = agreed(input?.cached_tokens, usage.cached_tokens) // OpenAI and most others; Kimi
  // DeepSeek; proxies in front of Claude
  const named = agreed(agreed(usual, usage.prompt_cache_hit_tokens), usage.cache_read_input_tokens)
  // Mistral, which has three places
  return agreed(
    agreed(named, usage.num_cached_tokens),
    objectAt(usage, "prompt_token_details")?.cached_tokens,
  )
}

/** Returns the tokens written to a cache. */
const writtenIn = (usage: JsonObject, input: JsonObject | undefined): unknown => {
  const outside = usage.cache_creation_input_tokens // proxies in front of Claude
  if (input === undefined) return outside
  const usual = agreed(input.cache_write_tokens, input.cache_creation_tokens) // OpenAI, OpenRouter; LiteLLM
  // DashScope; what new-api and Requesty make of Claude's
  const named = agreed(input.cache_creation_input_tokens, input.cached_creation_tokens)
  return agreed(agreed(usual, agreed(named, input.caching_tokens)), outside)
}

/** Stands for two counts of the same that differ: no count, so that the usage is none. */
const DISAGREED = -1

/** Returns the one that says something; a vendor may write zero where it does not use the place. */
const agreed = (a: unknown, b: unknown): unknown =>
  // No list of them: every answer comes by here.
  !b || a === b ? (a ?? b) : !a ? b : DISAGREED

/** Returns what of the tokens written to Claude's cache stays there for an hour. */
export const hourOf = (creation: JsonObject | undefined, written: unknown): unknown => {
  const { ephemeral_1h_input_tokens: hour, ephemeral_5m_input_tokens: minutes } = creation ?? {}
  const all = numberOf(hour) + numberOf(minutes)
  return typeof minutes === "number" && all > 0 && all !== written ? DISAGREED : hour
}

const atMost = (count: unknown, most: number): unknown =>
  typeof count === "number" ? Math.min(count, most) : count

const numberOf = (count: unknown): number => (typeof count === "number" ? count : 0)

/** Returns what the total has beyond prompt and completion: 0 as a rule, undefined without a total. */
const gapOf = (usage: JsonObject): number | undefined => {
  const { completion_tokens: output = usage.output_tokens, total_tokens: total } = usage
  const input = usage.prompt_tokens ?? usage.input_tokens
  return typeof total === "number" && typeof input === "number" && typeof output === "number"
    ? total - input - output
    : undefined
}

/**
 * Recognizes thoughts that are in the total alone, as Google's own endpoint and proxies in front of Gemini have them. Of other
 * models nobody knows what is missing there.
 */
const isUntold = (gap: number, cache: number, reasoning: unknown, model: unknown): boolean =>
  gap > 0 && gap !== cache && !reasoning && typeof model === "string" && /gemini|gemma/i.test(model)

/**
 * Returns the input with what the cache read and wrote. Proxies in front of Claude count that beside it, as their total shows;
 * a total that both the cache and the reasoning explain shows nothing.
 */
const inputOf = (usage: JsonObject, gap: number | undefined, cache: number, reasoning: number): unknown => {
  const input = usage.prompt_tokens ?? usage.input_tokens
  if (typeof input !== "number" || cache === 0) return input
  // Anthropic's own block, as it is.
  const isBeside =
    gap === undefined
      ? usage.prompt_tokens === undefined &&
        usage.total_tokens === undefined &&
        (usage.cache_read_input_tokens ?? usage.cache_creation_input_tokens) !== undefined
      : gap === cache + reasoning || (gap === cache && cache !== reasoning)
  return isBeside ? input + cache : input
}

/**
 * Returns the output with its reasoning, which most vendors count in the completion and some beside it: then the total
 * says so, or there is more of it than of the completion.
 */
const outputOf = (usage: JsonObject, gap: number | undefined, cache: number, reasoning: number): unknown => {
  const completion = usage.completion_tokens ?? usage.output_tokens
  if (typeof completion !== "number" || reasoning === 0) return completion
  const isBeside =
    gap === undefined
      ? reasoning > completion
      : gap === cache + reasoning || (gap === reasoning && cache !== reasoning)
  return isBeside ? completion + reasoning : completion
}

/** Tells whether what was in DeepSeek's cache and what was not are another prompt than the one that it counted. */
const missesPrompt = (
  { prompt_cache_hit_tokens: hit, prompt_cache_miss_tokens: miss }: JsonObject,
  input: unknown,
): boolean => typeof hit === "number" && typeof miss === "number" && hit + miss > 0 && hit + miss !== input

/** Reads the usage block of an embeddings answer, which has no output. */
export const readEmbeddingUsage = (usage: unknown): Usage | null =>
  isObject(usage)
    ? makeUsage({
        inputTokens: usage.prompt_tokens ?? usage.input_tokens ?? usage.total_tokens,
        outputTokens: 0,
        totalTokens: usage.total_tokens,
        reportedNanoUsd: reportedNanoUsd(usage),
      })
    : null
