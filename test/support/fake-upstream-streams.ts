import { claudeEvent } from "./fake-upstream-anthropic.ts"
import { type Behaviour, type Exchange, type Good, said, stream } from "./fake-upstream-behaviours.ts"
import { errorSamples } from "./fake-upstream-errors.ts"
import { sseEvent } from "./fake-upstream-gemini.ts"
import { sse } from "./fake-upstream-openai.ts"
import { goodEvents } from "./fake-upstream-wire.ts"

const END =
  /finish_?reason":"|\[DONE\]|"choices":\[\]|"type":"response\.(\w+\.)?(done|completed|incomplete)"|^event: (content_block_stop|message_delta|message_stop)/i

/**
 * Events before the first piece of a text: a role; two of the response, one of its item and one of its part; the start of a
 * message, of its block, and a ping.
 */
const BEFORE_PIECES = { openai: 1, responses: 4, gemini: 0, anthropic: 3, unknown: 0 }

/**
 * Streams that go wrong, or that are odd. `pieces` counts events with a piece of the text; OpenAI's role event comes
 * before them and is not counted. Where the text has fewer, all of them are sent, and never a finish.
 */
const start = (
  pieces: number,
  options: Good,
  after: (exchange: Exchange) => void,
  more: (exchange: Exchange) => ReadonlyArray<string> = () => [],
): Behaviour => {
  return (exchange) => {
    const { asked } = exchange
    const words = said(exchange, options)
    const events = goodEvents(asked, words)
    const unfinished = events.filter((event) => !END.test(event))
    const kept = unfinished.slice(0, BEFORE_PIECES[asked.shape] + pieces)
    stream(exchange, [...kept, ...more(exchange)], options, () => after(exchange))
  }
}

/** The socket stays open. */
export const streamThenHang = (pieces: number, options: Good = {}): Behaviour =>
  start(pieces, options, () => {})

/** A proper end of the body, but no terminal event. */
export const streamThenEnd = (pieces: number, options: Good = {}): Behaviour =>
  start(pieces, options, ({ response }) => response.end())

/** The pause lets the events arrive: a reset discards what the peer has not read yet. */
export const streamThenReset = (pieces: number, options: Good = {}): Behaviour =>
  start(pieces, options, ({ after, request }) => after(20, () => request.socket.resetAndDestroy()))

/** FIN in the middle of the body. */
export const streamThenCut = (pieces: number, options: Good = {}): Behaviour =>
  start(pieces, options, ({ after, request }) => after(20, () => request.socket.destroy()))

/** `error` is the whole data of the event, in the words of whoever was asked by default. The body ends after it. */
export const streamThenError = (pieces: number, error?: unknown, options: Good = {}): Behaviour =>
  start(
    pieces,
    options,
    ({ response }) => response.end(),
    ({ asked }) =>
      asked.shape === "gemini"
        ? [sseEvent(error ?? errorSamples.overloaded.gemini.body)]
        : asked.shape === "anthropic"
          ? [claudeEvent({ type: "error", ...Object(error ?? errorSamples.overloaded.anthropic.body) })]
          : [sse(error ?? errorSamples.overloaded.openai.body)],
  )

/** Not even a role before it. */
export const errorFirstFrame =
  (error: unknown = errorSamples.overloaded.openai.body): Behaviour =>
  (exchange) =>
    stream(exchange, [sse(error)], {}, () => exchange.response.end())

export const roleThenReset = (): Behaviour => streamThenReset(0)

/** Headers, and then nothing. */
export const silentStream = (): Behaviour => (exchange) => stream(exchange, [], {}, () => {})

/** A comment now and again, and nothing else for as long as the caller stays. */
export const commentsOnly =
  (everyMs: number): Behaviour =>
  (exchange) => {
    const comment = (): void => {
      exchange.response.write(": still there\n\n")
      exchange.after(everyMs, comment)
    }
    stream(exchange, [], {}, comment)
  }

/**
 * Events of this size as fast as the socket takes them, until the caller leaves. `bytesStreamed` of the call stands
 * still when the socket takes no more.
 */
export const endless =
  (bytesPerEvent: number): Behaviour =>
  (exchange) => {
    const { asked, response } = exchange
    const [role = "", piece = ""] = goodEvents(asked, {
      text: "x".repeat(4),
      tokens: null,
      finish: "length",
      toolCalls: [],
    })
    const event = (asked.shape === "openai" ? piece : role).replace(
      "xxxx",
      "x".repeat(Math.max(1, bytesPerEvent - piece.length + 4)),
    )
    const write = (): void => {
      while (!response.destroyed) {
        const room = response.write(event)
        exchange.streamed(event)
        if (!room) break
      }
    }
    response.on("drain", write)
    stream(exchange, asked.shape === "openai" ? [role] : [], {}, write)
  }

/** These slices, each a write of its own with a turn of the event loop between them; then the end of the body. */
export const rawStream =
  (slices: ReadonlyArray<string | Uint8Array>, contentType = "text/event-stream"): Behaviour =>
  (exchange) => {
    const { response } = exchange
    response.writeHead(200, { "content-type": contentType })
    response.flushHeaders()
    const send = (index: number): void => {
      const slice = slices[index]
      if (slice === undefined) {
        response.end()
        return
      }
      response.write(slice)
      exchange.after(1, () => send(index + 1))
    }
    send(0)
  }

/** A good stream under a content type that is not one. */
export const mislabelledStream =
  (contentType = "text/plain"): Behaviour =>
  (exchange) =>
    stream(
      exchange,
      goodEvents(exchange.asked, said(exchange, {})),
      { headers: { "content-type": contentType } },
      () => exchange.response.end(),
    )

/** A good stream with what OpenAI may invent in between: named events, unknown fields and objects, comments. */
export const oddStream =
  (options: Good = {}): Behaviour =>
  (exchange) => {
    const [role = "", ...others] = goodEvents(exchange.asked, said(exchange, options))
    const odd = [
      ": a comment\n\n",
      'event: invented.event\ndata: {"delta":"not for you"}\n\n',
      "event: invented.event\ndata: not even JSON\n\n",
      'id: 7\nretry: 1000\ndata: {"object":"invented.object","deep":{"field":[1,null]}}\n\n',
      sse({ object: "chat.completion.chunk", choices: [], prompt_filter_results: [{ prompt_index: 0 }] }),
    ]
    stream(exchange, [...odd, role.replace("{", '{"invented":{"by":"them"},'), ...others], options, () =>
      exchange.response.end(),
    )
  }
