import type { Price } from "../catalog/model.ts"

/**
 * Fields with which some vendors and gateways let a request choose another model, another address or other credentials than
 * were routed to. They pass through for keys that may use everything; a key with an allow-list may not send them.
 */
export const RESTRICTED_FIELDS = [
  // OpenRouter; Vercel's gateway
  ...["models", "route", "provider", "preset", "plugins", "providerOptions", "provider_options"],
  // LiteLLM
  ...["fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "model_list", "model_id"],
  ...["custom_llm_provider", "deployment_id", "user_config", "api_base", "base_url", "api_key", "api_type"],
  ...["api_version", "organization", "extra_headers", "headers", "mock_response"],
  // Portkey
  ...["config", "targets", "strategy", "virtual_key"],
]

/** Beginnings of LiteLLM's names for a cloud's addresses and credentials, and for its own settings. */
export const RESTRICTED_PREFIXES = ["litellm_", "aws_", "azure_", "vertex_"]

const restricted = new Set(RESTRICTED_FIELDS)

/** Finds such a field, in what client libraries leave packed as `extra_body` too; its path, or undefined. */
export const restrictedField = (request: object): string | undefined => {
  for (const [field, value] of Object.entries(request)) {
    if (value === null || value === undefined) continue
    if (restricted.has(field) || RESTRICTED_PREFIXES.some((prefix) => field.startsWith(prefix))) return field
    if (field !== "extra_body" || typeof value !== "object" || Array.isArray(value)) continue
    const inner = restrictedField(value)
    if (inner !== undefined) return `extra_body.${inner}`
  }
  return undefined
}

/** Tiers that cost what the price says. */
const USUAL_TIERS: ReadonlySet<unknown> = new Set(["auto", "default", "standard"])

/** Tells whether a request asks for a service tier whose price is not known where those of others are. */
export const asksUnpricedTier = (tier: unknown, price: Price | undefined): boolean => {
  const known = price?.serviceTiers
  if (known === undefined || tier === null || tier === undefined || USUAL_TIERS.has(tier)) return false
  return typeof tier !== "string" || !Object.hasOwn(known, tier)
}
