import { Result } from "effect"
import { textThat } from "../domain/rules.ts"

/** Returns what a text such as `a=1,b=two%20words` says, as OpenTelemetry's variables are written; undefined: it is none. */
export const pairsIn = (text: string): ReadonlyMap<string, string> | undefined => {
  const pairs = new Map<string, string>()
  for (const entry of text.split(",")) {
    if (entry.trim() === "") continue
    const at = entry.indexOf("=")
    const name = entry.slice(0, at).trim()
    const value = Result.try(() => decodeURIComponent(entry.slice(at + 1).trim()))
    if (at < 0 || name === "" || Result.isFailure(value)) return undefined
    pairs.set(name, value.success)
  }
  return pairs
}

const FIELD_NAME = /^[!#$%&'*+.^_`|~\w-]+$/
const FIELD_VALUE = /^[ -~]*$/

/** Header fields of requests. */
export const HeaderPairs = textThat(
  "must be header fields as name=value, separated by commas, with what is special as %20",
  (text) => {
    const pairs = pairsIn(text)
    return (
      pairs !== undefined &&
      [...pairs].every(([name, value]) => FIELD_NAME.test(name) && FIELD_VALUE.test(value))
    )
  },
)

/** What describes a process. */
export const AttributePairs = textThat(
  "must be attributes as name=value, separated by commas, with what is special as %20",
  (text) => pairsIn(text) !== undefined,
)
