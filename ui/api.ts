/** The gateway's HTTP API as the page uses it: paths in, JSON out. Types are those of `src/api`. */
import { signal } from "@preact/signals"

/** A refusal by the gateway, in its own words, or that it did not answer. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly param: string | undefined
  constructor(status: number, code: string, detail: string, param?: string) {
    super(detail)
    this.status = status
    this.code = code
    this.param = param
  }
}

/** Shows that a change comes from this page. Set while somebody is signed in. */
export const csrfToken = signal("")
/** Set by an answer that says that the session is over. */
export const isSessionOver = signal(false)

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export const withQuery = (path: string, query: Query = {}): string => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "")
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text === "" ? path : `${path}?${text}`
}

export const get = <A>(path: string, query: Query = {}, abort?: AbortSignal): Promise<A> =>
  ask("GET", withQuery(path, query), undefined, {}, abort)

/** What to do about a session that another tab has begun anew; set by who knows sessions. */
export const onForeignSession = {
  /** Reads it, and tells whether it is still the same operator's. */
  reread: async (): Promise<boolean> => false,
}

/** Asks with an admin token in place of the session. */
export const sendAs = <A>(token: string, method: "POST", path: string): Promise<A> =>
  ask(method, path, undefined, { authorization: `Bearer ${token}` })

export const send = async <A>(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: object,
): Promise<A> => {
  const asked = () => ask<A>(method, path, body, { "x-gateway-csrf": csrfToken.value })
  try {
    return await asked()
  } catch (error) {
    // Somebody signed in again in another tab.
    if (!(error instanceof ApiError) || error.code !== "csrf_token_required") throw error
    if (!(await onForeignSession.reread())) throw error
    return asked()
  }
}

const ask = async <A>(
  method: string,
  path: string,
  body: object | undefined,
  headers: Readonly<Record<string, string>>,
  abort?: AbortSignal,
): Promise<A> => {
  const response = await fetch(path, {
    method,
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(abort && { signal: abort }),
  }).catch((cause: unknown) => {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause
    throw new ApiError(0, "unreachable", "The gateway does not answer. Is it still running?")
  })
  if (response.ok) return response.json()
  throw await refusalOf(response)
}

/** Reads why the gateway refused, in whichever of its formats. */
export const refusalOf = async (response: Response): Promise<ApiError> => {
  const text = await response.text()
  const { code, detail, param } = parseRefusal(text)
  if (response.status === 401 && code === "invalid_admin_token") isSessionOver.value = true
  return new ApiError(
    response.status,
    code ?? "unknown",
    detail ?? `The gateway answered ${response.status} ${response.statusText}`.trim(),
    param,
  )
}

const parseRefusal = (text: string): { code?: string; detail?: string; param?: string } => {
  try {
    const json = JSON.parse(text)
    const { code, detail, message, param } = json.error ?? json
    return { code, detail: detail ?? message, param: param ?? undefined }
  } catch {
    return {}
  }
}
