import { Effect, Option, Redacted, Result, Schema, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { oneLine } from "../domain/one-line.ts"
import { DAY_MS, type TimeRange } from "../domain/TimeRange.ts"
import { parseJsonDigits } from "../platform/json-digits.ts"
import { type CostReport, CostReportError, type ReportPage, type ReportVendor } from "./CostReport.ts"
import { reportForms, reportOf } from "./read-report.ts"

/**
 * Asks a vendor for its report, page by page, with a key that may read what the whole organization spends. It goes to
 * the vendor's own address and nowhere else: no redirect is followed.
 */

interface ReportAccess {
  readonly baseUrl: string
  readonly adminKey: Redacted.Redacted
}

interface ReportApi {
  readonly path: string
  /** Days that a page has at most. */
  readonly pageDays: number
  readonly params: (span: TimeRange) => Readonly<Record<string, string | number>>
  readonly authorize: (
    key: string,
  ) => (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest
  readonly keyVariable: string
  readonly keysPage: string
  readonly urlVariable: string
}

const isoOf = (ms: number): string => new Date(ms).toISOString().replace(".000Z", "Z")

export const reportApis: Readonly<Record<ReportVendor, ReportApi>> = {
  openai: {
    path: "/organization/costs",
    pageDays: 180,
    params: ({ fromMs, toMs }) => ({
      start_time: fromMs / 1_000,
      end_time: toMs / 1_000,
      bucket_width: "1d",
      "group_by[]": "line_item",
    }),
    authorize: HttpClientRequest.bearerToken,
    keyVariable: "OPENAI_ADMIN_KEY",
    keysPage: "https://platform.openai.com/settings/organization/admin-keys",
    urlVariable: "OPENAI_BASE_URL",
  },
  anthropic: {
    path: "/v1/organizations/cost_report",
    pageDays: 31,
    params: ({ fromMs, toMs }) => ({
      starting_at: isoOf(fromMs),
      ending_at: isoOf(toMs),
      bucket_width: "1d",
      "group_by[]": "description",
    }),
    authorize: (key) => HttpClientRequest.setHeaders({ "x-api-key": key, "anthropic-version": "2023-06-01" }),
    keyVariable: "ANTHROPIC_ADMIN_KEY",
    keysPage: "https://platform.claude.com/settings/admin-keys",
    urlVariable: "ANTHROPIC_BASE_URL",
  },
}

const PAGE_TIMEOUT = "60 seconds"
const MAX_PAGE_BYTES = 33_554_432
const MAX_PAGES = 200

export const fetchReport = Effect.fnUntraced(
  function* (
    vendor: ReportVendor,
    access: ReportAccess,
    span: TimeRange,
  ): Effect.fn.Return<CostReport, CostReportError, HttpClient.HttpClient> {
    const pages: Array<ReportPage> = []
    let next: string | null = null
    do {
      if (pages.length === MAX_PAGES) {
        return yield* failed(`The report does not end after ${MAX_PAGES} pages: ask for fewer days.`)
      }
      const page: ReportPage = yield* fetchPage(vendor, access, span, next)
      pages.push(page)
      if (page.hasMore && page.nextPage === null) {
        return yield* failed(
          "The report says that there are more pages and names none (has_more without next_page).",
        )
      }
      next = page.hasMore ? page.nextPage : null
    } while (next !== null)
    return reportOf(vendor, pages)
  },
  Effect.provide(FetchHttpClient.layer),
  Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
)

const failed = (message: string) => Effect.fail(new CostReportError({ message: oneLine(message) }))

const fetchPage = Effect.fnUntraced(function* (
  vendor: ReportVendor,
  { baseUrl, adminKey }: ReportAccess,
  span: TimeRange,
  page: string | null,
) {
  const api = reportApis[vendor]
  const key = Redacted.value(adminKey)
  const days = (span.toMs - span.fromMs) / DAY_MS
  const url = `${baseUrl}${api.path}`
  const { status, text, retryAfter } = yield* HttpClientRequest.get(url).pipe(
    HttpClientRequest.setUrlParams({
      ...api.params(span),
      limit: Math.min(days, api.pageDays),
      ...(page !== null && { page }),
    }),
    api.authorize(key),
    HttpClient.execute,
    Effect.flatMap(readBounded),
    Effect.timeoutOrElse({
      duration: PAGE_TIMEOUT,
      orElse: () => failed(`${url} did not answer within ${PAGE_TIMEOUT}. Try again later, or give --file.`),
    }),
    Effect.catchTag("HttpClientError", () =>
      failed(`${url} cannot be reached. Check ${api.urlVariable} and the network, or give --file.`),
    ),
  )
  if (status !== 200) {
    return yield* failed(refusal(vendor, url, status, { retryAfter, said: saidIn(text, key) }))
  }
  const read = Result.flatMap(
    Result.try({ try: () => parseJsonDigits(text), catch: () => "is no JSON" }),
    reportForms[vendor].readPage,
  )
  return Result.isSuccess(read)
    ? read.success
    : yield* failed(`${url} did not answer with a report: ${read.failure}`)
})

const readBounded = Effect.fnUntraced(function* ({
  status,
  headers,
  stream,
}: HttpClientResponse.HttpClientResponse) {
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  yield* Stream.runForEach(stream, (chunk) => {
    bytes += chunk.length
    chunks.push(chunk)
    return bytes > MAX_PAGE_BYTES
      ? failed(`The report has a page of more than ${MAX_PAGE_BYTES} bytes: ask for fewer days.`)
      : Effect.void
  })
  return { status, text: Buffer.concat(chunks).toString(), retryAfter: headers["retry-after"] }
})

const decodeError = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ error: Schema.Struct({ message: Schema.String }) })),
)

/** Returns the vendor's own words about a refusal, without the key if they quote it. */
const saidIn = (text: string, key: string): string =>
  Option.match(decodeError(text), {
    onNone: () => "",
    onSome: ({ error }) => ` ${error.message.replaceAll(key, "…").slice(0, 300)}`,
  })

const refusal = (
  vendor: ReportVendor,
  url: string,
  status: number,
  { retryAfter, said }: { readonly retryAfter: string | undefined; readonly said: string },
): string => {
  const { keyVariable, keysPage, urlVariable } = reportApis[vendor]
  if (status === 401 || status === 403) {
    return `${url} refused the key (${status}): this report takes an admin key. Make one at ${keysPage} and set ${keyVariable}.`
  }
  if (status === 404) return `${url} does not exist (404). Check ${urlVariable}.`
  if (status === 429) {
    const when = /^\d{1,6}$/.test(retryAfter ?? "") ? `in ${retryAfter} seconds` : "in a minute"
    return `${url} has been asked too often (429). Try again ${when}.`
  }
  return status >= 500
    ? `${url} is in trouble (${status}). Try again later, or give --file.`
    : `${url} refused the request (${status}).${said}`
}
