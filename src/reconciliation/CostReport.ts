import { type BigDecimal, Data, type Result } from "effect"

/** Vendors whose reports are understood. */
export const reportVendors = ["openai", "anthropic"] as const
export type ReportVendor = (typeof reportVendors)[number]

/** One amount that a vendor charged for something on one UTC day. */
export interface ReportLine {
  /** Start of the day, epoch milliseconds. */
  readonly dayMs: number
  /** As the vendor spells it; null for what is no model's tokens, such as storage or web searches. */
  readonly model: string | null
  /** What the vendor says that it is for. */
  readonly item: string
  /** Exact; negative for what was given back. */
  readonly usd: BigDecimal.BigDecimal
}

/** What a vendor says that it charged. */
export interface CostReport {
  readonly vendor: ReportVendor
  readonly lines: ReadonlyArray<ReportLine>
  /** Starts of the days that it is about, also of those on which nothing was charged. */
  readonly days: ReadonlySet<number>
  /** Whether the amount of each line is the nearest cent. */
  readonly inCents: boolean
}

/** One page of a report, as an API sends it. */
export interface ReportPage extends Pick<CostReport, "lines" | "days"> {
  /** Whether there are more, and what the next one is called. */
  readonly hasMore: boolean
  readonly nextPage: string | null
}

/** How a vendor writes its reports. What cannot be read is told as the field and the rule that it breaks. */
export interface ReportForm {
  /** A name that only its pages have in each day. */
  readonly dayField: string
  readonly readPage: (json: unknown) => Result.Result<ReportPage, string>
  /** Tells its export by the columns. */
  readonly isExport: (columns: ReadonlySet<string>) => boolean
  /** Whether its export has the nearest cents. */
  readonly exportsCents: boolean
  readonly readRow: (cells: Readonly<Record<string, string>>) => Result.Result<ReportRow, string>
}

/** One row of an export: a day, and the line on it unless nothing was charged. */
export interface ReportRow {
  readonly dayMs: number
  readonly line: ReportLine | null
}

/** A report that cannot be had or read; the message says what to do about it. */
export class CostReportError extends Data.TaggedError("CostReportError")<{ readonly message: string }> {}
