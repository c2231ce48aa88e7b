/**
 * Fields with which some vendors and gateways let a request choose another model, another address or other credentials than
 * were routed to. They pass through for keys that may use everything; a key with an allow-list may not send them. What only
 * makes an answer dearer has a price or not (`unpricedTier`), and what only names something that the vendor keeps is not here.
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
  // Anthropic: servers that it calls, with a token, and who pays for it
  ...["mcp_servers", "workspace_id", "user_profile_id", "billing_policy", "fallback_credit_token"],
]

/** Fields of a tool by which its vendor asks another model (an advisor, one that draws), or calls a server, with a token. */
export const RESTRICTED_TOOL_FIELDS = [
  ...["model", "server_url", "connector_id", "tunnel_id", "authorization", "headers"],
]

/** Beginnings of LiteLLM's names for a cloud's addresses and credentials, and for its own settings. */
export const RESTRICTED_PREFIXES = ["litellm_", "aws_", "azure_", "vertex_"]

const restricted = new Set(RESTRICTED_FIELDS.map((field) => field.toLowerCase()))

/** Fields that the gateway reads itself, where it does: another spelling, or another place, is another server's. */
const GATEWAYS_OWN = new Set(["model", "service_tier", "speed", "inference_geo"])

/**
 * Finds such a field, in what client libraries leave packed as `extra_body` too, and in tools; its path, or undefined. Servers
 * written in Go read names whatever their case is.
 */
export const restrictedField = (request: object): string | undefined => findIn(request, true)

const ofTools = new Set(RESTRICTED_TOOL_FIELDS)

/** Looks through tools, and through lists with more of them: those of a namespace, and items of Responses that add some. */
const findInTools = (list: ReadonlyArray<unknown>, path: string): string | undefined => {
  for (const [index, each] of list.entries()) {
    if (typeof each !== "object" || each === null) continue
    const at = `${path}[${index}]`
    for (const [field, value] of Object.entries(each)) {
      if (value === null || value === undefined) continue
      const name = field.toLowerCase()
      if (path !== "input" && ofTools.has(name)) return `${at}.${field}`
      const inner =
        name === "tools" && Array.isArray(value) ? findInTools(value, `${at}.${field}`) : undefined
      if (inner !== undefined) return inner
    }
  }
  return undefined
}

const findIn = (fields: object, isTop: boolean): string | undefined => {
  for (const [field, value] of Object.entries(fields)) {
    if (value === null || value === undefined) continue
    const name = field.toLowerCase()
    if (restricted.has(name) || RESTRICTED_PREFIXES.some((prefix) => name.startsWith(prefix))) return field
    if (GATEWAYS_OWN.has(name) && !(isTop && field === name)) return field
    if ((name === "tools" || name === "input") && Array.isArray(value)) {
      const inner = findInTools(value, field)
      if (inner !== undefined) return inner
    }
    if (name !== "extra_body" || typeof value !== "object" || Array.isArray(value)) continue
    const inner = findIn(value, false)
    if (inner !== undefined) return `${field}.${inner}`
  }
  return undefined
}
