import type { ChatRequest } from "../domain/Chat.ts"

/** Where in its client's request something of the chat comes from. */
interface Origin {
  readonly at: string
  /** Where what stands within it comes from, by chat's path from there, when that is elsewhere. */
  readonly within: Readonly<Record<string, ReadonlyArray<string>>>
}

export type Origins = Map<unknown, Origin>

/** Fields that client dialects and chat have under the same name, in what else they have another word for. */
const SAME: ReadonlySet<string> = new Set(["cache_control", "extra_content"])

/**
 * Names as its client does what a provider names in chat's words: a place within the translated request, or a field. `names`:
 * fields that the client has under others; under none when the gateway itself says them.
 */
export const ownNames = (
  param: string,
  request: ChatRequest,
  origins: Origins,
  names: Readonly<Record<string, ReadonlyArray<string>>>,
): ReadonlyArray<string> => {
  let value: unknown = request
  let origin: Origin | undefined
  let rest = ""
  for (const { 0: step, index } of param.matchAll(/[^.[\]]+/g)) {
    value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[step] : undefined
    const next = origins.get(value)
    if (next === undefined) continue
    origin = next
    rest = param.slice(index + step.length).replace(/^\]?\.?/, "")
  }
  if (origin !== undefined) {
    // What follows in chat's words says less than the place does.
    return origin.within[rest] ?? [SAME.has(rest) ? `${origin.at}.${rest}` : origin.at]
  }
  const [field = param] = /^\w+/.exec(param) ?? []
  return names[param] ?? names[field] ?? [param]
}
