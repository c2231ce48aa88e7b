import { errorCatalogue } from "../../src/domain/GatewayError.ts"
import type { FuzzCase } from "./cases.ts"

/** One final response, as far as it came. */
export interface Answer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Cuts answers out of what a connection received. Trusts nothing: what is no HTTP is a fault. */
export class AnswerReader {
  #text = ""
  /** Characters below which there is no whole answer. */
  #enough = 0
  readonly #fault: (what: string) => void

  constructor(fault: (what: string) => void) {
    this.#fault = fault
  }

  receive(bytes: Buffer): void {
    this.#text += bytes.toString("latin1")
  }

  /** Whether something came that is no whole answer yet. */
  get halfway(): boolean {
    return this.#text !== ""
  }

  /** Returns the next answer, to a request with this method, once it is whole. */
  next(method: string): Answer | undefined {
    if (this.#text.length < this.#enough) return undefined
    this.#enough = 0
    const headEnd = this.#text.indexOf("\r\n\r\n")
    if (headEnd === -1) return undefined
    const [statusLine = "", ...lines] = this.#text.slice(0, headEnd).split("\r\n")
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1])
    if (!(status >= 100 && status < 600)) {
      this.#fault(`answered with what is no HTTP: ${JSON.stringify(statusLine.slice(0, 100))}`)
      return undefined
    }
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(":")
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    const rest = this.#text.slice(headEnd + 4)
    if (status < 200) {
      this.#text = rest
      return this.next(method)
    }
    const read = readBody(method, status, headers, rest)
    if (read === undefined) {
      this.#enough = headEnd + 4 + Number(headers.get("content-length") ?? 0)
      return undefined
    }
    this.#text = rest.slice(read.length)
    return { status, headers, body: Buffer.from(read.body, "latin1").toString() }
  }
}

interface ReadBody {
  readonly body: string
  readonly length: number
}

const readBody = (
  method: string,
  status: number,
  headers: ReadonlyMap<string, string>,
  rest: string,
): ReadBody | undefined => {
  if (method === "HEAD" || status === 204 || status === 304) return { body: "", length: 0 }
  if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") return readChunks(rest)
  const length = Number(headers.get("content-length") ?? rest.length)
  return rest.length < length ? undefined : { body: rest.slice(0, length), length }
}

const readChunks = (text: string): ReadBody | undefined => {
  let body = ""
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf("\r\n", at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    const start = lineEnd + 2
    if (text.length < start + size + 2) return undefined
    if (size === 0) return { body, length: start + 2 }
    body += text.slice(start, start + size)
    at = start + size + 2
  }
}

/** Statuses that the HTTP parser gives itself, without a body, before it closes the connection. */
const PARSER_STATUSES: ReadonlySet<number> = new Set([400, 408, 413, 417, 431])

/** Finds what is wrong with an answer; undefined when it is one that the gateway may give. */
export const faultOf = (
  { framed, target }: Pick<FuzzCase, "framed" | "target">,
  { body, headers, status }: Answer,
  method: string,
  secrets: ReadonlyArray<string>,
): string | undefined => {
  if (secrets.some((secret) => body.includes(secret))) return "repeats a secret"
  if (status === 500) return `a 500: ${body.slice(0, 300)}`
  if (body === "" && !headers.has("x-request-id")) {
    // Of two requests on a connection the parser may have seen something else than we.
    if (status === 417) return undefined
    return PARSER_STATUSES.has(status) && !framed ? undefined : `a bare ${status}`
  }
  if (!headers.get("x-request-id")) return "has no x-request-id"
  if (method === "HEAD" || status === 304 || headers.has("content-encoding")) return undefined
  if (status < 400) return streamFault(headers, body)
  return envelopeFault(target, framed, status, body)
}

/** The last event of a stream: chat's, an error's, a response's, or a message's. */
const STREAM_END =
  /(data: (\[DONE\]|\{"error":[^\n]*\})|event: (response\.(completed|incomplete|failed)|error|message_stop)\ndata: \{[^\n]*\})\n\n$/

const streamFault = (headers: ReadonlyMap<string, string>, body: string): string | undefined => {
  const type = headers.get("content-type") ?? ""
  if (type.startsWith("text/event-stream")) {
    // To a client of HTTP/1.0 it ends with the connection.
    if (!headers.has("transfer-encoding")) return undefined
    return STREAM_END.test(body) ? undefined : "a stream without its end"
  }
  return type.startsWith("application/json") && jsonOf(body) === undefined ? "is no JSON" : undefined
}

type Family = "problem" | "openai" | "anthropic"

/** Routes whose errors are of one family or of another; of targets that are written in another way, any may have been meant. */
const familyOf = (target: string): Family | undefined => {
  if (/^\/v1\/messages(?:[/?]|$)/.test(target)) return "anthropic"
  // Of either vendor's, as the client's headers say.
  if (/^\/v1\/models(?:[/?]|$)/.test(target)) return undefined
  if (target.startsWith("/v1/")) return "openai"
  return target.includes("/v1/") ? undefined : "problem"
}

const envelopeFault = (target: string, framed: boolean, status: number, body: string): string | undefined => {
  const { code, family } = readEnvelope(jsonOf(body))
  const expected = familyOf(target)
  if (framed && expected !== undefined && family !== expected) {
    return `has the envelope of another route: ${body.slice(0, 300)}`
  }
  const known = new Map<unknown, { readonly status: number }>(Object.entries(errorCatalogue)).get(code)
  if (known === undefined) return `has no code that is known: ${body.slice(0, 300)}`
  return known.status === status ? undefined : `has the code ${code} with the status ${status}`
}

const readEnvelope = (json: unknown): { readonly family: Family; readonly code: unknown } => {
  const error = fieldsOf(json).get("error")
  if (fieldsOf(json).get("type") === "error") {
    return { family: "anthropic", code: fieldsOf(fieldsOf(error).get("details")).get("error_code") }
  }
  return typeof error === "object" && error !== null
    ? { family: "openai", code: fieldsOf(error).get("code") }
    : { family: "problem", code: fieldsOf(json).get("code") }
}

const fieldsOf = (value: unknown): ReadonlyMap<string, unknown> =>
  new Map(typeof value === "object" && value !== null ? Object.entries(value) : [])

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
