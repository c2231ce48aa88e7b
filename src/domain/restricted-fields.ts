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
  ...["api_version", "organization", "extra_headers", "headers", "mock_response", "router_settings_override"],
  ...["specific_deployment", "input_cost_per_token", "output_cost_per_token"],
  // Portkey
  ...["config", "targets", "strategy", "virtual_key"],
  // Azure: where it searches, with a key; Groq: the models of a system of several
  ...["data_sources", "compound_custom"],
  // SGLang, Text Generation Inference: another adapter; vLLM: another server
  ...["lora_path", "adapter_id", "kv_transfer_params"],
  // Anthropic: servers that it calls, with a token, and who pays for it
  ...["mcp_servers", "workspace_id", "user_profile_id", "billing_policy", "fallback_credit_token"],
]

/** Fields of a tool, and of what its vendor is told in it, by which that calls a server, with a token. */
export const RESTRICTED_TOOL_FIELDS = [
  ...["server_url", "connector_id", "tunnel_id", "authorization", "headers"],
  ...["base_url", "api_base", "endpoint", "api_key"],
]

/** Beginnings of names for a cloud's addresses and credentials, and for settings: LiteLLM's, and TensorZero's. */
export const RESTRICTED_PREFIXES = ["litellm_", "aws_", "azure_", "vertex_", "tensorzero::"]

/** Ends of names that name another model: `fallback_models`, `judge_model`, `model`. Except that of the request itself. */
export const RESTRICTED_ENDINGS = ["model", "models"]

const namesModel = (name: string): boolean => RESTRICTED_ENDINGS.some((ending) => name.endsWith(ending))

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
const findInTools = (list: ReadonlyArray<unknown>, path: string, levels = MAX_LEVELS): string | undefined => {
  for (const [index, each] of list.entries()) {
    if (typeof each !== "object" || each === null) continue
    const inner = findInTool(each, `${path}[${index}]`, path === "input" ? "item" : kindOf(each), levels)
    if (inner !== undefined) return inner
  }
  return undefined
}

/** A function is the client's own: what its schema says, or calls a model, is nobody's setting. */
const kindOf = (tool: object): "function" | "vendor's" =>
  "type" in tool && typeof tool.type === "string" && tool.type !== "function" && tool.type !== "custom"
    ? "vendor's"
    : "function"

/** The names below are those of a schema. */
const OF_SCHEMAS: ReadonlySet<string> = new Set(["properties", "patternproperties", "$defs", "definitions"])

/** Nobody nests deeper, and a request must not exhaust the stack. */
const MAX_LEVELS = 64

const findInTool = (
  fields: object,
  path: string,
  kind: "item" | "function" | "vendor's",
  levels: number,
): string | undefined => {
  if (levels === 0) return path
  for (const [field, value] of Object.entries(fields)) {
    if (value === null || value === undefined) continue
    const at = Array.isArray(fields) ? `${path}[${field}]` : `${path}.${field}`
    const name = field.toLowerCase()
    if (kind !== "item" && (ofTools.has(name) || namesModel(name))) return at
    const inner =
      name === "tools" && Array.isArray(value)
        ? findInTools(value, at, levels - 1)
        : kind === "vendor's" && typeof value === "object" && !OF_SCHEMAS.has(name)
          ? findInTool(value, at, kind, levels - 1)
          : undefined
    if (inner !== undefined) return inner
  }
  return undefined
}

const isRestricted = (name: string): boolean =>
  restricted.has(name) ||
  RESTRICTED_PREFIXES.some((prefix) => name.startsWith(prefix)) ||
  (namesModel(name) && !GATEWAYS_OWN.has(name))

const findIn = (fields: object, isTop: boolean): string | undefined => {
  for (const [field, value] of Object.entries(fields)) {
    if (value === null || value === undefined) continue
    const name = field.toLowerCase()
    if (isRestricted(name)) return field
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
