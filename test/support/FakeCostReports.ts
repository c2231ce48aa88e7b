import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

/** An amount of one day: UTC day, what it is for, and decimal dollars (OpenAI) or cents (Anthropic). */
interface Charge {
  readonly day: string
  readonly item: string
  readonly amount: string
  /** Anthropic's only. */
  readonly model?: string
}

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const DAY_S = 86_400
const ADMIN_KEY = "sk-admin-only-for-tests"

/**
 * The cost APIs of OpenAI and Anthropic on loopback: days from `start_time` or `starting_at` up to the end, `PAGE_DAYS` a
 * page whatever `limit` asks for, and only to whoever has the admin key.
 */
export const makeFakeCostReports = Effect.acquireRelease(
  Effect.promise(async () => {
    const state = { charges: [] as ReadonlyArray<Charge>, answer: undefined as Answer | undefined }
    const asked: Array<{ readonly path: string; readonly query: URLSearchParams }> = []
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "", "http://fake")
      asked.push({ path: pathname, query: searchParams })
      const { status, headers, body } =
        state.answer ?? answerTo(request, pathname, searchParams, state.charges)
      write(response, status, headers, body)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    return {
      server,
      state,
      asked,
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      key: ADMIN_KEY,
    }
  }),
  ({ server }) =>
    Effect.promise(() => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    }),
)

const write = (response: ServerResponse, status: number, headers: Answer["headers"] = {}, body = "") => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(body)
}

const PAGE_DAYS = 2

const answerTo = (
  request: IncomingMessage,
  path: string,
  query: URLSearchParams,
  charges: ReadonlyArray<Charge>,
): Answer => {
  const openAi = path === "/v1/organization/costs"
  if (!openAi && path !== "/v1/organizations/cost_report") return { status: 404 }
  const { authorization, "x-api-key": key, "anthropic-version": version } = request.headers
  const known = openAi
    ? authorization === `Bearer ${ADMIN_KEY}`
    : key === ADMIN_KEY && version === "2023-06-01"
  if (!known) return refusal(401, `Incorrect API key provided: ${authorization ?? key}`)
  const grouped = query.get("group_by[]") === (openAi ? "line_item" : "description")
  if (!grouped || query.get("bucket_width") !== "1d") return refusal(400, "not grouped")
  const instant = (name: string) => Math.floor(Date.parse(query.get(name) ?? "") / 1_000)
  const [from, to] = openAi
    ? [Number(query.get("start_time")), Number(query.get("end_time"))]
    : [instant("starting_at"), instant("ending_at")]
  const first = Number(query.get("page") ?? 0)
  const days = Array.from({ length: (to - from) / DAY_S }, (_, index) => from + index * DAY_S)
  const shown = days.slice(first, first + PAGE_DAYS)
  const more = first + PAGE_DAYS < days.length
  return {
    status: 200,
    body: JSON.stringify({
      ...(openAi && { object: "page" }),
      data: shown.map((start) => (openAi ? openAiDay(start, charges) : anthropicDay(start, charges))),
      has_more: more,
      next_page: more ? String(first + PAGE_DAYS) : null,
    }),
  }
}

const refusal = (status: number, message: string): Answer => ({
  status,
  body: JSON.stringify({ error: { type: "invalid_request_error", message } }),
})

const isoOf = (seconds: number) => new Date(seconds * 1_000).toISOString().replace(".000", "")
const on = (start: number, charges: ReadonlyArray<Charge>) =>
  charges.filter(({ day }) => Date.parse(day) === start * 1_000)

const openAiDay = (start: number, charges: ReadonlyArray<Charge>) => ({
  object: "bucket",
  start_time: start,
  end_time: start + DAY_S,
  results: on(start, charges).map(({ item, amount }) => ({
    object: "organization.costs.result",
    amount: { value: amount, currency: "usd" },
    line_item: item,
    project_id: null,
  })),
})

const anthropicDay = (start: number, charges: ReadonlyArray<Charge>) => ({
  starting_at: isoOf(start),
  ending_at: isoOf(start + DAY_S),
  results: on(start, charges).map(({ item, amount, model }) => ({
    amount,
    currency: "USD",
    cost_type: model === undefined ? "web_search" : "tokens",
    description: item,
    model: model ?? null,
  })),
})
