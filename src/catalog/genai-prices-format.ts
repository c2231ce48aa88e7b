import { Result, Schema } from "effect"
import { faultsOf } from "../domain/faults.ts"
import { MAPPING_RULE } from "../domain/fields.ts"
import { numberBetween, textThat, wholeNumber } from "../domain/rules.ts"
import { isDay } from "./model.ts"

/**
 * The format of the data set genai-prices: `data.json`, version 2, as far as it is read here. Every fault names provider,
 * model, field and rule.
 */

/** Which names of models an entry stands for. */
type Match =
  | { readonly or: ReadonlyArray<Match> }
  | { readonly and: ReadonlyArray<Match> }
  | { readonly equals: string }
  | { readonly starts_with: string }
  | { readonly ends_with: string }
  | { readonly contains: string }
  | { readonly regex: string }

/** Nobody nests deeper, and a list must not exhaust the stack. */
const MAX_DEPTH = 8

const TEXTS = ["equals", "starts_with", "ends_with", "contains", "regex"]

const isRegExp = (pattern: string): boolean =>
  pattern.length <= 200 && Result.isSuccess(Result.try(() => new RegExp(pattern)))

const isMatch = (match: unknown, depth = 0): match is Match => {
  if (typeof match !== "object" || match === null || depth > MAX_DEPTH) return false
  const [[key = "", value] = [], ...others] = Object.entries(match)
  if (others.length > 0) return false
  if (key === "or" || key === "and")
    return Array.isArray(value) && value.every((each) => isMatch(each, depth + 1))
  return TEXTS.includes(key) && typeof value === "string" && (key !== "regex" || isRegExp(value))
}

const Match = Schema.declare((match): match is Match => isMatch(match)).annotate({
  message: "must be or, and, equals, starts_with, ends_with, contains or a regex",
})

const usd = numberBetween(0, 1_000_000)

/** A price, in bands or not: from more than `start` input tokens on. */
const Amount = Schema.Union([
  usd,
  Schema.Struct({
    base: usd,
    tiers: Schema.Array(Schema.Struct({ start: wholeNumber(1, 1_000_000_000), price: usd })),
  }),
]).annotate({ message: "must be a number, or base and tiers" })
export type Amount = typeof Amount.Type

const Amounts = Schema.Record(Schema.String, Amount).annotate({ message: MAPPING_RULE })
export type Amounts = typeof Amounts.Type

/** Prices on a condition: the last that is met holds. */
const Conditions = Schema.Array(
  Schema.Struct({
    constraint: Schema.optionalKey(
      Schema.Union([
        Schema.Struct({ start_date: textThat("must be a day as YYYY-MM-DD", isDay) }),
        Schema.Struct({ start_time: Schema.String, end_time: Schema.String }),
      ]).annotate({ message: "must be a start_date, or start_time and end_time" }),
    ),
    prices: Amounts,
  }),
)
type Conditions = typeof Conditions.Type

const Model = Schema.Struct({
  id: Schema.String.annotate({ message: "must be a text" }),
  match: Match,
  prices: Schema.Unknown,
})

/** One entry of the data set. */
export interface Entry {
  readonly id: string
  readonly match: Match
  readonly prices: Conditions
}

const decodeProviders = Schema.decodeUnknownResult(
  Schema.Array(Schema.Struct({ id: Schema.String, models: Schema.Array(Schema.Unknown) })),
)
const decodeModel = Schema.decodeUnknownResult(Model, { errors: "all" })
const decodeAmounts = Schema.decodeUnknownResult(Schema.Struct({ prices: Amounts }), { errors: "all" })
const decodeConditions = Schema.decodeUnknownResult(Schema.Struct({ prices: Conditions }), { errors: "all" })

/** Reads the entries of some providers, in their order, or returns every fault in them; other providers are not looked at. */
export const readEntries = (
  data: unknown,
  providers: ReadonlyArray<string>,
): Result.Result<ReadonlyMap<string, ReadonlyArray<Entry>>, ReadonlyArray<string>> => {
  const decoded = decodeProviders(data)
  if (Result.isFailure(decoded)) return Result.fail(["is not a list of providers, each with id and models"])
  const faults: Array<string> = []
  const entries = new Map<string, ReadonlyArray<Entry>>()
  for (const id of providers) {
    const provider = decoded.success.find((each) => each.id === id)
    if (provider === undefined) faults.push(`has no provider ${id}`)
    entries.set(
      id,
      (provider?.models ?? []).flatMap((model, index) => {
        const entry = readEntry(model)
        if (Result.isSuccess(entry)) return entry.success
        faults.push(...entry.failure.map((fault) => `${id}: ${nameOf(model, index)}: ${fault}`))
        return []
      }),
    )
  }
  return faults.length > 0 ? Result.fail(faults) : Result.succeed(entries)
}

const readEntry = (data: unknown): Result.Result<Entry, ReadonlyArray<string>> =>
  Result.mapError(
    Result.flatMap(decodeModel(data), ({ id, match, prices }) =>
      Result.map(
        Array.isArray(prices)
          ? decodeConditions({ prices })
          : Result.map(decodeAmounts({ prices }), (only) => ({ prices: [only] })),
        (decoded): Entry => ({ id, match, prices: decoded.prices }),
      ),
    ),
    ({ issue }) => faultsOf(issue),
  )

const hasId = Schema.is(Schema.Struct({ id: Schema.String }))

const nameOf = (model: unknown, index: number): string => (hasId(model) ? model.id : `models[${index}]`)

/** Tells whether an entry stands for a model's name; but for patterns, in whatever case it is written. */
export const matches = (match: Match, name: string): boolean => {
  const lower = name.toLowerCase()
  if ("or" in match) return match.or.some((each) => matches(each, name))
  if ("and" in match) return match.and.every((each) => matches(each, name))
  if ("equals" in match) return lower === match.equals.toLowerCase()
  if ("starts_with" in match) return lower.startsWith(match.starts_with.toLowerCase())
  if ("ends_with" in match) return lower.endsWith(match.ends_with.toLowerCase())
  if ("contains" in match) return lower.includes(match.contains.toLowerCase())
  return new RegExp(match.regex).test(name)
}
