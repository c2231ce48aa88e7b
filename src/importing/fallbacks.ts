import { isMapping, member, membersOf, nameOf, type Place, textIn } from "./document.ts"
import type { Report } from "./report.ts"

/** Reads LiteLLM's lists of fallbacks, which stand in `router_settings` and in `litellm_settings`. */

export interface Fallback {
  /** The `model_name` that it is for; `*` for all that have none of their own. */
  readonly from: string
  readonly to: string
  readonly place: Place
}

const sections = ["router_settings", "litellm_settings"] as const

const fieldsNamed = (root: Place, name: string): ReadonlyArray<Place> =>
  sections.flatMap((section) => {
    const at = member(root, section)
    const field = at && member(at, name)
    return field === undefined ? [] : [field]
  })

const NO_TEXT =
  "a fallback is the name of a route here, and nothing of the request changes with it: state a route for it"

const targetsOf = (from: string, list: Place, report: Report): ReadonlyArray<Fallback> =>
  (membersOf(list).length === 0 || isMapping(list) ? [list] : membersOf(list)).flatMap((place) => {
    const to = textIn(place)
    if (to !== undefined) return [{ from, to, place }]
    report.tell(place, "unsupported", { note: NO_TEXT })
    return []
  })

/** Reads `fallbacks` or one of its kin: a list of mappings, or one mapping, from a name to names. */
export const fallbacksIn = (root: Place, field: string, report: Report): ReadonlyArray<Fallback> =>
  fieldsNamed(root, field).flatMap((place) =>
    (isMapping(place) ? [place] : membersOf(place)).flatMap((entry) =>
      isMapping(entry) ? membersOf(entry).flatMap((list) => targetsOf(nameOf(list), list, report)) : [],
    ),
  )

/** Reads `default_fallbacks`, a list of names. */
export const defaultFallbacks = (root: Place, report: Report): ReadonlyArray<Fallback> =>
  fieldsNamed(root, "default_fallbacks").flatMap((list) => targetsOf("*", list, report))
