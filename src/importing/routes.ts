import type { Candidate } from "./candidates.ts"
import { isEmpty, member, numberIn, type Place } from "./document.ts"
import type { Fallback } from "./fallbacks.ts"
import type { ProviderDraft } from "./provider-draft.ts"
import type { Report } from "./report.ts"
import type { YamlMapping } from "./yaml-text.ts"

/** Makes a route of all deployments with one `model_name`, with the fallbacks that LiteLLM's settings have for it. */

/** What is known of a model of a provider that is on. */
export interface Served {
  readonly kind: "chat" | "embedding"
  readonly contextWindow: number | undefined
}

export interface RouteContext {
  readonly report: Report
  /** By `provider/model`. */
  readonly served: ReadonlyMap<string, Served>
  /** LiteLLM's word; undefined for its default. */
  readonly routingStrategy: string | undefined
  readonly dropsParameters: boolean
}

/** Deployments with one `model_name`, and what became of the name. */
export interface Group {
  readonly name: string
  readonly candidates: ReadonlyArray<Candidate>
  /** Those of another kind than the first, which a route cannot have. */
  readonly strangers: ReadonlyArray<Candidate>
  /** Names of its candidates, each once, in the order in which they are asked. */
  readonly refs: ReadonlyArray<string>
  /** The name of the route. */
  readonly route: string
  /** Clients that say provider/model get the same, so that it needs no route unless something leads to it. */
  readonly isDirect: boolean
}

const refOf = ({
  provider,
  deployment,
}: {
  readonly provider: ProviderDraft
  readonly deployment: Candidate["deployment"]
}) => `${provider.name}/${deployment.model}`

const ROUTE_NAME = /^[A-Za-z0-9._-]{1,64}$/

/** Names that are more than a name where JavaScript keeps them. */
const RESERVED: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"])

export const isRouteName = (name: string): boolean => ROUTE_NAME.test(name) && !RESERVED.has(name)

const routeName = (name: string, taken: ReadonlySet<string>): string => {
  const plain = isRouteName(name)
    ? name
    : `${name
        .replace(/[^A-Za-z0-9._-]+/g, "-")
        .replace(/^[-_]+|[-_]+$/g, "")
        .slice(0, 56)}` || "route"
  const free = (candidate: string) => !taken.has(candidate) && !RESERVED.has(candidate)
  let result = plain
  for (let next = 2; !free(result); next += 1) result = `${plain.slice(0, 56)}-${next}`
  return result
}

const orderOf = ({ deployment }: Candidate): number | undefined => numberIn(deployment.param("order"))

/** Puts candidates in the order that LiteLLM's `order` states: those without one come last. */
const inOrder = (candidates: ReadonlyArray<Candidate>): ReadonlyArray<Candidate> =>
  candidates.toSorted(
    (one, other) => (orderOf(one) ?? Number.MAX_VALUE) - (orderOf(other) ?? Number.MAX_VALUE),
  )

export const isOrdered = (candidates: ReadonlyArray<Candidate>): boolean =>
  new Set(candidates.map(orderOf)).size > 1

/** Puts deployments together by name. Names that may stand as they are get their own route first. */
export const groupsOf = (
  candidates: ReadonlyArray<Candidate>,
  served: ReadonlyMap<string, Served>,
): ReadonlyArray<Group> => {
  const byName = Map.groupBy(
    candidates.filter(({ deployment }) => !deployment.model.includes("*")),
    ({ deployment }) => deployment.group,
  )
  const taken = new Set([...byName.keys()].filter(isRouteName))
  return [...byName].map(([name, all]) => {
    const kindOf = (candidate: Candidate) => served.get(refOf(candidate))?.kind
    const kind = all[0] && kindOf(all[0])
    const group = all.filter((candidate) => kindOf(candidate) === kind)
    const strangers = all.filter((candidate) => kindOf(candidate) !== kind)
    const refs = [...new Set(inOrder(group).map(refOf))]
    const route = isRouteName(name) ? name : routeName(name, taken)
    taken.add(route)
    return {
      name,
      candidates: group,
      strangers,
      refs,
      route,
      isDirect: refs.length === 1 && refs[0] === name,
    }
  })
}

const MAX_WEIGHT = 1_000_000

/** Returns each candidate's share as LiteLLM draws: by weight, else by rpm, else by tpm; undefined when all are alike. */
const weightsOf = (group: Group): ReadonlyMap<string, number> | undefined => {
  for (const metric of ["weight", "rpm", "tpm"]) {
    const sums = new Map<string, number>()
    for (const candidate of group.candidates) {
      const weight = numberIn(candidate.deployment.param(metric)) ?? 0
      sums.set(refOf(candidate), (sums.get(refOf(candidate)) ?? 0) + Math.max(0, weight))
    }
    const largest = Math.max(...sums.values())
    if (largest <= 0 || !Number.isFinite(largest)) continue
    const scale = largest > MAX_WEIGHT ? MAX_WEIGHT / largest : largest < 0.001 ? 1 / largest : 1
    return new Map([...sums].map(([ref, weight]) => [ref, Math.round(weight * scale * 1e6) / 1e6]))
  }
  // Several deployments of one model count as often as they are there.
  const counts = new Map<string, number>()
  for (const candidate of group.candidates)
    counts.set(refOf(candidate), (counts.get(refOf(candidate)) ?? 0) + 1)
  return new Set(counts.values()).size > 1 ? counts : undefined
}

const STRATEGIES: ReadonlyMap<string, "fastest" | "cheapest"> = new Map([
  ["latency-based-routing", "fastest"],
  ["least-busy", "fastest"],
  ["cost-based-routing", "cheapest"],
])

/** Parameters that `drop_params` is about: what a model may refuse, and an answer can do without. */
const DROPPED = [
  "temperature",
  "top_p",
  "presence_penalty",
  "frequency_penalty",
  "logit_bias",
  "seed",
  "user",
  "reasoning_effort",
] as const

const parametersOf = (group: Group, { dropsParameters, served }: RouteContext): YamlMapping | undefined => {
  if (served.get(group.refs[0] ?? "")?.kind === "embedding") return undefined
  const own = group.candidates.flatMap(({ deployment }) => [
    ...deployment.dropped.map(({ parameter }) => parameter),
    ...(deployment.dropsAny ? DROPPED : []),
  ])
  const all = [...new Set([...(dropsParameters ? DROPPED : []), ...own])]
  return all.length === 0 ? undefined : Object.fromEntries(all.map((name) => [name, "drop"]))
}

/** What is asked when a route's own candidates are of no use. */
export interface Beside {
  readonly fallbacks: ReadonlyArray<string>
  readonly larger: ReadonlyArray<string>
}

/** Returns a route of the file. */
export const statedRoute = (
  group: Group,
  { fallbacks, larger }: Beside,
  context: RouteContext,
): YamlMapping => {
  const common = {
    larger_context: larger.length === 0 ? undefined : larger,
    parameters: parametersOf(group, context),
  }
  const all = [...group.refs, ...fallbacks]
  if (isOrdered(group.candidates) || group.refs.length === 1) {
    return { candidates: all, strategy: all.length === 1 ? undefined : "priority", ...common }
  }
  const strategy = STRATEGIES.get(context.routingStrategy ?? "")
  if (strategy !== undefined && fallbacks.length === 0) return { candidates: all, strategy, ...common }
  const weights = weightsOf(group)
  const isPlain = (ref: string) => weights === undefined && group.refs.includes(ref)
  return {
    candidates: all.map((ref) =>
      isPlain(ref) ? ref : { target: ref, weight: group.refs.includes(ref) ? (weights?.get(ref) ?? 1) : 0 },
    ),
    strategy: "weighted",
    ...common,
  }
}

/** Says of a group's names, weights and orders what became of them. */
export const tellGroup = (group: Group, { report }: RouteContext): void => {
  const { candidates, isDirect, name, refs, route, strangers } = group
  for (const { deployment } of strangers) {
    const note =
      "a route has models of one kind, chat or embedding: this one is reached as provider/model alone"
    report.tell(member(deployment.place, "model_name"), "unsupported", { note })
  }
  const ordered = isOrdered(candidates)
  for (const { deployment } of candidates) {
    const place = member(deployment.place, "model_name")
    if (isDirect) report.tell(place, "imported", { to: `${name}, which clients may ask for as it is` })
    else if (name === route) report.tell(place, "imported", { to: `routes.${route}` })
    else {
      const note = `routes have names of letters, digits, ".", "_" and "-": clients ask for ${route}`
      report.tell(place, "approximated", { to: `routes.${route}`, note })
    }
    tellWeight(deployment.param("weight"), ordered, refs.length, `routes.${route}`, report)
    const order = deployment.param("order")
    if (order === undefined) continue
    if (!ordered) report.tell(order, "imported", { note: "all candidates have the same one" })
    else {
      const note = "candidates of one order are not drawn among: the first is asked while it is well"
      report.tell(order, "approximated", { to: `routes.${route}: strategy priority`, note })
    }
  }
}

const tellWeight = (
  place: Place | undefined,
  ordered: boolean,
  candidates: number,
  route: string,
  report: Report,
): void => {
  if (place === undefined) return
  if (isEmpty(place)) report.tell(place, "imported", { note: "says nothing" })
  else if (ordered) {
    report.tell(place, "unsupported", { note: "the route goes by order, so that nothing is drawn" })
  } else if ((numberIn(place) ?? -1) < 0) {
    report.tell(place, "unsupported", { note: "must be a number from 0 on" })
  } else if (candidates < 2) report.tell(place, "imported", { note: "there is one candidate" })
  else report.tell(place, "imported", { to: `${route}: weight` })
}

/** Finds the fallbacks of a group, of those for it by name, or else for all. */
export const fallbacksFor = (name: string, all: ReadonlyArray<Fallback>): ReadonlyArray<Fallback> => {
  const own = all.filter(({ from }) => from === name)
  return own.length > 0 ? own : all.filter(({ from, to }) => from === "*" && to !== name)
}
