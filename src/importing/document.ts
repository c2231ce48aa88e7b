import { Result, Schema } from "effect"
import { Yaml } from "effect/encoding"
import { showPath } from "../domain/faults.ts"
import { oneLine } from "../domain/one-line.ts"

/**
 * What somebody else's program wrote, as a tree of places. It is read as data alone: members are its own, whatever they are
 * called, and it is bounded, since a few lines of YAML can name millions of fields.
 */

/** A value of a document, and where it stands. */
export interface Place {
  readonly path: ReadonlyArray<string | number>
  readonly value: unknown
}

const MAX_CHARACTERS = 4_194_304
const MAX_LEAVES = 100_000
const MAX_DEPTH = 64

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const isMapping = ({ value }: Place): boolean => isRecord(value)

/** Returns a member of a mapping; undefined where there is none of that name. */
export const member = ({ path, value }: Place, name: string): Place | undefined =>
  isRecord(value) && Object.hasOwn(value, name) ? { path: [...path, name], value: value[name] } : undefined

/** Lists the members of a mapping by name, or the entries of a list; none of anything else. */
export const membersOf = ({ path, value }: Place): ReadonlyArray<Place> =>
  Array.isArray(value)
    ? value.map((each: unknown, index) => ({ path: [...path, index], value: each }))
    : isRecord(value)
      ? Object.keys(value).map((name) => ({ path: [...path, name], value: value[name] }))
      : []

/** Returns the name, or the number in its list, that a place has. */
export const nameOf = ({ path }: Place): string => String(path.at(-1) ?? "")

/** Lists the places below one that hold no others: texts, numbers, `null`, and empty lists and mappings. */
export const leavesOf = (place: Place): ReadonlyArray<Place> => {
  const members = membersOf(place)
  return members.length === 0 ? [place] : members.flatMap(leavesOf)
}

/** Returns what is too much in a document; undefined when it is within the bounds. */
const excessIn = (root: Place): string | undefined => {
  let leaves = 0
  const visit = (place: Place): string | undefined => {
    if (place.path.length > MAX_DEPTH) {
      return `${showPath(place.path.slice(0, 3))} must not be nested deeper than ${MAX_DEPTH}`
    }
    const members = membersOf(place)
    if (members.length === 0) leaves += 1
    if (leaves > MAX_LEAVES) {
      return `${showPath(place.path.slice(0, 1))} must not have more than ${MAX_LEAVES} fields, with all that aliases stand for`
    }
    for (const each of members) {
      const excess = visit(each)
      if (excess !== undefined) return excess
    }
    return undefined
  }
  return visit(root)
}

const rooted = (value: unknown): Result.Result<Place, string> => {
  const root: Place = { path: [], value }
  const excess = excessIn(root)
  return excess === undefined ? Result.succeed(root) : Result.fail(excess)
}

/** Says why a text was not understood, without quoting more of it than a name. */
const reasonOf = (error: unknown): string =>
  error instanceof RangeError
    ? "it is nested too deeply"
    : oneLine(error instanceof Error ? error.message : String(error)).slice(0, 200)

const tooLong = `must not have more than ${MAX_CHARACTERS} characters`

/** Reads YAML. The fault goes after the name of the file. */
export const readYaml = (text: string): Result.Result<Place, string> =>
  text.length > MAX_CHARACTERS
    ? Result.fail(tooLong)
    : Result.try({
        try: () => Yaml.parse(text.replace(/^\uFEFF/, "")),
        catch: (error) => `is not valid YAML: ${reasonOf(error)}`,
      }).pipe(Result.flatMap(rooted))

const decodeJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

/** Reads JSON. The fault goes after the name of the file. */
export const readJson = (text: string): Result.Result<Place, string> =>
  text.length > MAX_CHARACTERS * 16
    ? Result.fail(`must not have more than ${MAX_CHARACTERS * 16} characters`)
    : decodeJson(text.replace(/^\uFEFF/, "")).pipe(
        Result.mapError(() => "is not valid JSON"),
        Result.flatMap(rooted),
      )

/** A number, also one that is written as a text, as LiteLLM takes it; undefined for anything else. */
export const numberIn = (place: Place | undefined): number | undefined => {
  const value = place?.value
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined
  if (typeof value !== "string" || !/^-?\d+(\.\d*)?(e[+-]?\d+)?$/i.test(value.trim())) return undefined
  const number = Number(value)
  return Number.isFinite(number) ? number : undefined
}

/** A truth, also as YAML 1.1 writes it, which LiteLLM reads; undefined for anything else. */
export const truthIn = (place: Place | undefined): boolean | undefined => {
  const value = place?.value
  if (typeof value === "boolean") return value
  if (typeof value !== "string" || !/^(true|yes|on|false|no|off)$/i.test(value)) return undefined
  return /^(true|yes|on)$/i.test(value)
}

/** A text that says something; undefined for anything else. */
export const textIn = (place: Place | undefined): string | undefined =>
  typeof place?.value === "string" && place.value.trim() !== "" ? place.value.trim() : undefined

/** Tells that a place says nothing. */
export const isEmpty = ({ value }: Place): boolean =>
  value === null ||
  value === undefined ||
  value === "" ||
  (typeof value === "object" && Object.keys(value).length === 0)

/** Returns the environment variable that a text stands for in LiteLLM; undefined when it stands for itself. */
export const variableIn = (text: string): string | undefined => /^os\.environ\/(.+)$/.exec(text)?.[1]
