import type { CandidateRef, GatewayConfig, ModelConfig, RouteConfig } from "../config/GatewayConfig.ts"
import type { Provider } from "../providers/Provider.ts"

/** Which targets a requested model name stands for, and which of them may and can take a request. */
export interface Target {
  readonly provider: Provider
  readonly model: ModelConfig
  /** `provider/model`. */
  readonly key: string
}

export interface Route {
  readonly name: string
  readonly targets: ReadonlyArray<Target>
  readonly largerContext: ReadonlyArray<Target>
  readonly rules: Pick<RouteConfig, "weights" | "exploration" | "hysteresis">
}

/**
 * Every name a client may ask for. On a clash a route wins over `provider/model`, and that over a bare model name;
 * a bare name stands for every provider that serves it. Names that are no route follow the rules of `auto`.
 * Throws when `auto` or the target of a route does not exist: the configuration was checked before, so it is a bug.
 */
export const routesByName = (
  config: Pick<GatewayConfig, "routes">,
  providers: ReadonlyMap<string, Provider>,
): ReadonlyMap<string, Route> => {
  const targets = new Map<string, Target>()
  const byModel = new Map<string, Array<Target>>()
  for (const provider of providers.values()) {
    for (const model of provider.models.values()) {
      const key = `${provider.name}/${model.name}`
      const target = { provider, model, key }
      targets.set(key, target)
      byModel.set(model.name, [...(byModel.get(model.name) ?? []), target])
    }
  }
  const find = (ref: CandidateRef): Target => {
    const target = targets.get(`${ref.provider}/${ref.model}`)
    if (target === undefined) throw new Error(`Route target ${ref.provider}/${ref.model} does not exist`)
    return target
  }

  const rules = config.routes.get("auto")
  if (rules === undefined) throw new Error("Route auto does not exist")
  const routes = new Map<string, Route>()
  for (const [name, candidates] of byModel) {
    routes.set(name, { name, targets: candidates, largerContext: [], rules })
  }
  for (const target of targets.values()) {
    routes.set(target.key, { name: target.key, targets: [target], largerContext: [], rules })
  }
  for (const route of config.routes.values()) {
    routes.set(route.name, {
      name: route.name,
      targets: route.candidates.map(find),
      largerContext: route.largerContext.map(find),
      rules: route,
    })
  }
  return routes
}

/** An allow-list names routes, `provider/model` or bare models; a route on it admits everything behind it. */
export const isAllowed = (
  allowed: ReadonlySet<string> | undefined,
  requestedModel: string,
  target: Target,
): boolean =>
  allowed === undefined ||
  allowed.has(requestedModel) ||
  allowed.has(target.key) ||
  allowed.has(target.model.name)

/**
 * The token estimate may be this much above the truth, and a prompt is turned away here only when it is too long
 * even then: the provider's own count is the one that decides.
 */
const ESTIMATE_SLACK = 1.5

/** Why a target cannot take the request, or undefined when it can. */
export const misfit = (
  { model }: Target,
  inputTokens: number,
  maxOutputTokens: number | undefined,
): string | undefined => {
  const { contextWindow, maxOutputTokens: limit } = model
  if (maxOutputTokens !== undefined && limit !== undefined && maxOutputTokens > limit) {
    return `max_output_tokens: ${maxOutputTokens} asked, at most ${limit} possible`
  }
  if (contextWindow !== undefined && inputTokens / ESTIMATE_SLACK + (maxOutputTokens ?? 0) > contextWindow) {
    const output = maxOutputTokens === undefined ? "" : ` plus ${maxOutputTokens} of output`
    return `context_window: about ${inputTokens} input tokens${output} do not fit ${contextWindow}`
  }
  return undefined
}
