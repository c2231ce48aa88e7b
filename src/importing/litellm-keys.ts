import { unknownName } from "../config/allow-list.ts"
import type { GatewayConfig } from "../config/GatewayConfig.ts"
import {
  MAX_CONCURRENCY,
  MAX_KEY_MODELS,
  MAX_KEY_NAME_LENGTH,
  MAX_REQUESTS_PER_MINUTE,
  MAX_TAGS,
  MAX_TOKENS_PER_MINUTE,
  TEAM_NAME,
} from "../domain/bounds.ts"
import { showPath } from "../domain/faults.ts"
import { isTag } from "../domain/tag.ts"
import { budgetFrom, decimal } from "./budget-window.ts"
import { limitIn } from "./deployment.ts"
import {
  isEmpty,
  isMapping,
  member,
  membersOf,
  nameOf,
  numberIn,
  type Place,
  textIn,
  truthIn,
} from "./document.ts"
import { keyNotes } from "./key-notes.ts"
import type { Report } from "./report.ts"
import { flag, quoted } from "./shell.ts"

/** Turns one of LiteLLM's keys into the command that makes its like here. Its secret is a hash there, and stays behind. */

/** What the keys are to ask for. */
export interface KeyContext {
  readonly report: Report
  readonly gateway: Pick<GatewayConfig, "providers" | "routes">
  /** What clients ask for now, by LiteLLM's names. */
  readonly names: ReadonlyMap<string, string>
  readonly nowMs: number
}

interface KeyCommand {
  readonly command: string
  readonly team: string | undefined
}

const NO_CONTROLS = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u

const nameFrom = (key: Place, index: number, report: Report): string => {
  const alias = member(key, "key_alias")
  const stated = textIn(alias)
  const fallback = `litellm-key-${index + 1}`
  if (stated === undefined) {
    report.tell(alias, "approximated", { to: `--name ${fallback}`, note: "a key has a name here" })
    return fallback
  }
  if (stated.length <= MAX_KEY_NAME_LENGTH && NO_CONTROLS.test(stated)) {
    report.tell(alias, "imported", { to: "--name" })
    return stated
  }
  const note = `a name has 1 to ${MAX_KEY_NAME_LENGTH} characters and no control characters`
  report.tell(alias, "approximated", { to: `--name ${fallback}`, note })
  return fallback
}

const LIMITS = [
  ["rpm_limit", "rpm", MAX_REQUESTS_PER_MINUTE],
  ["tpm_limit", "tpm", MAX_TOKENS_PER_MINUTE],
  ["max_parallel_requests", "concurrency", MAX_CONCURRENCY],
] as const

/** Finds a field of a key, or of the budget that it shares with others. */
const fieldOf = (key: Place, name: string): Place | undefined => {
  const own = member(key, name)
  if (own !== undefined && !isEmpty(own)) return own
  const table = member(key, "litellm_budget_table")
  const shared = table && member(table, name)
  return shared === undefined || isEmpty(shared) ? own : shared
}

const limitFlags = (key: Place, report: Report): ReadonlyArray<string> =>
  LIMITS.flatMap(([field, name, maximum]) => {
    const place = fieldOf(key, field)
    if (place === undefined || isEmpty(place)) return []
    const limit = limitIn(place, maximum)
    if (limit === undefined) {
      report.tell(place, "unsupported", {
        note: `must be a whole number from 1 to ${maximum}: add --${name} by hand`,
      })
      return []
    }
    report.tell(place, "imported", { to: `--${name}` })
    return [flag(name, limit)]
  })

const budgetFlags = (key: Place, report: Report): ReadonlyArray<string> => {
  const limit = fieldOf(key, "max_budget")
  const duration = fieldOf(key, "budget_duration")
  if (limit === undefined || isEmpty(limit)) {
    if (duration !== undefined && !isEmpty(duration)) {
      report.tell(duration, "unsupported", { note: "there is no max_budget beside it" })
    }
    return []
  }
  const budget = budgetFrom(numberIn(limit), textIn(duration))
  if (budget === undefined) {
    const note =
      "no budget comes of max_budget and budget_duration: add --budget-usd and --budget-window by hand"
    report.tell(limit, "unsupported", { note })
    report.tell(duration, "unsupported", { note })
    return []
  }
  const isStated = textIn(duration) !== undefined
  const said = {
    to: "--budget-usd, --budget-window",
    ...(budget.note !== undefined && { note: budget.note }),
  }
  report.tell(limit, budget.note === undefined ? "imported" : "approximated", said)
  if (isStated) report.tell(duration, budget.note === undefined ? "imported" : "approximated", said)
  return [flag("budget-usd", decimal(budget.usd)), flag("budget-window", budget.window)]
}

/** LiteLLM's words for no list of one's own. */
const ALL_MODELS: ReadonlySet<string> = new Set(["all-team-models", "all-proxy-models"])

/** Returns the flag of a key's models; undefined when none of those that it may ask for are there. */
const modelFlags = (
  key: Place,
  { gateway, names, report }: KeyContext,
): ReadonlyArray<string> | undefined => {
  const list = member(key, "models")
  if (list === undefined || isEmpty(list)) return []
  const stated = membersOf(list)
  if (stated.some((place) => ALL_MODELS.has(textIn(place) ?? ""))) {
    report.tell(list, "approximated", {
      note: "no --models: all that there is, also where the team had a list, which teams do not have here: add --models",
    })
    return []
  }
  const models = new Set<string>()
  for (const place of stated) {
    const name = textIn(place) ?? ""
    const ours = names.get(name) ?? name
    if (name === "" || ours.includes(",") || unknownName(gateway, [ours]) !== undefined) {
      report.tell(place, "unsupported", {
        note: "no route or model has this name: the key may not ask for it",
      })
      continue
    }
    if (models.size === MAX_KEY_MODELS && !models.has(ours)) {
      report.tell(place, "unsupported", { note: `a key has at most ${MAX_KEY_MODELS} models` })
      continue
    }
    models.add(ours)
    if (ours === name) report.tell(place, "imported", { to: "--models" })
    else
      report.tell(place, "approximated", {
        to: `--models ${ours}`,
        note: "the name that clients ask for now",
      })
  }
  return models.size === 0 ? undefined : [flag("models", [...models].join(","))]
}

const teamFrom = (key: Place, report: Report): string | undefined => {
  const places = ["team_alias", "team_id"].flatMap((name) => {
    const place = member(key, name)
    return place === undefined || isEmpty(place) ? [] : [place]
  })
  const found = places.find((place) => TEAM_NAME.test(textIn(place) ?? ""))
  for (const place of places) {
    if (place === found) report.tell(place, "imported", { to: "--team" })
    else if (found !== undefined)
      report.tell(place, "imported", { note: `the team is called by ${nameOf(found)}` })
    else
      report.tell(place, "unsupported", {
        note: "a team has a name of letters, digits, dots, dashes and underscores: add --team by hand",
      })
  }
  return textIn(found)
}

const tagFlags = (key: Place, report: Report): ReadonlyArray<string> => {
  const metadata = member(key, "metadata")
  const lists = [member(key, "tags"), metadata && member(metadata, "tags")]
  const tags = lists.flatMap((list) =>
    list === undefined || isEmpty(list)
      ? []
      : membersOf(list).flatMap((place) => {
          const tag = textIn(place) ?? ""
          if (isTag(tag)) return [{ tag, place }]
          report.tell(place, "unsupported", { note: "a tag has 1 to 64 characters and no commas" })
          return []
        }),
  )
  const kept = [...new Set(tags.map(({ tag }) => tag))].slice(0, MAX_TAGS)
  for (const { tag, place } of tags) {
    if (kept.includes(tag)) report.tell(place, "imported", { to: "--tags" })
    else report.tell(place, "unsupported", { note: `a key has at most ${MAX_TAGS} tags` })
  }
  return kept.length === 0 ? [] : [flag("tags", kept.join(","))]
}

const lifetime = (ms: number): string => {
  const seconds = Math.floor(ms / 1_000)
  const [amount, unit] = (
    [
      [seconds, "s"],
      [Math.floor(seconds / 60), "m"],
      [Math.floor(seconds / 3_600), "h"],
      [Math.min(999_999, Math.floor(seconds / 86_400)), "d"],
    ] as const
  ).find(([each]) => each <= 999_999) ?? [1, "s"]
  return `${amount}${unit}`
}

/** Returns the flag of a key's end; undefined when that is over. */
const expiryFlags = (key: Place, { nowMs, report }: KeyContext): ReadonlyArray<string> | undefined => {
  const place = member(key, "expires")
  const stated = textIn(place)
  if (place === undefined || stated === undefined) return []
  // PostgreSQL writes times without a zone, which are of UTC.
  const at = Date.parse(/[zZ]$|[+-]\d\d:?\d\d$/.test(stated) ? stated : `${stated.replace(" ", "T")}Z`)
  if (Number.isNaN(at)) {
    report.tell(place, "unsupported", { note: "must be an instant: add --expires by hand" })
    return []
  }
  if (at - nowMs < 1_000) return undefined
  const note = "counted from now on: run the command soon"
  report.tell(place, "approximated", { to: "--expires", note })
  return [flag("expires", lifetime(at - nowMs))]
}

const tellRest = (key: Place, report: Report): void => {
  for (const place of membersOf(key)) {
    const note = keyNotes.get(nameOf(place))
    if (isEmpty(place)) report.tell(place, "imported", { note: "says nothing" })
    else if (note !== undefined) report.tell(place, "unsupported", { note })
  }
  report.tell(member(key, "blocked"), "imported", { note: "the key is not blocked" })
  const table = member(key, "litellm_budget_table")
  for (const place of table === undefined ? [] : membersOf(table)) {
    const known = keyNotes.get(nameOf(place))
    if (isEmpty(place)) report.tell(place, "imported", { note: "says nothing" })
    else if (known !== undefined) report.tell(place, "unsupported", { note: known })
    else if (/^(max_budget|budget_duration|rpm_limit|tpm_limit|max_parallel_requests)$/.test(nameOf(place))) {
      report.tell(place, "approximated", { note: "what the key says itself holds" })
    }
  }
}

/** Returns the command for a key; undefined when it is to have none, and the report says why. */
export const keyCommand = (key: Place, index: number, context: KeyContext): KeyCommand | undefined => {
  const { report } = context
  const none = (note: string) => {
    report.tell(key, "unsupported", { note: `${showPath(key.path)} gets no command: ${note}` })
    return undefined
  }
  if (!isMapping(key)) return none("it is no mapping")
  if (truthIn(member(key, "blocked")) === true) return none("it is blocked")
  const expires = expiryFlags(key, context)
  if (expires === undefined) return none("it has expired")
  const models = modelFlags(key, context)
  if (models === undefined)
    return none("nothing that it may ask for is there, and without a list it could ask for everything")
  const name = nameFrom(key, index, report)
  const team = teamFrom(key, report)
  const flags = [
    flag("name", name),
    ...limitFlags(key, report),
    ...budgetFlags(key, report),
    ...(team === undefined ? [] : [flag("team", team)]),
    ...models,
    ...tagFlags(key, report),
    ...expires,
  ]
  tellRest(key, report)
  return { command: `llm-gateway keys create ${flags.join(" ")}`, team }
}

export const teamCommand = (team: string): string => `llm-gateway teams create ${quoted(team)}`
