import type { IncomingMessage, ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"
import { type ErrorSample, errorSamples, type Trouble } from "./fake-upstream-errors.ts"
import {
  type Asked,
  countTokens,
  type Finish,
  goodAnswer,
  goodEvents,
  type Said,
  type Tokens,
  type ToolCall,
} from "./fake-upstream-wire.ts"

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
  /** Notes an event that was handed to the socket. */
  readonly streamed: (event: string) => void
}

export interface Good {
  /** Before the calls, when there are any. Default: none with calls, and otherwise `echo: ` and the prompt. */
  readonly text?: string
  /** Of the model, before what it says. */
  readonly thought?: string
  readonly toolCalls?: ReadonlyArray<ToolCall>
  /** Default: counted from the texts. Null = the answer carries no usage. */
  readonly usage?: Tokens | null
  /** Before the headers. */
  readonly delayMs?: number
  /** Of a stream: from its headers to its first event, and between events. */
  readonly firstMs?: number
  readonly msBetween?: number
  readonly finish?: Finish
  /** Added to, or instead of, the usual ones. */
  readonly headers?: Headers
}

type Headers = Readonly<Record<string, string>>

const answer = (exchange: Exchange, status: number, body: string | Buffer, headers: Headers): void => {
  exchange.response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers }).end(body)
}

const json = { "content-type": "application/json" }

export const said = ({ asked }: Exchange, options: Good): Said => {
  const toolCalls = options.toolCalls ?? []
  const text = options.text ?? (toolCalls.length > 0 ? "" : `echo: ${asked.prompt}`)
  const output = toolCalls.length > 0 ? JSON.stringify(toolCalls) : text
  const counted = {
    input: countTokens(asked.prompt),
    output: asked.operation === "embedding" ? 0 : countTokens(output),
  }
  const tokens = options.usage === undefined ? counted : options.usage
  return { text, tokens, finish: options.finish ?? "stop", toolCalls, thought: options.thought }
}

const goodBody = (exchange: Exchange, options: Good = {}): string =>
  JSON.stringify(goodAnswer(exchange.asked, said(exchange, options)))

/** A good answer, streamed when a stream was asked for; the only behaviour that bills, at its end. */
export const ok =
  (options: Good = {}): Behaviour =>
  (exchange) =>
    later(exchange, options.delayMs, () => {
      const words = said(exchange, options)
      if (exchange.asked.operation === "stream") {
        stream(exchange, goodEvents(exchange.asked, words), options, () => {
          if (words.tokens !== null) exchange.bill(words.tokens)
          exchange.response.end()
        })
        return
      }
      if (words.tokens !== null) exchange.bill(words.tokens)
      answer(exchange, 200, JSON.stringify(goodAnswer(exchange.asked, words)), {
        ...json,
        ...options.headers,
      })
    })

/** Whole or streamed, whichever was asked for. */
export const toolCall = (name: string, args: ToolCall["args"], id?: string): Behaviour =>
  ok({ toolCalls: [{ name, args, ...(id !== undefined && { id }) }] })

/** The headers of a stream, these events at their pace, and then `end`. */
export const stream = (
  exchange: Exchange,
  events: ReadonlyArray<string>,
  pace: Pick<Good, "firstMs" | "msBetween" | "headers">,
  end: () => void,
): void => {
  const { response } = exchange
  response.writeHead(200, { "content-type": "text/event-stream", ...pace.headers })
  response.flushHeaders()
  const { msBetween } = pace
  const send = (from: number): void => {
    const until = msBetween === undefined ? events.length : from + 1
    for (const event of events.slice(from, until)) {
      response.write(event)
      exchange.streamed(event)
    }
    if (until >= events.length) end()
    else later(exchange, msBetween, () => send(until))
  }
  later(exchange, pace.firstMs, () => send(0))
}

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
    const { shape } = exchange.asked
    const words = shape === "gemini" || shape === "anthropic" ? shape : "openai"
    const sample: ErrorSample = errorSamples[trouble][words]
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
  const body = goodBody(exchange)
  answer(exchange, 200, body.slice(0, body.length / 2), json)
}

const halfBody = (exchange: Exchange): void => {
  const body = goodBody(exchange)
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
    const body = Buffer.from(goodBody(exchange, options))
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
    answer(exchange, code, gzipSync(goodBody(exchange)), { ...json, "content-encoding": "gzip" })

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
