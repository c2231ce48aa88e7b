import { presets } from "../catalog/vendors.ts"
import { builtinVendors } from "./builtin-providers.ts"
import type { GatewayConfig } from "./GatewayConfig.ts"

/** A name on a key's allow-list that stands for nothing. */
interface UnknownName {
  readonly index: number
  /** What is wrong, and what may have been meant, as a sentence. */
  readonly text: string
}

/** Finds the first name of an allow-list behind which there is no route, model, `provider/model` or `provider/*`. */
export const unknownName = (
  gateway: Pick<GatewayConfig, "providers" | "routes">,
  names: ReadonlyArray<string>,
): UnknownName | undefined => {
  const known = knownNames(gateway)
  const index = names.findIndex((name) => !known.has(name))
  const name = names[index]
  if (name === undefined) return undefined
  const nearest = nearestTo(name, known)
  const meant = nearest === undefined ? "GET /v1/models lists them." : `Did you mean ${nearest}?`
  return { index, text: `No route, provider/model, provider/* or model has this name. ${meant}` }
}

/** Models of vendors that are off count: a key may be made before the vendor's is. */
const knownNames = ({
  providers,
  routes,
}: Pick<GatewayConfig, "providers" | "routes">): ReadonlySet<string> => {
  const names = new Set(routes.keys())
  const vendors = Object.entries(builtinVendors).map(([name, { models }]) => ({ name, models }))
  const others = presets.map(({ models, name, unserved }) => ({ name, models: [...models, ...unserved] }))
  for (const { name, models } of [...providers, ...vendors, ...others]) {
    names.add(`${name}/*`)
    for (const model of models) names.add(model.name).add(`${name}/${model.name}`)
  }
  return names
}

/** Edits in which a name may differ from what was meant, for each of its characters. */
const EDITS_PER_CHARACTER = 0.3

const nearestTo = (name: string, known: ReadonlySet<string>): string | undefined => {
  let nearest: string | undefined
  let fewest = name.length * EDITS_PER_CHARACTER + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= fewest) continue
    const edits = editsBetween(name.toLowerCase(), candidate.toLowerCase())
    if (edits < fewest) [nearest, fewest] = [candidate, edits]
  }
  return nearest
}

/** Counts the characters to put in, take out or replace to make one text of the other (Levenshtein's distance). */
const editsBetween = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const [above = 0, left = 0, diagonal = 0] = [row[j], next[j - 1], row[j - 1]]
      next.push(Math.min(above + 1, left + 1, diagonal + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
