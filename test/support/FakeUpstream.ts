import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { claudeCountFault, claudeRequestFault } from "./claude-request.ts"
import { type Behaviour, ok, status } from "./fake-upstream-behaviours.ts"
import { geminiRequestFault } from "./fake-upstream-gemini.ts"
import { type Asked, readCall, type Tokens } from "./fake-upstream-wire.ts"
import { chatRequestFault, responsesRequestFault } from "./openai-request.ts"
import { scaled } from "./slowness.ts"

/**
 * A provider on loopback that does as a test tells it: OpenAI's, Gemini's and Claude's shapes on one port, one behaviour
 * per call (see fake-upstream-behaviours.ts and fake-upstream-streams.ts), and a record of everything that reached
 * it and of what it streamed.
 *
 * Queued behaviours serve the next calls in order; after them `respond` decides. Without any, every call is `ok`.
 */
export class FakeUpstream {
  /** In a scope: `const upstream = yield* FakeUpstream.make`. */
  static readonly make: Effect.Effect<FakeUpstream, never, Scope.Scope> = Effect.acquireRelease(
    Effect.promise(() => FakeUpstream.start()),
    (upstream) => Effect.promise(() => upstream.stop()),
  )

  static async start(): Promise<FakeUpstream> {
    const upstream = new FakeUpstream()
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve))
    return upstream
  }

  /** The first 10,000; `count` goes on. */
  readonly calls: Array<RecordedCall> = []
  count = 0
  readonly sockets = { opened: 0, closed: 0 }
  /** What good answers, sent to their end, were sold for, by model. */
  readonly billed = new Map<string, { calls: number; input: number; output: number }>()

  readonly #server: Server
  readonly #queue: Array<Behaviour> = []
  #behaviour: Behaviour = ok()
  readonly #watchers = new Set<() => void>()

  private constructor() {
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) =>
      this.#serve(request, response),
    )
    this.#server.on("connection", (socket: Socket) => {
      this.sockets.opened++
      socket.on("error", () => {})
      socket.on("close", () => {
        this.sockets.closed++
        this.#changed()
      })
      this.#changed()
    })
  }

  /** Origin; the base URL of Gemini and of Claude. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get openAiBaseUrl(): string {
    return `${this.url}/v1`
  }

  enqueue(...behaviours: ReadonlyArray<Behaviour>): void {
    this.#queue.push(...behaviours)
  }

  /** For every call that finds the queue empty. */
  respond(behaviour: Behaviour): void {
    this.#behaviour = behaviour
  }

  /** Forgets scripts and records; connections stay. */
  reset(): void {
    this.#queue.length = 0
    this.#behaviour = ok()
    this.calls.length = 0
    this.count = 0
    this.billed.clear()
  }

  /** Resolves as soon as the record satisfies `condition`; rejects when it does not in time. */
  async until(condition: (upstream: FakeUpstream) => boolean, timeoutMs = 2000): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = () => condition(this) && resolve()
    const timer = setTimeout(
      () => reject(new Error(`not within ${scaled(timeoutMs)} ms: ${condition}`)),
      scaled(timeoutMs),
    )
    this.#watchers.add(check)
    check()
    await promise.finally(() => {
      clearTimeout(timer)
      this.#watchers.delete(check)
    })
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #changed(): void {
    for (const check of this.#watchers) check()
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Array<Buffer> = []
    request.on("error", () => {})
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const call = new RecordedCall(request, Buffer.concat(chunks))
      this.count++
      if (this.calls.length < 10_000) this.calls.push(call)
      const timers = new Set<NodeJS.Timeout>()
      response.on("close", () => {
        for (const timer of timers) clearTimeout(timer)
        call.outcome = response.writableFinished ? "answered" : "lost"
        this.#changed()
      })
      const behaviour = refusal(call) ?? this.#queue.shift() ?? this.#behaviour
      this.#changed()
      behaviour({
        asked: call.asked,
        request,
        response,
        after: (ms, action) => {
          const timer = setTimeout(() => {
            timers.delete(timer)
            action()
          }, ms)
          timers.add(timer)
        },
        bill: (tokens) => this.#bill(call.asked.model, tokens),
        streamed: (event) => {
          call.bytesStreamed += Buffer.byteLength(event)
          if (call.bytesStreamed < 1_000_000) call.streamed.push(event)
          this.#changed()
        },
      })
    })
  }

  #bill(model: string, tokens: Tokens): void {
    const total = this.billed.get(model) ?? { calls: 0, input: 0, output: 0 }
    total.calls++
    total.input += tokens.input
    total.output += tokens.output
    this.billed.set(model, total)
  }
}

/** What no script makes good: a route that does not exist, a body that its vendor would not take. */
const refusal = ({
  asked: { shape, json, model, operation },
  headers,
}: RecordedCall): Behaviour | undefined => {
  switch (shape) {
    case "unknown":
      return openAiRefusal(404, "no such route")
    case "anthropic": {
      const fault = operation === "count" ? claudeCountFault : claudeRequestFault
      const message = fault(json, String(headers["anthropic-beta"]))
      return message === undefined
        ? undefined
        : status(400, { type: "error", error: { type: "invalid_request_error", message } })
    }
    case "gemini": {
      const message = geminiRequestFault(json, model)
      return message === undefined
        ? undefined
        : status(400, { error: { code: 400, message, status: "INVALID_ARGUMENT" } })
    }
    case "openai":
      return operation === "embedding" ? undefined : openAiRefusal(400, chatRequestFault(json))
    case "responses":
      return openAiRefusal(400, responsesRequestFault(json))
  }
}

const openAiRefusal = (code: number, message: string | undefined): Behaviour | undefined =>
  message === undefined
    ? undefined
    : status(code, { error: { message, type: "invalid_request_error", param: null, code: null } })

/** One request as it arrived. */
class RecordedCall {
  readonly method: string
  readonly path: string
  /** As sent: names and values in turn, case and order kept. */
  readonly rawHeaders: ReadonlyArray<string>
  readonly headers: Readonly<IncomingMessage["headers"]>
  readonly body: Buffer
  /** Undefined when the body was no JSON. */
  readonly json: unknown
  readonly asked: Asked
  /** `lost`: the connection ended, by either side, before the answer was complete. */
  outcome: "pending" | "answered" | "lost" = "pending"
  /** Events handed to the socket, whoever ended the stream: the first megabyte, while `bytesStreamed` goes on. */
  readonly streamed: Array<string> = []
  bytesStreamed = 0

  constructor(request: IncomingMessage, body: Buffer) {
    this.method = request.method ?? ""
    this.path = request.url ?? ""
    this.rawHeaders = request.rawHeaders
    this.headers = request.headers
    this.body = body
    try {
      this.json = JSON.parse(body.toString())
    } catch {
      this.json = undefined
    }
    this.asked = readCall(this.path, this.json)
  }
}
