import { isObject, parseJson } from "../../platform/json.ts"
import { badResponse } from "./fault.ts"
import type { Fault, Reading } from "./Protocol.ts"

/** Readings of a stream that are the same in every protocol. */

export const nothing: Reading = { _tag: "Chunks", chunks: [] }

export const faulty = (fault: Fault): Reading => ({ _tag: "Fault", fault })

/** Choices, calls and thoughts of one answer that are remembered while it comes: far more than a model has. */
export const MAX_PARTS = 10_000

export const tooManyParts = faulty(badResponse("has too many parts"))

/** Makes the reading of a body that ended before its answer did. */
export const truncated = (detail: string): Reading => faulty({ kind: "reset", detail })

/** Reads what is left when a stream is over: a last event that lacks no more than its blank line. `early`: when it ends nothing. */
export const readLast = (rest: string, early: Reading, read: (data: string) => Reading): Reading => {
  const data = rest.trim().replace(/^(event:.*\n)?data:/, "")
  const last = isObject(parseJson(data)) ? read(data) : nothing
  return last._tag === "Chunks" ? early : last
}
