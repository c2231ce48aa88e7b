import { Result } from "effect"
import type { ModelConfig } from "../catalog/model.ts"
import type { CandidateRef, GatewayConfig } from "../config/GatewayConfig.ts"
import { outputLimitOf, ownNameOf, type Task } from "../domain/Task.ts"
import type { PreparedCall, Provider } from "../providers/Provider.ts"
import { type Condition, compileConditions } from "./conditions.ts"
import type { ExclusionRule } from "./exclusion.ts"
import { type Rules, rulesOf } from "./strategy.ts"

/** One model of one provider. */
export interface Target {
  readonly provider: Provider
  readonly model: ModelConfig
  /** `provider/model`. */
  readonly key: string
  /** `provider/*`: every model of the provider, in an allow-list. */
  readonly wildcard: string
}

const GATEWAY = "llm-gateway"

interface Route {
  readonly name: string
  /** In lists of models: the one provider behind the name, or the gateway. */
  readonly ownedBy: string
  readonly targets: ReadonlyArray<Target>
  readonly largerContext: ReadonlyArray<Target>
  readonly rules: Rules
  /** What sends requests on to other routes; the first that holds. */
  readonly conditions: ReadonlyArray<Condition>
}

/**
 * Resolves every name a client may ask for. On a clash a route wins over `provider/model`, and that over a bare model name;
 * a bare name stands for every provider that serves it. Names that are no route follow the rules of `auto`, and none of its
 * conditions.
 * In the order of a list: routes, bare names, `provider/model`.
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
      const target = { provider, model, key, wildcard: `${provider.name}/*` }
      targets.set(key, target)
      byModel.set(model.name, [...(byModel.get(model.name) ?? []), target])
    }
  }
  const find = (ref: CandidateRef): Target => {
    const target = targets.get(`${ref.provider}/${ref.model}`)
    if (target === undefined) throw new Error(`Route target ${ref.provider}/${ref.model} does not exist`)
    return target
  }

  const auto = config.routes.get("auto")
  if (auto === undefined) throw new Error("Route auto does not exist")
  const rules = rulesOf(auto)
  const routes = new Map<string, Route>()
  for (const route of config.routes.values()) {
    routes.set(route.name, {
      name: route.name,
      ownedBy: GATEWAY,
      targets: route.candidates.map(find),
      largerContext: route.largerContext.map(find),
      rules: rulesOf(route),
      conditions: compileConditions(route),
    })
  }
  const add = (name: string, behind: ReadonlyArray<Target>) => {
    if (routes.has(name)) return
    const [only, ...others] = behind
    const ownedBy = only === undefined || others.length > 0 ? GATEWAY : only.provider.name
    routes.set(name, { name, ownedBy, targets: behind, largerContext: [], rules, conditions: [] })
  }
  for (const [name, behind] of byModel) if (!targets.has(name)) add(name, behind)
  for (const target of targets.values()) add(target.key, [target])
  return routes
}

/** A name that a client may ask for, in a list of models. */
export interface ListedModel {
  readonly id: string
  readonly ownedBy: string
}

/** Lists the names behind which a key with this allow-list finds at least one target. */
export const listModels = (
  routes: ReadonlyMap<string, Route>,
  allowed: ReadonlySet<string> | undefined,
): ReadonlyArray<ListedModel> => {
  const listed: Array<ListedModel> = []
  for (const { name, ownedBy } of routes.values()) {
    const admitted = (target: Target) => isAllowed(allowed, name, target)
    const leadsToSome = reachable(routes, name).some(
      ({ largerContext, targets }) => targets.some(admitted) || largerContext.some(admitted),
    )
    if (leadsToSome) listed.push({ id: name, ownedBy })
  }
  return listed
}

/** Lists a route and all to which its conditions lead. */
const reachable = (routes: ReadonlyMap<string, Route>, name: string): ReadonlyArray<Route> => {
  const names = new Set([name])
  // Grows while it is gone through.
  for (const each of names) for (const { route } of routes.get(each)?.conditions ?? []) names.add(route)
  return [...names].flatMap((each) => routes.get(each) ?? [])
}

/**
 * Tells whether a key may use a target. An allow-list names routes, `provider/model`, `provider/*` or bare models; a route on
 * it admits everything behind it, and what it leads to: it is the name that was asked for.
 */
export const isAllowed = (
  allowed: ReadonlySet<string> | undefined,
  requestedModel: string,
  target: Target,
): boolean =>
  allowed === undefined ||
  allowed.has(requestedModel) ||
  allowed.has(target.key) ||
  allowed.has(target.wildcard) ||
  allowed.has(target.model.name)

/**
 * Factor by which the token estimate may be above the truth (for indented code, say). A prompt is turned away here only
 * when it is too long even then: the provider's own count is the one that decides.
 */
const ESTIMATE_SLACK = 2

/** Prepares the call of a target that can take the task. `windowTokens` is what must fit its context window. */
export const prepareCall = (
  { provider, model }: Target,
  task: Task,
  windowTokens: number,
): Result.Result<PreparedCall, ExclusionRule> => {
  const { contextWindow, kind, maxOutputTokens: limit } = model
  if ((kind === "embedding") !== (task._tag === "Embedding")) return Result.fail({ rule: "kind", kind })
  const call = provider.prepare(task, model.name)
  if (Result.isFailure(call)) {
    const { param, reason } = call.failure
    return Result.fail({ rule: "unsupported", param, text: reason })
  }
  const asked = outputLimitOf(task)
  if (asked !== undefined && limit !== undefined && asked > limit) {
    const param = task.request.max_completion_tokens == null ? "max_tokens" : "max_completion_tokens"
    return Result.fail({ rule: "max_output_tokens", param: ownNameOf(task, param), asked, limit })
  }
  const outputTokens = asked ?? 0
  if (contextWindow !== undefined && windowTokens / ESTIMATE_SLACK + outputTokens > contextWindow) {
    return Result.fail({
      rule: "context_window",
      param: task._tag === "Chat" ? ownNameOf(task, "messages") : "input",
      inputTokens: windowTokens,
      outputTokens,
      limit: contextWindow,
    })
  }
  return Result.succeed(call.success)
}
