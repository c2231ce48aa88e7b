import { leavesOf, type Place, variableIn } from "./document.ts"

/**
 * Environment variables that the imported file names. A key that stands in the input itself gets a name and is never repeated:
 * whoever reads the report looks it up where it stood.
 */

/** A variable that has to be set before the gateway starts, and to what. */
export interface Variable {
  readonly name: string
  readonly note: string
}

const legalName = (name: string): string => {
  const upper = name.toUpperCase().replace(/[^A-Z0-9_]/g, "_")
  return (/^[A-Z_]/.test(upper) ? upper : `_${upper}`).slice(0, 120)
}

export interface Variables {
  /** Takes a variable that LiteLLM reads; the name differs where ours has to be in capitals. */
  readonly read: (name: string) => string
  /** Takes a secret itself, and returns the variable that is to hold it. */
  readonly hold: (secret: string, owner: string, where: string) => string
  /** Asks for one that the gateway itself reads. */
  readonly need: (name: string, note: string) => void
  readonly list: () => ReadonlyArray<Variable>
}

export const makeVariables = (root: Place): Variables => {
  /** Those that the input names itself: no other may take their names. */
  const named = new Set(
    leavesOf(root).flatMap(({ value }) => {
      const name = typeof value === "string" ? variableIn(value.trim()) : undefined
      return name === undefined ? [] : [name]
    }),
  )
  const notes = new Map<string, string>()
  const byOrigin = new Map<string, string>()
  const counts = new Map<string, number>()
  const take = (origin: string, wanted: string, note: string): string => {
    const known = byOrigin.get(origin)
    if (known !== undefined) return known
    let name = wanted
    let count = counts.get(wanted) ?? 1
    while (notes.has(name) || (named.has(name) && origin !== `variable ${name}`)) {
      count += 1
      name = `${wanted}_${count}`
    }
    counts.set(wanted, count)
    byOrigin.set(origin, name)
    notes.set(name, note)
    return name
  }
  return {
    read: (name) => {
      const legal = legalName(name)
      const note = legal === name ? "as LiteLLM reads it" : `what ${JSON.stringify(name)} holds for LiteLLM`
      return take(`variable ${name}`, legal, note)
    },
    hold: (secret, owner, where) =>
      take(`secret ${secret}`, legalName(`LITELLM_${owner}_KEY`), `the key that stands at ${where}`),
    need: (name, note) => {
      if (!notes.has(name)) notes.set(name, note)
    },
    list: () => [...notes].map(([name, note]) => ({ name, note })),
  }
}
