/** Answers of the mock upstream, encoded once, and how an answer is recognised wherever it arrives. */

/** A piece of text that occurs nowhere else: how often it arrived says whether an answer is complete. */
export const MARKER = "b3nchm4rk"

/** Markers in a whole answer, which makes its body about 1 KB. */
export const MARKERS_IN_ANSWER = 60

export const MODEL = "bench-model"
/** Models whose streams send a piece each 20 ms, and one piece and then nothing. */
export const PACED_MODEL = "bench-paced"
export const HELD_MODEL = "bench-held"
/** A model whose streams arrive in one piece: what they cost does not depend on how fast they are read. */
export const BURST_MODEL = "bench-burst"
export const MS_BETWEEN_PACED = 20

const usage = (completion_tokens: number) => ({
  prompt_tokens: 12,
  completion_tokens,
  total_tokens: 12 + completion_tokens,
})

/** The whole answer. */
export const answerBody = JSON.stringify({
  id: "chatcmpl-bench",
  object: "chat.completion",
  created: 1_700_000_000,
  model: MODEL,
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: `${MARKER} paris `.repeat(MARKERS_IN_ANSWER).trim() },
      finish_reason: "stop",
    },
  ],
  usage: usage(MARKERS_IN_ANSWER),
})

export const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(answerBody)}\r\n\r\n${answerBody}`,
)

const event = (data: string): Buffer => {
  const text = `data: ${data}\n\n`
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
}
const chunk = (fields: object): Buffer =>
  event(
    JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: MODEL,
      system_fingerprint: "fp_bench",
      ...fields,
    }),
  )
const delta = (content: object, finish_reason: string | null = null): Buffer =>
  chunk({ choices: [{ index: 0, delta: content, logprobs: null, finish_reason }], usage: null })

export const streamHead = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
)
export const streamOpening = delta({ role: "assistant", content: "" })
export const streamPiece = delta({ content: ` ${MARKER}` })

/** Everything after the last piece, in one write. */
export const streamClosing = (pieces: number): Buffer =>
  Buffer.concat([
    delta({}, "stop"),
    chunk({ choices: [], usage: usage(pieces) }),
    event("[DONE]"),
    Buffer.from("0\r\n\r\n"),
  ])
