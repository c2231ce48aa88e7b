import { Result } from "effect"
import { GatewayError } from "../domain/GatewayError.ts"

/** Anthropic's bounds of a page of models. */
const DEFAULT_LIMIT = 20
const MAX_LIMIT = 1000

/** Makes a page of models as Anthropic's API lists them. `ids` are all that there are, in their order. */
export const modelPage = (
  ids: ReadonlyArray<string>,
  createdAt: string,
  query: URLSearchParams,
): Result.Result<unknown, GatewayError> => {
  const limit = query.get("limit") ?? String(DEFAULT_LIMIT)
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_LIMIT) {
    return Result.fail(wrong("limit", `Expected a whole number from 1 to ${MAX_LIMIT}`))
  }
  const [after, before] = [query.get("after_id"), query.get("before_id")]
  for (const [name, id] of [
    ["after_id", after],
    ["before_id", before],
  ] as const) {
    if (id !== null && !ids.includes(id)) return Result.fail(wrong(name, "Expected the id of a listed model"))
  }
  const start = after === null ? 0 : ids.indexOf(after) + 1
  const end = before === null ? ids.length : ids.indexOf(before)
  const within = ids.slice(start, end)
  const page =
    before === null || after !== null ? within.slice(0, Number(limit)) : within.slice(-Number(limit))
  return Result.succeed({
    data: page.map((id) => modelInfo(id, createdAt)),
    has_more: page.length < within.length,
    first_id: page[0] ?? null,
    last_id: page.at(-1) ?? null,
  })
}

export const modelInfo = (id: string, createdAt: string) => ({
  type: "model",
  id,
  display_name: id,
  created_at: createdAt,
})

const wrong = (param: string, rule: string) =>
  new GatewayError({ code: "invalid_request", param, detail: `${param}: ${rule}.` })
