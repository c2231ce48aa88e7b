import { makeUsage, type Usage } from "../../../domain/Usage.ts"
import { isObject, type JsonObject, objectAt } from "../../../platform/json.ts"

/**
 * Reads the usage block of a chat's answer, as the vendors that speak this protocol write it. They agree on prompt and
 * completion, and put what is part of them, or beside them, in places of their own.
 */
export const readUsage = (usage: unknown, serviceTier?: unknown): Usage | null => {
  if (!isObject(usage) || countsNothing(usage)) return null
  const input = objectAt(usage, "prompt_tokens_details") ?? objectAt(usage, "input_tokens_details")
  const output = objectAt(usage, "completion_tokens_details") ?? objectAt(usage, "output_tokens_details")
  const reasoningTokens = output?.reasoning_tokens ?? usage.reasoning_tokens
  const cachedTokens = first(
    input?.cached_tokens,
    usage.cached_tokens, // Kimi
    usage.prompt_cache_hit_tokens, // DeepSeek
    usage.cache_read_input_tokens, // proxies in front of Claude
  )
  const cacheWriteTokens = first(
    input?.cache_write_tokens, // OpenAI, OpenRouter
    input?.cache_creation_tokens,
    usage.cache_creation_input_tokens,
  )
  return makeUsage({
    inputTokens: inputOf(usage, cachedTokens, cacheWriteTokens),
    outputTokens: outputOf(usage, reasoningTokens),
    totalTokens: usage.total_tokens,
    cachedTokens,
    cacheWriteTokens,
    reasoningTokens,
    details: {
      audio_input_tokens: input?.audio_tokens,
      cached_audio_tokens: (input && objectAt(input, "cached_tokens_details"))?.audio_tokens,
      cache_write_1h_tokens: first(
        // Claude behind a proxy: LiteLLM, then what it passes on.
        (input && objectAt(input, "cache_creation_token_details"))?.ephemeral_1h_input_tokens,
        objectAt(usage, "cache_creation")?.ephemeral_1h_input_tokens,
      ),
      audio_output_tokens: output?.audio_tokens,
      image_output_tokens: output?.image_tokens, // OpenRouter
      web_searches: first(
        objectAt(usage, "server_tool_use")?.web_search_requests, // OpenRouter, Claude
        usage.num_search_queries, // Perplexity
      ),
    },
    serviceTier: serviceTier ?? usage.service_tier,
    reportedNanoUsd: reportedNanoUsd(usage),
  })
}

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

/** Returns the input with what the cache read and wrote. Proxies in front of Claude count that beside it, as their total shows. */
const inputOf = (usage: JsonObject, cached: unknown, written: unknown): unknown => {
  const { completion_tokens: output = usage.output_tokens, total_tokens: total } = usage
  const input = usage.prompt_tokens ?? usage.input_tokens
  if (typeof input !== "number" || typeof output !== "number") return input
  const beside = numberOf(cached) + numberOf(written)
  // Anthropic's own block, as it is.
  const isAnthropics =
    usage.prompt_tokens === undefined &&
    total === undefined &&
    (usage.cache_read_input_tokens ?? usage.cache_creation_input_tokens) !== undefined
  if (isAnthropics) return input + beside
  return beside > 0 && total === input + output + beside ? input + beside : input
}

const numberOf = (count: unknown): number => (typeof count === "number" ? count : 0)

/**
 * Returns the output with its reasoning, which most vendors count in the completion and some beside it: then the total
 * says so, or there is more of it than of the completion.
 */
const outputOf = (usage: JsonObject, reasoning: unknown): unknown => {
  const { total_tokens: total } = usage
  const completion = usage.completion_tokens ?? usage.output_tokens
  const prompt = usage.prompt_tokens ?? usage.input_tokens
  if (typeof completion !== "number" || typeof reasoning !== "number" || typeof prompt !== "number") {
    return completion
  }
  const isBeside =
    typeof total === "number" ? total === prompt + completion + reasoning : reasoning > completion
  return isBeside ? completion + reasoning : completion
}

/** Returns the first that says something; a vendor may write zero where it does not use the place. */
const first = (a: unknown, b: unknown, c?: unknown, d?: unknown): unknown =>
  // No list of them: every answer comes by here.
  a || b || c || d || (a ?? b ?? c ?? d)

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
