import { showPath } from "../domain/faults.ts"
import { leavesOf, type Place } from "./document.ts"

/** What became of one field of the input. */
export type Outcome = "imported" | "approximated" | "unsupported"

export interface Entry {
  /** The field as faults name it, e.g. `model_list[0].litellm_params.rpm`. */
  readonly path: string
  readonly outcome: Outcome
  /** What stands for it now; absent for what nothing stands for. */
  readonly to?: string
  /** What differs, or why nothing stands for it and what to do instead; absent for what is the same. */
  readonly note?: string
}

/** What is said of a field; names that are only known at the end are asked for then. */
interface Said {
  readonly to?: string | (() => string)
  readonly note?: string
}

const NOT_KNOWN =
  "not known to this import: nothing was made of it. See docs/from-litellm.md for what there is"

/**
 * Says of every field of a document what became of it, once: what is said first of a field holds, and a field of which nothing is
 * said is unsupported. So no field gets lost, whatever the rest of the import does.
 */
export interface Report {
  /** Says it of a place, and of all fields below it of which nothing was said. */
  readonly tell: (place: Place | undefined, outcome: Outcome, said?: Said) => void
  /** In the order of the document. */
  readonly entries: () => ReadonlyArray<Entry>
}

export const makeReport = (root: Place): Report => {
  const told = new Map<string, { readonly outcome: Outcome } & Said>()
  return {
    tell: (place, outcome, said = {}) => {
      if (place === undefined) return
      for (const { path } of leavesOf(place)) {
        const shown = showPath(path)
        if (!told.has(shown)) told.set(shown, { outcome, ...said })
      }
    },
    entries: () =>
      leavesOf(root).map(({ path: at }) => {
        const path = showPath(at)
        const { outcome, to, note } = told.get(path) ?? { outcome: "unsupported", note: NOT_KNOWN }
        return {
          path,
          outcome,
          ...(to !== undefined && { to: typeof to === "string" ? to : to() }),
          ...(note !== undefined && { note }),
        }
      }),
  }
}
