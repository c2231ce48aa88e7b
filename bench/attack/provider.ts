/** A provider in this process, for attacks on how the gateway bears one that misbehaves. */
import { createServer, type ServerResponse } from "node:http"
import { answerBody } from "../answers.ts"

export interface Provider {
  /** Its entry in the gateway's list of providers. */
  readonly entry: string
  /** Requests that it has received. */
  readonly calls: () => number
  readonly close: () => Promise<void>
}

/** The model that every provider here serves. */
export const ITS_MODEL = "attack-model"

/** Starts a provider that answers by `answer`, called with the body once it has arrived. */
export const startProvider = async (
  name: string,
  answer: (response: ServerResponse, body: string) => void,
): Promise<Provider> => {
  let calls = 0
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    response.on("error", () => {})
    request.on("error", () => {})
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      calls++
      answer(response, Buffer.concat(chunks).toString())
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  return {
    entry: `  - name: ${name}
    kind: openai-compatible
    base_url: http://127.0.0.1:${port}/v1
    models:
      - name: ${ITS_MODEL}
        price: { input_usd_per_1m: 1, output_usd_per_1m: 2, source: bench, as_of: 2026-01-01 }
`,
    calls: () => calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The provider that the gateway prefers: the one that it has asked more often. */
export const preferred = (one: Provider, other: Provider): Provider =>
  one.calls() >= other.calls() ? one : other

/** Answers after so many milliseconds with the mock's answer. */
export const answerLater = (response: ServerResponse, delayMs: number): void => {
  setTimeout(() => {
    response.setHeader("content-type", "application/json")
    response.end(answerBody)
  }, delayMs)
}
