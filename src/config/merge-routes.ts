import { Schema } from "effect"
import type { ModelConfig } from "../catalog/model.ts"
import { PARAMETER, parameterOf, whyKept } from "../domain/parameters.ts"
import { checkConditions } from "./check-conditions.ts"
import {
  type CandidateRef,
  type GatewayConfig,
  type ParameterRule,
  type RouteConfig,
  StatedRoute,
} from "./GatewayConfig.ts"
import type { ReportFault } from "./GatewayFile.ts"
import type { EnabledProvider } from "./merge-providers.ts"
import { holdsAlways } from "./route-condition.ts"
import { candidatesOf, rulesOf } from "./route-rules.ts"

/**
 * Puts the routes of the file over a default `auto`. A route that the file spells out holds exactly what it says: a
 * candidate that cannot serve is a fault, never dropped, since a fallback that silently is not there is found
 * out in an outage. All that a route names is of one kind, since no request could use both.
 */
const AUTO = "auto"

const defaultRoute = Schema.decodeSync(StatedRoute)({})

/** Names of routes: without a slash, so that none is taken for `provider/model`. */
const ROUTE_NAME = /^[A-Za-z0-9._-]{1,64}$/

export const mergeRoutes = (
  file: Readonly<Record<string, StatedRoute>>,
  enabled: ReadonlyArray<EnabledProvider>,
  off: GatewayConfig["off"],
  report: ReportFault,
): ReadonlyMap<string, RouteConfig> => {
  const routes = new Map<string, RouteConfig>()
  for (const [name, route] of [[AUTO, file[AUTO] ?? defaultRoute] as const, ...Object.entries(file)]) {
    if (routes.has(name)) continue
    const reportHere: ReportFault = (at, rule) => report(["routes", name, ...at], rule)
    if (!ROUTE_NAME.test(name)) reportHere([], "must be named with 1 to 64 letters, digits, '.', '_' or '-'")
    const always = route.when.findIndex(holdsAlways)
    if (route.candidates === undefined && name !== AUTO && always < 0)
      reportHere(["candidates"], "is missing")
    for (const field of ["candidates", "largerContext"] as const) {
      if (always < 0 || route[field] === undefined) continue
      const written = field === "candidates" ? field : "larger_context"
      reportHere([written], `can never be asked: when[${always}] sends every request on`)
    }
    // Default candidates come with a default larger context; a list of one's own never gains a stranger.
    const isDefault = route.candidates === undefined && name === AUTO && always < 0
    const listed = route.candidates && candidatesOf(route.candidates, route.strategy, reportHere)
    const candidates = listed ?? (isDefault ? refs(enabled, "auto") : [])
    const largerContext = route.largerContext ?? (isDefault ? refs(enabled, "largerContext") : [])
    for (const [field, each] of [
      ["candidates", listed],
      ["larger_context", route.largerContext],
    ] as const) {
      requireServed(each ?? [], enabled, off, (at, rule) => reportHere([field, ...at], rule))
    }
    requireOneKind({ candidates, larger_context: largerContext }, enabled, reportHere)
    requireLarger(route.largerContext ?? [], candidates, enabled, reportHere)
    if (route.hedge !== undefined && candidates.length < 2)
      reportHere(["hedge"], "needs two candidates at least")
    const parameters = parametersOf(route.parameters, (field, rule) =>
      reportHere(["parameters", field], rule),
    )
    routes.set(name, { ...route, ...rulesOf(route, reportHere), name, candidates, largerContext, parameters })
  }
  checkConditions(routes, report)
  requireKindsToAgree(routes, enabled, report)
  return routes
}

/** Reads the rules of parameters, under chat's names whatever the file calls them. */
const parametersOf = (
  stated: StatedRoute["parameters"],
  report: (field: string, rule: string) => void,
): RouteConfig["parameters"] => {
  const rules = new Map<string, ParameterRule>()
  for (const [name, rule] of Object.entries(stated)) {
    const parameter = PARAMETER.test(name) ? parameterOf(name) : undefined
    if (parameter === undefined || parameter.value !== undefined) {
      report(name, "must be the name of a parameter, such as temperature or reasoning.effort")
      continue
    }
    const kept = rule === "drop" ? whyKept(parameter) : undefined
    if (kept !== undefined) report(name, `must be exclude: it is never dropped, since ${kept}`)
    if (rules.has(parameter.path)) report(name, `repeats ${parameter.path} under another name`)
    rules.set(parameter.path, rule)
  }
  return rules
}

const refs = (
  enabled: ReadonlyArray<EnabledProvider>,
  choice: "auto" | "largerContext",
): ReadonlyArray<CandidateRef> =>
  enabled.flatMap((entry) => entry[choice].map((model) => ({ provider: entry.provider.name, model })))

const requireOneKind = (
  lists: Readonly<Record<string, ReadonlyArray<CandidateRef>>>,
  enabled: ReadonlyArray<EnabledProvider>,
  report: ReportFault,
): void => {
  let first: ModelConfig["kind"] | undefined
  for (const [field, list] of Object.entries(lists)) {
    list.forEach((ref, index) => {
      // A target that does not exist has been reported, and is of no kind.
      const kind = modelOf(ref, enabled)?.kind
      first ??= kind
      if (kind !== undefined && kind !== first) {
        report([field, index], `has kind ${kind}, but the first model of the route has kind ${first}`)
      }
    })
  }
}

/** A condition that sends requests to models of another kind sends them where none of them is taken. */
const requireKindsToAgree = (
  routes: ReadonlyMap<string, RouteConfig>,
  enabled: ReadonlyArray<EnabledProvider>,
  report: ReportFault,
): void => {
  const kindBehind = (name: string) => {
    const [first] = [...(routes.get(name)?.candidates ?? []), ...(routes.get(name)?.largerContext ?? [])]
    return first && modelOf(first, enabled)?.kind
  }
  for (const { name, when } of routes.values()) {
    when.forEach(({ route }, index) => {
      // A route that sends every request on is of the kind of where it sends the first.
      const [own, other] = [kindBehind(name) ?? kindBehind(when[0]?.route ?? name), kindBehind(route)]
      if (own === undefined || other === undefined || own === other) return
      const rule = `names a route of kind ${other}, but the models of this one have kind ${own}`
      report(["routes", name, "when", index, "route"], rule)
    })
  }
}

/** A model that fits no longer prompt than the candidate with the smallest window is there for nothing. */
const requireLarger = (
  larger: ReadonlyArray<CandidateRef>,
  candidates: ReadonlyArray<CandidateRef>,
  enabled: ReadonlyArray<EnabledProvider>,
  report: ReportFault,
): void => {
  const smallest = Math.min(
    ...candidates.map((each) => modelOf(each, enabled)?.contextWindow ?? Number.NEGATIVE_INFINITY),
  )
  larger.forEach((ref, index) => {
    const window = modelOf(ref, enabled)?.contextWindow ?? Number.POSITIVE_INFINITY
    if (candidates.some(({ model, provider }) => model === ref.model && provider === ref.provider)) {
      report(["larger_context", index], "repeats a candidate")
    } else if (candidates.length > 0 && window <= smallest) {
      report(["larger_context", index], "fits no longer prompt than any of the candidates")
    }
  })
}

const modelOf = (
  { provider, model }: CandidateRef,
  enabled: ReadonlyArray<EnabledProvider>,
): ModelConfig | undefined =>
  enabled
    .find((entry) => entry.provider.name === provider)
    ?.provider.models.find(({ name }) => name === model)

const requireServed = (
  listed: ReadonlyArray<CandidateRef>,
  enabled: ReadonlyArray<EnabledProvider>,
  off: GatewayConfig["off"],
  report: ReportFault,
): void =>
  listed.forEach(({ provider, model }, index) => {
    const earlier = listed.findIndex((other) => other.provider === provider && other.model === model)
    if (earlier < index) report([index], "repeats an earlier entry")
    const found = enabled.find((entry) => entry.provider.name === provider)?.provider
    const why = off.get(provider)?.why
    if (found === undefined && why !== undefined) {
      report([index], `needs provider ${provider}, which is off: ${why}`)
    } else if (found === undefined) {
      report([index], "names no provider")
    } else if (!found.models.some(({ name }) => name === model)) {
      report([index], `names no model of provider ${provider}`)
    }
  })
