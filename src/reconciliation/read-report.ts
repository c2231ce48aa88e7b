import { Effect, Result, Schema, Stream } from "effect"
import { Csv } from "effect/encoding"
import { oneLine } from "../domain/one-line.ts"
import { parseJsonDigits } from "../platform/json-digits.ts"
import { anthropicReport } from "./anthropic-report.ts"
import {
  type CostReport,
  CostReportError,
  type ReportForm,
  type ReportPage,
  type ReportVendor,
  reportVendors,
} from "./CostReport.ts"
import { openAiReport } from "./openai-report.ts"

/**
 * Reads a report from a file, whichever of the known forms it has. It is read whole or not at all: a line that is not
 * understood would be missing from every sum.
 */

export const reportForms: Readonly<Record<ReportVendor, ReportForm>> = {
  openai: openAiReport,
  anthropic: anthropicReport,
}

const KNOWN_FORMS =
  "Known are the costs that OpenAI's usage page and Anthropic's console export as CSV, and saved answers of " +
  "GET /v1/organization/costs (OpenAI) and GET /v1/organizations/cost_report (Anthropic)."

const unreadable = (message: string) => Effect.fail(new CostReportError({ message: oneLine(message) }))

export const readReport = (contents: string): Effect.Effect<CostReport, CostReportError> => {
  const text = contents.replace(/^\uFEFF/, "")
  return /^\s*[[{]/.test(text) ? readJson(text) : readCsv(text)
}

const isEmptyRow = (cells: ReadonlyArray<string>): boolean => cells.every((cell) => cell.trim() === "")

const columnName = (header: string): string => header.trim().toLowerCase().replace(/\s+/g, "_")

const readCsv = Effect.fnUntraced(function* (text: string) {
  const rows = yield* Stream.make(text).pipe(
    Stream.pipeThroughChannel(Csv.decodeString()),
    Stream.runCollect,
    Effect.catchTag("CsvError", ({ line, message }) => unreadable(`line ${line}: ${message}`)),
  )
  const [header = [], ...body] = rows
  const columns = header.map(columnName)
  const vendor = reportVendors.find((each) => reportForms[each].isExport(new Set(columns)))
  if (vendor === undefined) {
    return yield* unreadable(
      /tokens/.test(columns.join())
        ? `This export counts tokens and has no costs: export the costs. ${KNOWN_FORMS}`
        : `line 1: no known report has these columns: ${columns.join(", ").slice(0, 300)}. ${KNOWN_FORMS}`,
    )
  }
  const lines: Array<CostReport["lines"][number]> = []
  const days = new Set<number>()
  let at = 1 + linesWithin(header)
  for (const cells of body) {
    const where = `line ${at + 1}`
    at += 1 + linesWithin(cells)
    if (isEmptyRow(cells)) continue
    if (cells.length !== columns.length) {
      return yield* unreadable(`${where}: has ${cells.length} cells, and line 1 has ${columns.length}`)
    }
    const row = reportForms[vendor].readRow(
      Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? ""])),
    )
    if (Result.isFailure(row)) return yield* unreadable(`${where}: ${row.failure}`)
    days.add(row.success.dayMs)
    if (row.success.line !== null) lines.push(row.success.line)
  }
  return { vendor, lines, days, inCents: reportForms[vendor].exportsCents }
})

/** Counts the line breaks in quoted cells. */
const linesWithin = (cells: ReadonlyArray<string>): number => cells.join().split(/\r\n|\n|\r/).length - 1

const decodePages = Schema.decodeUnknownResult(
  Schema.Array(Schema.Struct({ data: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)) })),
)

const readJson = Effect.fnUntraced(function* (text: string) {
  const json = yield* Effect.try({
    try: () => parseJsonDigits(text),
    catch: (error) =>
      new CostReportError({ message: oneLine(`is no JSON: ${error instanceof Error ? error.message : ""}`) }),
  })
  const pages = Array.isArray(json) ? json : [json]
  const known = decodePages(pages)
  const firstDay = Result.isSuccess(known) ? known.success.flatMap(({ data }) => data)[0] : undefined
  const vendor = reportVendors.find(
    (each) => firstDay !== undefined && reportForms[each].dayField in firstDay,
  )
  if (vendor === undefined) {
    return yield* unreadable(`no known report is JSON of this form, with days in data. ${KNOWN_FORMS}`)
  }
  const read: Array<ReportPage> = []
  for (const [index, page] of pages.entries()) {
    const result = reportForms[vendor].readPage(page)
    if (Result.isFailure(result)) {
      return yield* unreadable(`${Array.isArray(json) ? `[${index}].` : ""}${result.failure}`)
    }
    read.push(result.success)
  }
  if (read.at(-1)?.hasMore === true) {
    return yield* unreadable(
      "has_more is true: the report goes on. Ask for a larger limit, or save all its pages as one JSON list",
    )
  }
  return reportOf(vendor, read)
})

export const reportOf = (vendor: ReportVendor, pages: ReadonlyArray<ReportPage>): CostReport => ({
  vendor,
  lines: pages.flatMap(({ lines }) => lines),
  days: new Set(pages.flatMap(({ days }) => [...days])),
  inCents: false,
})
