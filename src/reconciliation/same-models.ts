/** Names of one model in the report and in the ledger. */
export interface SameModel {
  /** The ledger's name where it has one, and of several the one without a date. */
  readonly model: string
  readonly report: ReadonlyArray<string>
  readonly ledger: ReadonlyArray<string>
}

interface Spelling {
  readonly base: string
  /** Digits of the date; empty for an alias, which stands for whatever is the latest. */
  readonly stamp: string
}

/**
 * Reads `gpt-5.4-mini-2026-03-17` and `claude-haiku-4-5-20251001` as a name with a date. Anthropic's console writes
 * "Claude Haiku 4.5"; OpenAI adds up all that were tuned from one model (`ft:gpt-4o-2024-08-06:acme::id`) as
 * `ft-gpt-4o-2024-08-06`.
 */
const spellingOf = (name: string): Spelling => {
  const plain = name
    .trim()
    .toLowerCase()
    .replace(/^ft:([^:]+):.*$/, "ft-$1")
    .replace(/[\s._]+/g, "-")
  const [, base = plain, stamp = ""] = /^(.+?)-(latest|\d{4}-\d{2}-\d{2}|\d{8})$/.exec(plain) ?? []
  return { base, stamp: stamp.replace(/\D/g, "") }
}

/**
 * Finds out which names mean the same model. A report names the dated snapshot that an alias stood for: where either side
 * has the alias, all its snapshots are one model, since nobody says how much of a snapshot was asked for by the alias.
 */
export const sameModels = (
  report: Iterable<string>,
  ledger: Iterable<string>,
): ReadonlyMap<string, SameModel> => {
  const sides = { report: new Set(report), ledger: new Set(ledger) }
  const names = [...new Set([...sides.ledger, ...sides.report])].toSorted()
  const spellings = new Map(names.map((name) => [name, spellingOf(name)]))
  const aliased = new Set([...spellings.values()].flatMap(({ base, stamp }) => (stamp === "" ? base : [])))
  const groups = Map.groupBy(names, (name) => {
    const { base, stamp } = spellings.get(name) ?? spellingOf(name)
    return aliased.has(base) ? base : `${base}-${stamp}`
  })
  const models = new Map<string, SameModel>()
  for (const group of groups.values()) {
    const inLedger = group.filter((name) => sides.ledger.has(name))
    const candidates = inLedger.length > 0 ? inLedger : group
    const same = {
      model: candidates.find((name) => spellings.get(name)?.stamp === "") ?? candidates[0] ?? "",
      report: group.filter((name) => sides.report.has(name)),
      ledger: inLedger,
    }
    for (const name of group) models.set(name, same)
  }
  return models
}
