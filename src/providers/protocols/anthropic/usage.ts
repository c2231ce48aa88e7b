import { makeUsage, NAMELESS_TIER, type Usage } from "../../../domain/Usage.ts"
import { isObject, type JsonObject, objectAt, objectsAt } from "../../../platform/json.ts"
import { hourOf, reportedNanoUsd } from "../openai-chat/usage.ts"

/** Reads the usage block. What the cache read and wrote stands beside the input; thoughts are part of the output. */
export const readUsage = (block: unknown): Usage | null => {
  if (!isObject(block)) return null
  const usage = withCompactions(block)
  const { cache_creation_input_tokens: written, cache_read_input_tokens: read, input_tokens: input } = usage
  const inputTokens = sum(input, read ?? 0, written ?? 0)
  // No answer is made of nothing; others begin a stream with that, before they have counted.
  if (inputTokens === 0) return null
  return makeUsage({
    inputTokens,
    outputTokens: usage.output_tokens,
    cachedTokens: read,
    cacheWriteTokens: written,
    reasoningTokens: objectAt(usage, "output_tokens_details")?.thinking_tokens,
    details: {
      cache_write_1h_tokens: hourOf(objectAt(usage, "cache_creation"), written),
      web_searches: objectAt(usage, "server_tool_use")?.web_search_requests,
    },
    serviceTier: tierOf(usage),
    reportedNanoUsd: reportedNanoUsd(usage),
  })
}

const TOTALS = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]

/**
 * Adds what it took to compact the conversation on the way, which is charged, and not in Claude's totals
 * (platform.claude.com/docs/en/build-with-claude/compaction).
 */
const withCompactions = (usage: JsonObject): JsonObject => {
  const compactions = objectsAt(usage, "iterations").filter(({ type }) => type === "compaction")
  if (compactions.length === 0) return usage
  const all = [usage, ...compactions]
  const written = all.map((each) => objectAt(each, "cache_creation")?.ephemeral_1h_input_tokens ?? 0)
  return {
    ...usage,
    ...Object.fromEntries(TOTALS.map((name) => [name, sum(...all.map((each) => each[name] ?? 0))])),
    cache_creation: { ephemeral_1h_input_tokens: sum(...written) },
  }
}

const sum = (...counts: ReadonlyArray<unknown>): number =>
  counts.reduce<number>((total, count) => (typeof count === "number" ? total + count : Number.NaN), 0)

/** Names what makes an answer dearer or cheaper than the list says: a tier, a speed, where it was made, and another model's advice. */
const tierOf = (usage: JsonObject): string | undefined => {
  const { inference_geo: geo, service_tier: tier, speed } = usage
  const named = [
    ...[tier, speed].flatMap((each) =>
      each === undefined || each === null || each === "standard"
        ? []
        : typeof each === "string"
          ? each
          : NAMELESS_TIER,
    ),
    ...(geo === "us" ? [geo] : []),
    // In no total, at the prices of a model of its own.
    ...(objectsAt(usage, "iterations").some(({ type }) => type === "advisor_message") ? ["advisor"] : []),
  ]
  return named.length === 0 ? undefined : named.join("-")
}

/** What the input is counted in. */
const INPUT = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]

/**
 * Puts the counts that an event brings over those before: they are of the whole answer so far. Some servers count the input at
 * the beginning only, and say later that it was nothing; and Claude says at the beginning only how long what it wrote to its cache
 * stays there, of what it had written by then.
 */
export const withCounts = (before: JsonObject | undefined, usage: unknown): JsonObject | undefined => {
  if (!isObject(usage)) return before
  const hasInput = INPUT.some((name) => (usage[name] ?? 0) !== 0)
  const told = Object.entries(usage).filter(
    ([name, count]) =>
      count !== null && count !== undefined && (hasInput || before === undefined || !INPUT.includes(name)),
  )
  const counts: JsonObject = { ...before, ...Object.fromEntries(told) }
  if (before === undefined || isObject(usage.cache_creation)) return counts
  // What comes later stays as long as what came before, where all of that stays as long as is usual.
  const { cache_creation: creation, ...others } = counts
  const isStale = counts.cache_creation_input_tokens !== before.cache_creation_input_tokens
  return isStale && isObject(creation) && !creation.ephemeral_1h_input_tokens ? others : counts
}
