import { Result } from "effect"
import { showPath } from "../domain/faults.ts"
import { isMapping, member, membersOf, numberIn, type Place, readJson } from "./document.ts"
import { type KeyContext, keyCommand, teamCommand } from "./litellm-keys.ts"
import { type Entry, makeReport } from "./report.ts"

/** Makes commands of LiteLLM's keys: what `/key/list?return_full_object=true` answers, `/key/info`, or rows of its table. */

export interface ImportedKeys {
  readonly entries: ReadonlyArray<Entry>
  /** In the order in which they are to be run: teams before their keys. */
  readonly commands: ReadonlyArray<string>
}

const isKey = (place: Place): boolean =>
  ["token", "key_name", "key_alias", "max_budget", "models", "info"].some(
    (name) => member(place, name) !== undefined,
  )

/** Returns the keys of a document, whichever of its shapes it has; undefined when it has none. */
const keysIn = (root: Place): ReadonlyArray<Place> | undefined => {
  if (Array.isArray(root.value)) return membersOf(root)
  for (const name of ["keys", "data"]) {
    const list = member(root, name)
    if (list !== undefined && Array.isArray(list.value)) return membersOf(list)
  }
  return isMapping(root) && isKey(root) ? [root] : undefined
}

/** A key of `/key/info` stands beside its hash. */
const bareKey = (place: Place): Place => {
  const info = member(place, "info")
  return info !== undefined && isMapping(info) ? info : place
}

const PAGING = ["total_count", "current_page", "total_pages", "page", "size"]

export const importKeys = (
  text: string,
  context: Omit<KeyContext, "report">,
): Result.Result<ImportedKeys, string> => {
  const read = readJson(text)
  if (Result.isFailure(read)) return Result.fail(read.failure)
  const root = read.success
  const keys = keysIn(root)
  if (keys === undefined) {
    return Result.fail(
      "must be a list of keys, a mapping with the list keys in it, or one key: ask /key/list?return_full_object=true",
    )
  }
  const odd = keys.find((key) => !isMapping(key))
  if (odd !== undefined) {
    return Result.fail(
      `${showPath(odd.path)} must be a key with its fields: ask /key/list?return_full_object=true`,
    )
  }
  const report = makeReport(root)
  const made = keys.flatMap((place, index) => {
    const key = bareKey(place)
    const command = keyCommand(key, index, { ...context, report })
    if (key !== place) {
      const note = "secrets are kept as hashes: the key gets a new one, which its owner has to be given"
      report.tell(member(place, "key"), "unsupported", { note })
    }
    return command === undefined ? [] : [command]
  })
  const pages = member(root, "total_pages")
  if ((numberIn(pages) ?? 1) > 1) {
    report.tell(pages, "unsupported", { note: "these are the keys of one page: import the others too" })
  }
  for (const name of PAGING) report.tell(member(root, name), "imported", { note: "says nothing of keys" })
  const teams = new Set(made.flatMap(({ team }) => team ?? []))
  return Result.succeed({
    entries: report.entries(),
    commands: [...[...teams].map(teamCommand), ...made.map(({ command }) => command)],
  })
}
