import { several } from "../../domain/Finding.ts"
import { oneLine } from "../../domain/one-line.ts"
import type { ImportedKeys } from "../../importing/import-keys.ts"
import type { Imported } from "../../importing/import-litellm.ts"
import type { Entry, Outcome } from "../../importing/report.ts"

/** What `import litellm` says of its work. */

const OUTCOMES: ReadonlyArray<Outcome> = ["imported", "approximated", "unsupported"]

const counts = (entries: ReadonlyArray<Entry>): Readonly<Record<Outcome, number>> => {
  const of = (outcome: Outcome) => entries.filter((entry) => entry.outcome === outcome).length
  return { imported: of("imported"), approximated: of("approximated"), unsupported: of("unsupported") }
}

/** Fields of which the same is to be said stand together, in the order of the input. */
const grouped = (entries: ReadonlyArray<Entry>): ReadonlyArray<string> =>
  [...Map.groupBy(entries, ({ note, to }) => JSON.stringify([to, note]))].flatMap(([, group]) => {
    const [{ note, to } = {}] = group
    const said = [...(to === undefined ? [] : [`-> ${to}`]), ...(note === undefined ? [] : [note])].join(": ")
    const paths = group.map(({ path }) => `  ${oneLine(path)}`)
    return said === "" ? paths : [...paths, `      ${oneLine(said)}`]
  })

const section = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [] : ["", title, ...lines]

const told = (of: string, entries: ReadonlyArray<Entry>): ReadonlyArray<string> =>
  OUTCOMES.toReversed().flatMap((outcome) => {
    const here = entries.filter((entry) => entry.outcome === outcome)
    return section(`${of}, ${outcome} (${here.length}):`, grouped(here))
  })

const summary = (of: string, entries: ReadonlyArray<Entry>): string => {
  const { approximated, imported, unsupported } = counts(entries)
  return `${several(entries.length, "field")} of the ${of}: ${imported} imported, ${approximated} approximated, ${unsupported} unsupported.`
}

export const asText = (
  { commands, entries, variables }: Imported,
  keys: ImportedKeys | undefined,
  out: string | undefined,
): string =>
  [
    ...told("Configuration", entries),
    ...(keys === undefined ? [] : told("Keys", keys.entries)),
    ...section(
      "Set in the environment or in .env:",
      variables.map(({ name, note }) => `  ${name}: ${oneLine(note)}`),
    ),
    ...section(
      "Run once the gateway has its database:",
      [...commands, ...(keys?.commands ?? [])].map((command) => `  ${oneLine(command)}`),
    ),
    "",
    summary("configuration", entries),
    ...(keys === undefined ? [] : [summary("keys", keys.entries)]),
    `${out === undefined ? "Keep the file" : `${oneLine(out)} is written`}: GATEWAY_CONFIG names it, llm-gateway doctor checks it.`,
  ].join("\n")

const reportOf = (entries: ReadonlyArray<Entry>) => ({ ...counts(entries), fields: entries })

export const asJson = (
  { commands, entries, variables, yaml }: Imported,
  keys: ImportedKeys | undefined,
  out: string | undefined,
): string =>
  JSON.stringify({
    out: out ?? null,
    yaml: out === undefined ? yaml : null,
    report: reportOf(entries),
    keys: keys === undefined ? null : reportOf(keys.entries),
    variables,
    commands: [...commands, ...(keys?.commands ?? [])],
  })
