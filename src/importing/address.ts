import { Option, Schema } from "effect"
import { BaseUrl } from "../config/base-url.ts"
import type { Target } from "./litellm-vendors.ts"

/** Puts LiteLLM's `api_base` into what `base_url` means here: where the API is, with the version where the kind wants it. */

const decode = Schema.decodeUnknownOption(BaseUrl)

/** Where a provider is: `target` may be another one than its prefix says, and `url` undefined for its vendor's own address. */
interface Placed {
  readonly target: Target
  readonly url: string | undefined
}

const without = (url: string, tail: RegExp): string => {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname.replace(/\/+$/, "").replace(tail, "").replace(/\/+$/, "")}`
}

const OWN_HOSTS: ReadonlySet<string> = new Set([
  "api.openai.com",
  "api.anthropic.com",
  "generativelanguage.googleapis.com",
])

const AZURE_HOST = /\.(openai|services\.ai|cognitiveservices)\.azure\.(com|us|cn)$/

const CHAT_PATHS = /\/(chat\/completions|completions|embeddings|responses)$/

/** Returns where an address leads; undefined when it is none: no http(s) URL, or one with credentials or a query. */
export const placeAt = (target: Target, prefix: string, stated: string): Placed | undefined => {
  // Azure's addresses of one deployment end in a query with the version, which v1 does not have.
  const decoded = decode(stated.replace(/\?api-version=[\w-]*$/, ""))
  if (Option.isNone(decoded)) return undefined
  const url = without(decoded.value, CHAT_PATHS)
  const { hostname, pathname } = new URL(url)
  const own = OWN_HOSTS.has(hostname)
  if ("compatible" in target) return { target, url }
  if ("kind" in target) {
    if (target.kind === "openai")
      return own ? { target, url: undefined } : { target: { compatible: undefined }, url }
    const bare = without(url, /\/(v1beta\d?|v1)(\/.*)?$/)
    return { target, url: own ? undefined : bare }
  }
  switch (target.preset) {
    case "azure":
      return prefix === "azure_ai" && !AZURE_HOST.test(hostname)
        ? { target: { compatible: undefined }, url: /\/v\d+$/.test(pathname) ? url : `${url}/v1` }
        : { target, url: `${without(url, /\/(openai|models|anthropic)(\/.*)?$/)}/openai/v1` }
    case "ollama":
      return { target, url: /\/v1$/.test(pathname) ? url : `${without(url, /\/api(\/.*)?$/)}/v1` }
    default:
      return { target, url }
  }
}

/** An address that nobody has, for one that stands in a variable: the file has addresses, not their variables. */
export const placeholderFor = (target: Target, variable: string): string => {
  const path =
    "kind" in target && target.kind !== "openai"
      ? ""
      : "preset" in target && target.preset === "azure"
        ? "/openai/v1"
        : "/v1"
  return `https://${slugOf(variable)}.invalid${path}`
}

/** Returns what may stand in the name of a provider or of a host. */
export const slugOf = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 40)
    .replace(/-+$/, "") || "unnamed"
