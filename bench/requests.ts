/** The requests of the benchmark, each as bytes with what its answer must hold. */
import { BURST_MODEL, CLAUDE_MODEL, HELD_MODEL, MARKERS_IN_ANSWER, MODEL, PACED_MODEL } from "./answers.ts"
import type { Request } from "./connection.ts"

/** Where and as whom to ask: a subject's path and headers. */
export interface Address {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** A POST of a JSON body, and what its answer must be. */
export const post = ({ path, headers }: Address, body: object, expected: Omit<Request, "bytes">): Request => {
  const json = JSON.stringify(body)
  const head = [
    `POST ${path} HTTP/1.1`,
    "host: 127.0.0.1",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(json)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  return { bytes: Buffer.from(`${head.join("\r\n")}\r\n\r\n${json}`), ...expected }
}

const SENTENCE = "What is the capital of France? Answer in one sentence. "
/** A prompt of about so many bytes. */
export const text = (bytes: number): string =>
  SENTENCE.repeat(Math.ceil(bytes / SENTENCE.length)).slice(0, Math.max(bytes, SENTENCE.length))

/** A chat completion whose body has about so many bytes; `fields` are more of it. */
export const chat = (address: Address, bodyBytes: number, fields: object = {}): Request =>
  post(
    address,
    { model: MODEL, messages: [{ role: "user", content: text(bodyBytes - 80) }], ...fields },
    { markers: MARKERS_IN_ANSWER, stream: false },
  )

/** The same as a request of Messages, to a provider that speaks them itself. */
export const messages = (headers: Address["headers"], bodyBytes: number): Request =>
  post(
    { path: "/v1/messages", headers },
    { model: CLAUDE_MODEL, max_tokens: 500, messages: [{ role: "user", content: text(bodyBytes - 110) }] },
    { markers: MARKERS_IN_ANSWER, stream: false },
  )

/** A stream of so many pieces of the same. */
export const messageStream = (headers: Address["headers"], pieces: number): Request =>
  post(
    { path: "/v1/messages", headers },
    {
      model: CLAUDE_MODEL,
      messages: [{ role: "user", content: text(800) }],
      max_tokens: pieces,
      stream: true,
    },
    { markers: pieces, stream: true },
  )

type Pace = "at once" | "paced" | "held" | "in one piece"
const MODELS: Readonly<Record<Pace, string>> = {
  "at once": MODEL,
  paced: PACED_MODEL,
  held: HELD_MODEL,
  "in one piece": BURST_MODEL,
}

/** A streamed chat completion of so many pieces. */
export const stream = (address: Address, pieces: number, pace: Pace): Request =>
  post(
    address,
    {
      model: MODELS[pace],
      messages: [{ role: "user", content: text(800) }],
      max_tokens: pieces,
      stream: true,
    },
    { markers: pieces, stream: true },
  )

/** `POST /infer`, whose body has one prompt. */
export const infer = (headers: Address["headers"], bodyBytes: number): Request =>
  post(
    { path: "/infer", headers },
    { model: MODEL, prompt: text(bodyBytes - 50) },
    { markers: MARKERS_IN_ANSWER, stream: false },
  )
