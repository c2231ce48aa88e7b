import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Preset } from "../../src/catalog/preset.ts"
import { presets } from "../../src/catalog/vendors.ts"

/** What a vendor answers, from its documents: `test/fixtures/vendors/<preset>.json`. */
interface VendorFixture {
  readonly source: string
  /** Where the vendor is asked and how, as its documents have it and not as its row says. */
  readonly wire: {
    /** Header field, with `{key}` in it. */
    readonly key?: string
    /** Paths of both kinds of chats, with `{model}` in it where it is there. */
    readonly whole: string
    readonly stream: string
    readonly models?: string
    /** What tells of a key; the list of models is then open to everybody. */
    readonly keyInfo?: string
  }
  readonly whole: object
  /** Data of the events; `[DONE]` follows where the protocol has it. */
  readonly stream: ReadonlyArray<object>
  /** What the gateway has to read from both. */
  readonly usage: {
    readonly inputTokens: number
    readonly outputTokens: number
    readonly cachedTokens: number
  }
  /** In dollars, where the vendor reports it. */
  readonly cost?: number
  readonly refusedKey?: Refusal
  readonly unknownModel: Refusal
  readonly refusedStreamOptions?: Refusal
  /** The list of models, where a key opens one. */
  readonly models?: unknown
  /** What it speaks besides, and what it says then. */
  readonly dialects?: { readonly [Name in OtherDialect]?: DialectFixture }
}

export type OtherDialect = "messages" | "responses"

/** A vendor's endpoint of another dialect, from its documents. */
interface DialectFixture {
  readonly path: string
  /** Header field, with `{key}` in it. */
  readonly key?: string
  /** A model that is served there. */
  readonly model: string
  readonly usage: VendorFixture["usage"]
  readonly cost?: number
  /** What of a request of Codex's kind reaches the vendor. */
  readonly sends?: object
  /** Fields that it refuses. */
  readonly refuses?: ReadonlyArray<string>
  readonly whole: object
  /** Data of the events, each of which has its `type` for a name. */
  readonly stream: ReadonlyArray<{ readonly type: string }>
  readonly unknownModel: Refusal
}

interface Refusal {
  readonly status: number
  readonly body: unknown
}

export const GOOD_KEY = "good-key-of-tests"
export const NO_MODEL = "no-such-model"
/** Ends the names of models that are not there, and that only the endpoint of a dialect is asked for. */
export const NO_SUCH = "-none"
export const TEXT = "Hello! How can I help?"

export const vendorFixtures: ReadonlyArray<{ readonly preset: Preset; readonly fixture: VendorFixture }> =
  presets.map((preset) => ({
    preset,
    fixture: JSON.parse(
      readFileSync(new URL(`../fixtures/vendors/${preset.name}.json`, import.meta.url), "utf8"),
    ) as VendorFixture,
  }))

/** The model that is asked for: the vendor's of `auto`, or one of its owner's. */
export const modelOf = ({ auto }: Preset): string => auto[0] ?? "m"

/** Variables that turn every vendor on that the environment alone can, all of them at the fakes. */
export const vendorEnvironment = (fakes: FakeVendors): Record<string, string> =>
  Object.fromEntries(
    presets.flatMap((preset) => [
      [preset.baseUrlEnv, fakes.baseUrl(preset)],
      ...(preset.apiKeyEnv === undefined ? [] : [[preset.apiKeyEnv, GOOD_KEY]]),
    ]),
  )

/** All vendors on one loopback port, each under its name, and a list of the requests that came to no path of theirs. */
export class FakeVendors {
  readonly strays: Array<string> = []
  /** Vendors that were sent `stream_options` and do not take them. */
  readonly refused: Array<string> = []
  /** Bodies of the requests in other dialects, as they came. */
  readonly asked: Array<string> = []
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => this.#serve(request, response))
  }

  static async start(): Promise<FakeVendors> {
    const fakes = new FakeVendors()
    await new Promise<void>((resolve) => fakes.#server.listen(0, "127.0.0.1", resolve))
    return fakes
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** The address that stands in the row, moved here. */
  baseUrl(preset: Preset): string {
    const { port } = this.#server.address() as AddressInfo
    const path = preset.baseUrl.replace(/^(https?:\/\/[^/]*|\{\w+\})/, "")
    return `http://127.0.0.1:${port}/${preset.name}${path}`
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const [, name = "", path = ""] = /^\/(\w+)(\/.*)$/.exec(request.url ?? "") ?? []
      const fixture = vendorFixtures.find(({ preset }) => preset.name === name)?.fixture
      if (fixture === undefined) return this.#stray(request, response)
      const other = Object.values(fixture.dialects ?? {}).find((dialect) => dialect.path === path)
      if (other !== undefined) {
        return this.#serveDialect(request, response, other, fixture, Buffer.concat(chunks).toString())
      }
      const { wire } = fixture
      const isOpen = wire.keyInfo !== undefined && path === wire.models
      if (fixture.refusedKey !== undefined && !isOpen && !hasKey(request, wire.key)) {
        return json(response, fixture.refusedKey)
      }
      if (request.method === "GET" && path === wire.models) {
        return json(response, { status: 200, body: fixture.models })
      }
      if (request.method === "GET" && path === wire.keyInfo) {
        return json(response, { status: 200, body: { data: { label: "tests" } } })
      }
      if (request.method !== "POST") return this.#stray(request, response)
      const body = JSON.parse(Buffer.concat(chunks).toString()) as ChatBody
      const model = body.model ?? /\/([^/:]+):\w+/.exec(path)?.[1] ?? ""
      const [whole, stream] = [wire.whole, wire.stream].map(
        (known) => known.replace("{model}", model) === path,
      )
      const streams = whole && stream ? body.stream === true : stream
      if (!whole && !stream) return this.#stray(request, response)
      if (model === NO_MODEL) return json(response, fixture.unknownModel)
      if (fixture.refusedStreamOptions !== undefined && body.stream_options !== undefined) {
        this.refused.push(name)
        return json(response, fixture.refusedStreamOptions)
      }
      if (!streams) return json(response, { status: 200, body: fixture.whole })
      response.writeHead(200, { "content-type": "text/event-stream" })
      const events = fixture.stream.map((data) => JSON.stringify(data))
      const end = wire.whole === wire.stream ? ["[DONE]"] : []
      response.end([...events, ...end].map((data) => `data: ${data}\n\n`).join(""))
    })
  }

  #serveDialect(
    request: IncomingMessage,
    response: ServerResponse,
    { key, refuses = [], stream, unknownModel, whole }: DialectFixture,
    { refusedKey }: VendorFixture,
    said: string,
  ): void {
    const body = JSON.parse(said) as ChatBody
    this.asked.push(said)
    const refused = refuses.find((field) => field in body)
    if (refusedKey !== undefined && !hasKey(request, key)) json(response, refusedKey)
    else if (body.model?.endsWith(NO_SUCH)) json(response, unknownModel)
    else if (refused !== undefined) {
      const error = { message: `property '${refused}' is unsupported`, type: "invalid_request_error" }
      json(response, { status: 400, body: { error } })
    } else if (body.stream === true) {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.end(eventsOf(stream))
    } else json(response, { status: 200, body: whole })
  }

  #stray({ method, url }: IncomingMessage, response: ServerResponse): void {
    this.strays.push(`${method} ${url}`)
    json(response, { status: 404, body: { error: "no such path" } })
  }
}

/** The text of a stream whose events have names. */
export const eventsOf = (stream: DialectFixture["stream"]): string =>
  stream.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`).join("")

interface ChatBody {
  readonly model?: string
  readonly stream?: boolean
  readonly stream_options?: unknown
}

const hasKey = ({ headers }: IncomingMessage, field = ""): boolean => {
  const [name = "", value = ""] = field.split(": ")
  return headers[name] === value.replace("{key}", GOOD_KEY)
}

const json = (response: ServerResponse, { status, body }: Refusal): void => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
}
