import { isMapping, member, membersOf, nameOf, type Place, textIn } from "./document.ts"
import { defaultFallbacks, type Fallback, fallbacksIn } from "./fallbacks.ts"
import type { Report } from "./report.ts"
import {
  type Beside,
  fallbacksFor,
  type Group,
  isOrdered,
  isRouteName,
  type RouteContext,
  statedRoute,
  tellGroup,
} from "./routes.ts"
import type { YamlMapping } from "./yaml-text.ts"

/** Makes all routes, with what leads from one to another: fallbacks, larger contexts and aliases. */

interface Routes {
  readonly routes: YamlMapping
  /** LiteLLM's names, and what clients ask for now. */
  readonly names: ReadonlyMap<string, string>
}

interface Alias {
  readonly alias: string
  readonly target: string
  readonly place: Place
}

const aliasesIn = (root: Place, report: Report): ReadonlyArray<Alias> =>
  ["router_settings", "litellm_settings"].flatMap((name) => {
    const section = member(root, name)
    const stated = section && member(section, "model_group_alias")
    return (stated === undefined ? [] : membersOf(stated)).flatMap((place) => {
      const model = isMapping(place) ? member(place, "model") : place
      const target = textIn(model)
      const note = "the alias is listed at GET /v1/models all the same"
      report.tell(member(place, "hidden"), "unsupported", { note })
      if (target !== undefined && model !== undefined) return [{ alias: nameOf(place), target, place: model }]
      report.tell(place, "unsupported", { note: "must be the model_name that it stands for" })
      return []
    })
  })

const NOBODY = "there is no model of that name left: nothing can be asked"
const OTHER_KIND = "a route has models of one kind, chat or embedding, and these are of the other"
const REFUSED =
  "what a content filter refuses is final here: no other candidate is asked. Name another route in the client"

/** Puts fallbacks, larger contexts and aliases to the groups that they are for. */
export const allRoutes = (root: Place, groups: ReadonlyArray<Group>, context: RouteContext): Routes => {
  const { report, served } = context
  const byName = new Map(groups.map((group) => [group.name, group]))
  const aliases = aliasesIn(root, report)
  const refsOf = (name: string): ReadonlyArray<string> => {
    const group = byName.get(name) ?? byName.get(aliases.find(({ alias }) => alias === name)?.target ?? "")
    return group?.refs ?? (served.has(name) ? [name] : [])
  }
  const kindOf = (ref: string | undefined) => served.get(ref ?? "")?.kind
  const windowOf = (ref: string) => served.get(ref)?.contextWindow

  const ordinary = [...fallbacksIn(root, "fallbacks", report), ...defaultFallbacks(root, report)]
  const larger = fallbacksIn(root, "context_window_fallbacks", report)
  for (const { place } of fallbacksIn(root, "content_policy_fallbacks", report)) {
    report.tell(place, "unsupported", { note: REFUSED })
  }

  /** Returns whom a group falls back to, and says so of each fallback. */
  const fallbackRefs = (group: Group): ReadonlyArray<string> => {
    const found: Array<string> = []
    for (const { to, place } of fallbacksFor(group.name, ordinary)) {
      const refs = refsOf(to)
      const fitting = refs.filter((ref) => kindOf(ref) === kindOf(group.refs[0]))
      if (refs.length === 0) report.tell(place, "unsupported", { note: NOBODY })
      else if (fitting.length === 0) report.tell(place, "unsupported", { note: OTHER_KIND })
      else {
        const isWritten = isOrdered(group.candidates) || group.refs.length === 1
        const note = isWritten
          ? "one attempt after another within limits.max_attempts, and nothing after the first word of a stream"
          : "asked when those with a weight are of no use; among several fallbacks the better score comes first"
        report.tell(place, "approximated", { to: `routes.${group.route}: candidates`, note })
      }
      found.push(...fitting)
    }
    return [...new Set(found)].filter((ref) => !group.refs.includes(ref))
  }

  const largerRefs = (group: Group, fallbacks: ReadonlyArray<string>): ReadonlyArray<string> => {
    const candidates = [...group.refs, ...fallbacks]
    const smallest = Math.min(...candidates.map((ref) => windowOf(ref) ?? Number.NEGATIVE_INFINITY))
    const found: Array<string> = []
    for (const { to, place } of fallbacksFor(group.name, larger)) {
      const refs = refsOf(to)
      const fitting = refs.filter(
        (ref) =>
          kindOf(ref) === kindOf(group.refs[0]) &&
          !candidates.includes(ref) &&
          (windowOf(ref) ?? Number.POSITIVE_INFINITY) > smallest,
      )
      if (refs.length === 0) report.tell(place, "unsupported", { note: NOBODY })
      else if (fitting.length === 0) {
        const note =
          "it is of another kind, a candidate of the route already, or holds no longer prompt than they do"
        report.tell(place, "unsupported", { note })
      } else {
        const note = "asked by the estimated length of the prompt, before a provider refuses it"
        report.tell(place, "approximated", { to: `routes.${group.route}: larger_context`, note })
      }
      found.push(...fitting)
    }
    return [...new Set(found)]
  }

  const routes = new Map<string, YamlMapping>()
  const names = new Map<string, string>()
  const wanted = new Set(aliases.map(({ target }) => target))
  for (const group of groups) {
    const fallbacks = fallbackRefs(group)
    const beside: Beside = { fallbacks, larger: largerRefs(group, fallbacks) }
    const stated = statedRoute(group, beside, context)
    const isNeeded =
      !group.isDirect ||
      wanted.has(group.name) ||
      fallbacks.length + beside.larger.length > 0 ||
      stated.parameters !== undefined
    if (isNeeded) routes.set(group.route, stated)
    names.set(group.name, isNeeded ? group.route : group.name)
    tellGroup({ ...group, isDirect: !isNeeded }, context)
  }
  tellLost([...ordinary, ...larger], byName, report)
  for (const { alias, target, place } of aliases) {
    const route = names.get(target)
    if (route === undefined) report.tell(place, "unsupported", { note: NOBODY })
    else if (!isRouteName(alias) || routes.has(alias)) {
      const note = `no route can have this name here, or another has it: let clients ask for ${route}`
      report.tell(place, "unsupported", { note })
    } else {
      routes.set(alias, { when: [{ route }] })
      names.set(alias, alias)
      report.tell(place, "imported", { to: `routes.${alias}: when` })
    }
  }
  return { routes: Object.fromEntries(routes), names }
}

const tellLost = (
  fallbacks: ReadonlyArray<Fallback>,
  groups: ReadonlyMap<string, Group>,
  report: Report,
): void => {
  for (const { from, place } of fallbacks) {
    if (from === "*") report.tell(place, "imported", { note: "there is no route that it could be for" })
    else if (!groups.has(from))
      report.tell(place, "unsupported", { note: `it is a fallback of a model that is not there` })
  }
}
