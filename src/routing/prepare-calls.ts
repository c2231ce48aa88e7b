import { Result } from "effect"
import type { ModelConfig } from "../catalog/model.ts"
import type { RouteConfig } from "../config/GatewayConfig.ts"
import { outputLimitOf, type Task } from "../domain/Task.ts"
import type { PreparedCall } from "../providers/Provider.ts"
import { prepareAccepted } from "./capabilities.ts"
import type { Exclusion, ExclusionRule } from "./exclusion.ts"
import type { LearnedRefusals } from "./LearnedRefusals.ts"
import { isAllowed, type Target } from "./targets.ts"
import { unpricedTier } from "./unpriced-tier.ts"
import { withOutputLimit } from "./with-output-limit.ts"

/** A target that can take the request, with its call. */
export interface ReadyTarget {
  readonly target: Target
  readonly call: PreparedCall
  /** It lately refused what the call asks for. */
  readonly refuses?: true
}

interface Prepared {
  readonly ready: ReadonlyArray<ReadyTarget>
  /** Excluded, but asked before nobody is. */
  readonly lastResorts: ReadonlyArray<ReadyTarget>
  readonly excluded: ReadonlyArray<Exclusion>
}

/**
 * Parts targets into those that may and can take the request, each with its call, and the others. A target that lately refused
 * what is asked for stands in for nobody who is well.
 */
export const prepareCalls = (
  targets: ReadonlyArray<Target>,
  {
    allowed,
    bounded,
    requestedModel,
    task,
  }: {
    readonly bounded?: { readonly outputTokens: number } | undefined
    readonly allowed: ReadonlySet<string> | undefined
    readonly requestedModel: string
    readonly task: Task
  },
  windowTokens: number,
  rules: RouteConfig["parameters"],
  learned: LearnedRefusals,
  nowMs: number,
  isTripped: (key: string) => boolean,
): Prepared => {
  /** The task with a limit of its answer, one for all targets that get the same. */
  let limitedTo = 0
  let limitedTask = task
  const limited = ({ contextWindow, maxOutputTokens }: ModelConfig, outputTokens: number): Task => {
    if (outputLimitOf(task) !== undefined || (task._tag === "Chat" && task.isCompaction)) return task
    const room = Math.max(1, (contextWindow ?? Number.POSITIVE_INFINITY) - windowTokens)
    const tokens = Math.min(outputTokens, maxOutputTokens ?? outputTokens, room)
    if (tokens !== limitedTo) {
      limitedTo = tokens
      limitedTask = withOutputLimit(task, tokens)
    }
    return limitedTask
  }
  const ready: Array<ReadyTarget> = []
  const refusing: Array<ReadyTarget> = []
  const excluded: Array<Exclusion> = []
  const refused: Array<Exclusion> = []
  for (const target of targets) {
    const names = { provider: target.provider.name, model: target.model.name }
    const rule =
      unavailable(target, allowed, requestedModel, task) ??
      (bounded === undefined ? undefined : unbounded(target, task))
    if (rule !== undefined) {
      excluded.push({ ...names, ...rule })
      continue
    }
    const found = prepareAccepted(
      target,
      bounded === undefined ? task : limited(target.model, bounded.outputTokens),
      windowTokens,
      rules,
      learned.concerning(target.key, task, nowMs),
      nowMs,
    )
    if (found._tag === "Refusing") {
      refusing.push({ target, call: found.call, refuses: true })
      refused.push({ ...names, ...found.rule })
    } else if (Result.isSuccess(found)) ready.push({ target, call: found.success })
    else excluded.push({ ...names, ...found.failure })
  }
  if (refusing.length === 0) return { ready, lastResorts: refusing, excluded }
  return ready.some(({ target }) => !isTripped(target.key))
    ? { ready, lastResorts: refusing, excluded: [...excluded, ...refused] }
    : { ready: [...ready, ...refusing], lastResorts: [], excluded }
}

/** Tells why a budget cannot bound what a target costs. */
const unbounded = ({ model: { price } }: Target, { request }: Task): ExclusionRule | undefined => {
  // No vendor's flex is dearer than its usual tier, at which it is reserved.
  const asked = request.service_tier === "flex" ? { ...request, service_tier: null } : request
  const param = price === undefined ? "model" : unpricedTier(asked, price)
  return param === undefined ? undefined : { rule: "unsupported", param, text: UNPRICED }
}

const UNPRICED = "It has no price here, and a budget bounds what the request may cost."

/** Tells why a target is not for the key; undefined when it is. */
const unavailable = (
  target: Target,
  allowed: ReadonlySet<string> | undefined,
  requestedModel: string,
  task: Task,
): ExclusionRule | undefined => {
  if (allowed === undefined) return undefined
  if (!isAllowed(allowed, requestedModel, target)) return { rule: "not_allowed" }
  const tier = unpricedTier(task.request, target.model.price)
  return tier === undefined
    ? undefined
    : {
        rule: "unsupported",
        param: tier,
        text: "This tier has no price here, and the key is for some models only.",
      }
}
