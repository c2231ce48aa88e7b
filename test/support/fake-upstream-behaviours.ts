import type { IncomingMessage, ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"
import { type ErrorSample, errorSamples, type Trouble } from "./fake-upstream-errors.ts"
import { type Asked, countTokens, type Finish, goodAnswer, type Tokens } from "./fake-upstream-wire.ts"

/** What the fake upstream does with one call. Compose your own from these; all are deterministic. */
export type Behaviour = (exchange: Exchange) => void

export interface Exchange {
  readonly asked: Asked
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Runs later unless the connection is gone by then. */
  readonly after: (ms: number, action: () => void) => void
  /** Counts tokens as sold to the caller. */
  readonly bill: (tokens: Tokens) => void
}

export interface Good {
  /** Default: `echo: ` and the prompt. */
  readonly text?: string
  /** Default: counted from the texts. Null = the answer carries no usage. */
  readonly usage?: Tokens | null
  readonly delayMs?: number
  readonly finish?: Finish
  /** Added to, or instead of, the usual ones. */
  readonly headers?: Headers
}

type Headers = Readonly<Record<string, string>>

const answer = (exchange: Exchange, status: number, body: string | Buffer, headers: Headers): void => {
  exchange.response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers }).end(body)
}

const json = { "content-type": "application/json" }

const good = (
  { asked }: Exchange,
  options: Good,
): { readonly body: string; readonly tokens: Tokens | null } => {
  const text = options.text ?? `echo: ${asked.prompt}`
  const counted = { input: countTokens(asked.prompt), output: countTokens(text) }
  const tokens = options.usage === undefined ? counted : options.usage
  return { body: JSON.stringify(goodAnswer(asked, text, tokens, options.finish ?? "stop")), tokens }
}

/** A whole good answer; the only behaviour that bills. */
export const ok =
  (options: Good = {}): Behaviour =>
  (exchange) =>
    later(exchange, options.delayMs, () => {
      const { body, tokens } = good(exchange, options)
      if (tokens !== null) exchange.bill(tokens)
      answer(exchange, 200, body, { ...json, ...options.headers })
    })

const later = (exchange: Exchange, ms: number | undefined, action: () => void): void =>
  ms === undefined ? action() : exchange.after(ms, action)

export const status =
  (code: number, body: unknown, headers: Headers = {}): Behaviour =>
  (exchange) =>
    answer(exchange, code, typeof body === "string" ? body : JSON.stringify(body), { ...json, ...headers })

/** The trouble in the words of whichever provider was asked; `headers` add to the sample's. */
export const failure =
  (trouble: Trouble, headers: Headers = {}): Behaviour =>
  (exchange) => {
    const sample: ErrorSample = errorSamples[trouble][exchange.asked.shape === "gemini" ? "gemini" : "openai"]
    status(sample.status, sample.body, { ...sample.headers, ...headers })(exchange)
  }

export const html =
  (code = 200): Behaviour =>
  (exchange) =>
    answer(exchange, code, "<html><body>Bad gateway</body></html>", { "content-type": "text/html" })

export const empty = (): Behaviour => (exchange) => answer(exchange, 200, "", json)

export const noContent = (): Behaviour => (exchange) => exchange.response.writeHead(204).end()

export const redirect =
  (location: string): Behaviour =>
  (exchange) =>
    answer(exchange, 301, "", { location })

/** Half of the JSON, correctly framed. */
export const truncatedJson = (): Behaviour => (exchange) => {
  const { body } = good(exchange, {})
  answer(exchange, 200, body.slice(0, body.length / 2), json)
}

const halfBody = (exchange: Exchange): void => {
  const { body } = good(exchange, {})
  exchange.response.writeHead(200, { ...json, "content-length": Buffer.byteLength(body) })
  exchange.response.write(body.slice(0, body.length / 2))
}

export const resetBeforeHeaders = (): Behaviour => (exchange) => exchange.request.socket.resetAndDestroy()

/** The pause lets the half arrive: a reset discards what the peer has not read yet. */
export const resetMidBody = (): Behaviour => (exchange) => {
  halfBody(exchange)
  exchange.after(20, () => exchange.request.socket.resetAndDestroy())
}

/** FIN in the middle of the body. */
export const endMidBody = (): Behaviour => (exchange) => {
  halfBody(exchange)
  exchange.after(20, () => exchange.request.socket.destroy())
}

export const hang = (): Behaviour => () => {}

export const hangMidBody = (): Behaviour => halfBody

/** A good answer, `bytes` at a time, without a content-length. */
export const drip =
  (bytes: number, everyMs: number, options: Good = {}): Behaviour =>
  (exchange) => {
    const body = Buffer.from(good(exchange, options).body)
    exchange.response.writeHead(200, json)
    const next = (from: number): void => {
      exchange.response.write(body.subarray(from, from + bytes))
      if (from + bytes >= body.length) exchange.response.end()
      else exchange.after(everyMs, () => next(from + bytes))
    }
    next(0)
  }

/** Compressed although nobody asked. */
export const gzip =
  (code = 200): Behaviour =>
  (exchange) =>
    answer(exchange, code, gzipSync(good(exchange, {}).body), { ...json, "content-encoding": "gzip" })

/** A good answer whose text has this many bytes. */
export const hugeBody = (bytes: number): Behaviour => ok({ text: "x".repeat(bytes) })

/** Bytes as they are, then FIN. For what `node:http` refuses to send. */
export const raw =
  (bytes: string): Behaviour =>
  ({ request }) => {
    request.socket.end(bytes, "latin1")
  }

const head = (header: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n${header}\r\n\r\n{}`

export const hugeHeader = (bytes: number): Behaviour => raw(head(`x-huge: ${"x".repeat(bytes)}`))

/** A bare CR inside a header value. */
export const crHeader = (): Behaviour => raw(head("x-bad: a\rx-smuggled: b"))
