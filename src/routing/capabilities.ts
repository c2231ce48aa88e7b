import { Result } from "effect"
import type { Input, ModelConfig } from "../catalog/model.ts"
import type { RouteConfig } from "../config/GatewayConfig.ts"
import type { ChatRequest } from "../domain/Chat.ts"
import { asksFor, type Parameter, parameterOf } from "../domain/parameters.ts"
import { ownNameOf, ownNamesOf, type Task } from "../domain/Task.ts"
import { remembered } from "../platform/remembered.ts"
import type { PreparedCall } from "../providers/Provider.ts"
import type { ExclusionRule } from "./exclusion.ts"
import type { LearnedRefusal } from "./LearnedRefusals.ts"
import { prepareCall, type Target } from "./targets.ts"
import { withoutParameters } from "./without-parameters.ts"

/** A call that a target can take, or why there is none. */
type Accepted = Result.Result<PreparedCall, ExclusionRule> | Refusing

/** A target that refused what the call asks for, which it may take all the same. */
interface Refusing {
  readonly _tag: "Refusing"
  readonly call: PreparedCall
  readonly rule: ExclusionRule
}

/**
 * Prepares the call of a target that takes what the task asks for, as far as is stated of its model and as it answered lately
 * (`learned`). Parameters that it does not take are left out where the route says so.
 */
export const prepareAccepted = (
  target: Target,
  task: Task,
  windowTokens: number,
  rules: RouteConfig["parameters"],
  learned: ReadonlyArray<LearnedRefusal>,
  nowMs: number,
): Accepted => {
  const { model } = target
  const unread = unreadInput(model, task)
  const stated = model.unsupported === undefined ? NONE : statedIn(task, model)
  const refused = [...stated, ...learned.map(({ parameter }) => parameter)]
  const dropped = refused.filter(({ path }) => rules.get(path) === "drop")
  const prepared = prepareWithout(target, task, windowTokens, rules, dropped)
  if (Result.isFailure(prepared)) return prepared
  if (unread !== undefined) return Result.fail(unread)
  const call = prepared.success
  if (refused.length === dropped.length) return prepared
  // What a translation leaves out anyway is refused by nobody.
  const left = new Set(call.dropped?.())
  const isRefused = (parameter: Parameter): boolean =>
    !dropped.includes(parameter) && !left.has(ownNameOf(task, parameter.path))
  const parameter = stated.find(isRefused)
  if (parameter !== undefined) {
    return Result.fail({ rule: "parameter", param: ownName(task, parameter) })
  }
  const refusal = learned.find((each) => isRefused(each.parameter))
  if (refusal === undefined) return prepared
  return {
    _tag: "Refusing",
    call,
    rule: {
      rule: "parameter",
      param: ownName(task, refusal.parameter),
      refused: { agoMs: nowMs - refusal.sinceMs, leftMs: refusal.untilMs - nowMs },
    },
  }
}

/** Prepares the call without some parameters. One that the route drops can be left out once it is refused. */
const prepareWithout = (
  target: Target,
  task: Task,
  windowTokens: number,
  rules: RouteConfig["parameters"],
  dropped: ReadonlyArray<Parameter>,
): Result.Result<PreparedCall, ExclusionRule> => {
  if (rules.size === 0) return prepareCall(target, task, windowTokens)
  const reduced = dropped.length === 0 ? task : withoutParameters(task, dropped)
  return Result.map(prepareCall(target, reduced, windowTokens), (call) => ({
    ...call,
    ...(dropped.length > 0 && {
      dropped: () => [
        ...new Set([...dropped.flatMap(({ path }) => ownNamesOf(task, path)), ...(call.dropped?.() ?? [])]),
      ],
    }),
    without: (refused: string) => {
      const parameter = parameterOf(refused)
      if (parameter === undefined || rules.get(parameter.path) !== "drop") return undefined
      if (!asksFor(reduced, { ...parameter, whateverItSays: true })) return undefined
      const again = prepareWithout(target, task, windowTokens, rules, [...dropped, parameter])
      return Result.isSuccess(again) ? again.success : undefined
    },
  }))
}

/** Names a parameter as the client does, with the value that is meant. */
const ownName = (task: Task, { path, value }: Parameter): string => {
  const name = ownNameOf(task, path)
  return value === undefined ? name : `${name}=${value}`
}

const NONE: ReadonlyArray<Parameter> = []

const statedIn = (task: Task, model: ModelConfig): ReadonlyArray<Parameter> =>
  statedOf(model).filter((parameter) => asksFor(task, parameter))

/** Returns what a model does not take, read once. */
const statedOf = remembered(
  ({ unsupported = [] }: ModelConfig): ReadonlyArray<Parameter> =>
    unsupported.flatMap((name) => parameterOf(name) ?? []),
)

// --- inputs

const unreadInput = (
  { inputs }: ModelConfig,
  task: Task,
): Extract<ExclusionRule, { rule: "input" }> | undefined => {
  if (inputs === undefined || task._tag === "Embedding") return undefined
  const input = inputsOf(task.request).find((each) => !inputs.includes(each))
  return input && { rule: "input", param: ownNameOf(task, "messages"), input, inputs }
}

/** Finds what a chat gives a model to read besides text. */
const inputsOf = remembered(({ messages }: ChatRequest): ReadonlyArray<Input> => {
  const found = new Set<Input>()
  for (const { content } of messages) {
    if (!Array.isArray(content)) continue
    for (const part of content) {
      const input = PARTS.get(part?.type)
      if (input !== undefined) found.add(input)
    }
  }
  return [...found]
})

const PARTS: ReadonlyMap<unknown, Input> = new Map([
  ["image_url", "image"],
  ["image", "image"],
  ["input_audio", "audio"],
  ["video_url", "video"],
  ["file", "file"],
  ["document", "file"],
])
