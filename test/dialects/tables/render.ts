import { chat } from "./chat.ts"
import { type End, endsOf } from "./ends.ts"
import { messages } from "./messages.ts"
import { type ClientDialect, type Fate, fateOf, type Probe } from "./probe.ts"
import { responses } from "./responses.ts"

/** Every field of each dialect against every end, as tables of Markdown. */

type Groups = Readonly<Record<string, Readonly<Record<string, Probe>>>>

export const dialects: Readonly<Record<ClientDialect, Groups>> = { chat, messages, responses }

interface Row {
  readonly field: string
  readonly probe: Probe
  readonly fates: ReadonlyArray<Fate>
}

export const rowsOf = (
  dialect: ClientDialect,
  group: string,
  ends: ReadonlyArray<End> = endsOf[dialect],
): ReadonlyArray<Row> =>
  Object.entries(dialects[dialect][group] ?? {}).map(([field, probe]) => ({
    field,
    probe,
    fates: ends.map((end) => fateOf(dialect, probe, end)),
  }))

const TITLES: Readonly<Record<ClientDialect, string>> = {
  chat: "Chat completions",
  messages: "Messages",
  responses: "Responses",
}

const code = (text: string): string => (text.includes("`") || text.includes(" ") ? text : `\`${text}\``)

const list = (names: ReadonlyArray<string>): string => names.map((name) => `\`${name}\``).join(", ")

/** Notes of reasons, numbered as they come. */
class Notes {
  readonly texts: Array<string> = []

  numberOf(text: string): number {
    if (!this.texts.includes(text)) this.texts.push(text)
    return this.texts.indexOf(text) + 1
  }
}

const cellOf = (fate: Fate, { isNative }: End, why: string | undefined, notes: Notes): string => {
  const because = why === undefined ? "" : ` (${notes.numberOf(why)})`
  switch (fate._tag) {
    case "Carried":
      return isNative === true ? "as sent" : "carried"
    case "Translated":
      return list(fate.to)
    case "Refused":
      return `**refused**${fate.byModel ? " by this model" : ""}: \`${fate.param}\`${because}`
    case "Dropped": {
      const rest = fate.to.length === 0 ? "" : `${list(fate.to)}; `
      return `${rest}_left out_: ${list(fate.names)}${because}`
    }
    case "Same":
      return `– (${notes.numberOf(fate.reason)})`
    case "Lost":
      return "LOST"
  }
}

/** Writes a table with its columns below each other, as Biome does. */
const markdown = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  const [head = [], ...body] = rows
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n")
}

const tableOf = (dialect: ClientDialect, group: string, notes: Notes): string => {
  const ends: ReadonlyArray<End> = endsOf[dialect]
  const rows = rowsOf(dialect, group).map(({ fates, field, probe }) => [
    code(field),
    ...ends.map((end, index) => {
      const fate = fates[index]
      return fate === undefined ? "" : cellOf(fate, end, probe.why, notes)
    }),
  ])
  return `### ${group}\n\n${markdown([["", ...ends.map(({ name }) => name)], ...rows])}`
}

const requestsOf = (dialect: ClientDialect): string => {
  const notes = new Notes()
  const tables = Object.keys(dialects[dialect]).map((group) => tableOf(dialect, group, notes))
  return [
    `## ${TITLES[dialect]}`,
    `Models asked: ${endsOf[dialect].map(({ model, name }) => `${name}: \`${model}\``).join("; ")}.`,
    ...tables,
    notes.texts.map((text, index) => `${index + 1}. ${text}`).join("\n"),
  ].join("\n\n")
}

const HEAD = `# What crosses between dialects

What becomes of each field that a client may send, by the client's dialect and by who is asked. The fields are those of the
vendors' own packages, \`openai\` and \`@anthropic-ai/sdk\`, betas included.

- **as sent**: the provider speaks the client's dialect and gets the client's own bytes.
- **carried**: under the same name, with the same value.
- A **name** is what it becomes there, where \`[]\` is a place in a list.
- **refused**: the answer would be another one without it. Other candidates are asked, and with none left the client gets a 400
  whose \`error.param\` is that name.
- **left out**: it has no meaning there, and the answer is none the worse. The answer's header \`x-gateway-dropped\` has that name;
  of more than 20 it has \`messages[].name\` for \`messages[0].name\`, \`messages[1].name\` and so on.
- **–**: nothing of it has to be sent.

Names are the client's own, here of the least request that has the field. Numbers stand for reasons, below each dialect's
tables. Some fates depend on the model: they are those of the model named.

This page is written by \`npm run -s dialects\`, which sends each of those requests through the gateway's own code and looks for
the field in what the provider would get. The same test fails when a field is lost without a word, when a package has a field
that is not here, and when this page is not what the code does.
`

export const page = (): string =>
  `${[HEAD.trimEnd(), ...(Object.keys(TITLES) as Array<ClientDialect>).map(requestsOf)].join("\n\n")}\n`
