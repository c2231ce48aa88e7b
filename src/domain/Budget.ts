import { MAX_USER_LENGTH } from "./bounds.ts"
import { isTag, TAG_RULE } from "./tag.ts"

/** Whose spending a budget bounds; `gateway`: everybody's together. */
export const BUDGET_SCOPES = ["key", "team", "user", "tag", "gateway"] as const
export type BudgetScope = (typeof BUDGET_SCOPES)[number]

/** Windows by the calendar of the budget's time zone; `total` has no end. A week begins on Monday. */
export const BUDGET_PERIODS = ["hour", "day", "week", "month", "total"] as const
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

/** How much may be spent in each window. */
export interface Budget {
  readonly id: number
  readonly scope: BudgetScope
  /** A key's id, or the name of a team, a user or a tag; empty for the whole gateway. */
  readonly subject: string
  readonly period: BudgetPeriod
  readonly limitNanoUsd: number
}

/** What a call cost, or may have cost, of each of its request's budgets. */
export interface Charge {
  /** Name of the process that answered for it. */
  readonly holder: string
  readonly nano_usd: number
  readonly windows: ReadonlyArray<BudgetWindow>
}

/**
 * A window of a budget, and the epoch seconds at which it began; null: that of `total`. It is journaled twice for each call, so
 * it is short, and has no number that takes long to write.
 */
export type BudgetWindow = readonly [budget: number, startsAtS: number | null]

/** Says what is wrong with the subject of a budget, as a sentence. Whether there is such a key or team is asked elsewhere. */
export const subjectFault = (scope: BudgetScope, subject: string): string | undefined => {
  if (scope === "gateway") return subject === "" ? undefined : "Expected none: the budget is everybody's."
  if (subject === "") return `Expected ${SUBJECTS[scope]}.`
  if (scope === "tag" && !isTag(subject)) return `Expected a tag: ${TAG_RULE}.`
  if (
    scope === "user" &&
    (subject.length > MAX_USER_LENGTH || CONTROLS.test(subject) || subject.trim() !== subject)
  ) {
    return `Expected at most ${MAX_USER_LENGTH} characters, no control characters and no spaces around it.`
  }
  return undefined
}

const CONTROLS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u

const SUBJECTS = {
  key: "the id of an API key, the 12 characters after gwk_",
  team: "the name of a team",
  user: "an end user as requests name it",
  tag: "a tag",
} as const
