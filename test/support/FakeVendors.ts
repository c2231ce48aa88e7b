import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Preset } from "../../src/catalog/preset.ts"
import { presets } from "../../src/catalog/vendors.ts"

/** What a vendor answers, from its documents: `test/fixtures/vendors/<preset>.json`. */
interface VendorFixture {
  readonly source: string
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
}

interface Refusal {
  readonly status: number
  readonly body: unknown
}

export const GOOD_KEY = "good-key-of-tests"
export const NO_MODEL = "no-such-model"
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
      const found = vendorFixtures.find(({ preset }) => request.url?.startsWith(`/${preset.name}/`))
      if (found === undefined) return this.#stray(request, response)
      const path =
        request.url?.slice(new URL(this.baseUrl(found.preset)).pathname.replace(/\/$/, "").length) ?? ""
      const { fixture, preset } = found
      const header = preset.kind === "gemini" ? "x-goog-api-key" : (preset.keyHeader ?? "authorization")
      const value = header === "authorization" ? `Bearer ${GOOD_KEY}` : GOOD_KEY
      if (fixture.refusedKey !== undefined && request.headers[header] !== value) {
        return json(response, fixture.refusedKey)
      }
      if (request.method === "GET") {
        if (path === preset.keyPath) return json(response, { status: 200, body: { data: {} } })
        if (path === "/models") return json(response, { status: 200, body: fixture.models })
        return this.#stray(request, response)
      }
      const body = JSON.parse(Buffer.concat(chunks).toString()) as {
        model?: string
        stream?: boolean
        stream_options?: unknown
      }
      const [, model = "", method = ""] =
        preset.modelPath === undefined
          ? ["", body.model, path]
          : (/^\/([^/:]+):(.+)$/.exec(path.slice(preset.modelPath.length)) ?? [])
      const methods = {
        "/chat/completions": body.stream === true,
        generateContent: false,
        "streamGenerateContent?alt=sse": true,
      }
      const streams = new Map(Object.entries(methods)).get(method)
      if (streams === undefined) return this.#stray(request, response)
      if (model === NO_MODEL) return json(response, fixture.unknownModel)
      if (fixture.refusedStreamOptions !== undefined && body.stream_options !== undefined) {
        this.refused.push(preset.name)
        return json(response, fixture.refusedStreamOptions)
      }
      if (!streams) return json(response, { status: 200, body: fixture.whole })
      response.writeHead(200, { "content-type": "text/event-stream" })
      const events = fixture.stream.map((data) => JSON.stringify(data))
      const end = preset.kind === "gemini" ? [] : ["[DONE]"]
      response.end([...events, ...end].map((data) => `data: ${data}\n\n`).join(""))
    })
  }

  #stray({ method, url }: IncomingMessage, response: ServerResponse): void {
    this.strays.push(`${method} ${url}`)
    json(response, { status: 404, body: { error: "no such path" } })
  }
}

const json = (response: ServerResponse, { status, body }: Refusal): void => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
}
