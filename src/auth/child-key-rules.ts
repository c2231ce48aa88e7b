import { MAX_TAGS } from "../domain/bounds.ts"
import { toUsd } from "../domain/Money.ts"
import type { Principal } from "./Principal.ts"

/** The key that another key asks for. */
export interface ChildRequest {
  readonly name: string
  readonly lifetimeSeconds: number
  /** What it may spend in all, in nano-dollars. */
  readonly budgetNanoUsd: number
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  readonly concurrency?: number
  /** The issuer's when absent. */
  readonly models?: ReadonlyArray<string>
  /** Added to the issuer's. */
  readonly tags?: ReadonlyArray<string>
}

/** What a child key would have beyond its issuer. */
export interface Excess {
  readonly field: Exclude<keyof ChildRequest, "name" | "lifetimeSeconds">
  /** The place in a list that it is about. */
  readonly index?: number
  /** The rule, e.g. `Expected at most 60, the limit of the issuing key`. */
  readonly rule: string
}

const LIMITS = ["requestsPerMinute", "tokensPerMinute", "concurrency"] as const

/** Returns the first thing by which a child would go beyond what holds for its issuer; undefined when it stays within. */
export const excessOf = (issuer: Principal, child: ChildRequest): Excess | undefined => {
  for (const field of LIMITS) {
    const asked = child[field]
    const smallest = lowest(issuer.limits, (limits) => limits[field])
    if (asked === undefined || smallest === undefined || asked <= smallest.bound) continue
    return {
      field,
      rule: `Expected at most ${smallest.bound}, the limit of ${ownerOf(smallest.of, issuer)}`,
    }
  }
  const budget = lowest(issuer.budgets, ({ limitNanoUsd }) => limitNanoUsd)
  if (budget !== undefined && child.budgetNanoUsd > budget.bound) {
    const window = budget.of.period === "total" ? "in all" : `per ${budget.of.period}`
    return {
      field: "budgetNanoUsd",
      rule: `Expected at most ${toUsd(budget.bound)}, the budget ${window} of ${ownerOf(budget.of, issuer)}`,
    }
  }
  const index = (child.models ?? []).findIndex((model) => !isWithin(issuer.models, model))
  if (index !== -1) return { field: "models", index, rule: "Expected one of the models of the issuing key" }
  if (new Set([...issuer.tags, ...(child.tags ?? [])]).size > MAX_TAGS)
    return { field: "tags", rule: `Expected at most ${MAX_TAGS}, those of the issuing key among them` }
  return undefined
}

/** Finds the one with the lowest bound among those that have one. */
const lowest = <A>(all: ReadonlyArray<A>, boundOf: (one: A) => number | undefined) =>
  all.reduce<{ readonly of: A; readonly bound: number } | undefined>((least, of) => {
    const bound = boundOf(of)
    return bound === undefined || (least !== undefined && least.bound <= bound) ? least : { of, bound }
  }, undefined)

const ownerOf = (
  { scope, subject }: { readonly scope: string; readonly subject: string },
  issuer: Principal,
): string => (scope === "key" && subject === issuer.keyId ? "the issuing key" : `the ${scope} ${subject}`)

export const isWithin = (allowed: ReadonlySet<string> | undefined, model: string): boolean =>
  allowed === undefined || allowed.has(model) || allowed.has(`${model.split("/", 1)[0]}/*`)
