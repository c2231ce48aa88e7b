import { createServer, type Server } from "node:http"

/** Takes whatever telemetry is sent and keeps its bodies. */
export class OtlpCollector {
  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector()
    await new Promise<void>((resolve) => collector.#server.listen(0, "127.0.0.1", resolve))
    return collector
  }

  readonly received: Array<{ readonly path: string; readonly body: string }> = []
  readonly #server: Server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text
    })
    request.on("error", () => {})
    request.on("end", () => {
      this.received.push({ path: request.url ?? "", body })
      response.setHeader("content-type", "application/json").end("{}")
    })
  })

  get url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${address === null || typeof address === "string" ? 0 : address.port}`
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }
}
