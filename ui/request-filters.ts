/** What requests are narrowed to. The names are those of the API's query, in addresses too. */
import { withQuery } from "./api.ts"
import { duration, money } from "./format.ts"

export type Filters = Readonly<Record<string, string | undefined>>

/** By name, what it says to people. */
const TITLES = {
  key_id: "Key",
  team: "Team",
  user: "User",
  tag: "Tag",
  provider: "Provider",
  model: "Model",
  endpoint: "Endpoint",
  status_class: "Status",
  status: "Status",
  error_code: "Error",
  stream: "Answer",
  min_latency_ms: "Took at least",
  min_cost_usd: "Cost at least",
} as const

export type FilterName = keyof typeof TITLES

export const FILTER_NAMES = Object.keys(TITLES) as ReadonlyArray<FilterName>

/** Returns the part of an address that the API takes, without the span. */
export const askedOf = (filters: Filters): Readonly<Record<string, string>> =>
  Object.fromEntries(FILTER_NAMES.flatMap((name) => (filters[name] ? [[name, filters[name]]] : [])))

/** Takes away whatever narrows the list but its span. */
export const NOT_NARROWED: Filters = Object.fromEntries(
  [...FILTER_NAMES, "cursor"].map((name) => [name, undefined]),
)

/** Returns the address of the list narrowed further. */
export const narrowed = (filters: Filters, further: Filters): string =>
  withQuery("/ui/requests", { ...filters, ...further, cursor: undefined })

/** Returns what a filter says. */
export const filterText = (
  name: FilterName,
  value: string,
): { readonly title: string; readonly value: string } => {
  const title = TITLES[name]
  switch (name) {
    case "status_class":
      return { title, value: `${value}xx` }
    case "stream":
      return { title, value: value === "true" ? "streamed" : "whole" }
    case "min_latency_ms":
      return { title, value: asNumber(value, duration) }
    case "min_cost_usd":
      return { title, value: asNumber(value, money) }
    default:
      return { title, value }
  }
}

/** An address is anybody's text; the gateway says what is wrong with it. */
const asNumber = (text: string, format: (value: number) => string): string =>
  Number.isFinite(Number(text)) ? format(Number(text)) : text

/** Reads a status as people write it, `5xx` or `503`; what is neither is for the gateway to refuse. */
export const statusFilter = (text: string): Filters => {
  const [, first] = /^\s*(\d)xx\s*$/i.exec(text) ?? []
  return first === undefined
    ? { status: text.trim(), status_class: undefined }
    : { status: undefined, status_class: first }
}
