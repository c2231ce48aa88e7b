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
/** A model of a provider that speaks Messages. */
export const CLAUDE_MODEL = "bench-claude"
export const MS_BETWEEN_PACED = 20

const usage = (completion_tokens: number) => ({
  prompt_tokens: 12,
  completion_tokens,
  total_tokens: 12 + completion_tokens,
})

/** An API's answers. */
export interface Form {
  readonly answer: Buffer
  readonly opening: Buffer
  readonly piece: Buffer
  /** Everything after the last piece, in one write. */
  readonly closing: (pieces: number) => Buffer
}

const TEXT = `${MARKER} paris `.repeat(MARKERS_IN_ANSWER).trim()

const whole = (body: string): Buffer =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )

export const streamHead = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
)
const END = Buffer.from("0\r\n\r\n")

const event = (lines: string): Buffer => {
  const text = `${lines}\n\n`
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
}

// --- chat completions

/** The body of a whole chat completion. */
export const answerBody = JSON.stringify({
  id: "chatcmpl-bench",
  object: "chat.completion",
  created: 1_700_000_000,
  model: MODEL,
  choices: [{ index: 0, message: { role: "assistant", content: TEXT }, finish_reason: "stop" }],
  usage: usage(MARKERS_IN_ANSWER),
})

const chunk = (fields: object): Buffer =>
  event(
    `data: ${JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: MODEL,
      system_fingerprint: "fp_bench",
      ...fields,
    })}`,
  )
const delta = (content: object, finish_reason: string | null = null): Buffer =>
  chunk({ choices: [{ index: 0, delta: content, logprobs: null, finish_reason }], usage: null })

export const chatForm: Form = {
  answer: whole(answerBody),
  opening: delta({ role: "assistant", content: "" }),
  piece: delta({ content: ` ${MARKER}` }),
  closing: (pieces) =>
    Buffer.concat([
      delta({}, "stop"),
      chunk({ choices: [], usage: usage(pieces) }),
      event("data: [DONE]"),
      END,
    ]),
}

// --- Messages

const message = {
  id: "msg_bench",
  type: "message",
  role: "assistant",
  model: MODEL,
  stop_reason: "end_turn",
  stop_sequence: null,
}
const counts = (output_tokens: number) => ({
  input_tokens: 12,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens,
})
const named = (type: string, fields: object = {}): Buffer =>
  event(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}`)

export const messagesForm: Form = {
  answer: whole(
    JSON.stringify({
      ...message,
      content: [{ type: "text", text: TEXT }],
      usage: counts(MARKERS_IN_ANSWER),
    }),
  ),
  opening: Buffer.concat([
    named("message_start", { message: { ...message, content: [], stop_reason: null, usage: counts(1) } }),
    named("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
  ]),
  piece: named("content_block_delta", { index: 0, delta: { type: "text_delta", text: ` ${MARKER}` } }),
  closing: (pieces) =>
    Buffer.concat([
      named("content_block_stop", { index: 0 }),
      named("message_delta", {
        delta: { stop_reason: "end_turn", stop_sequence: null },
        usage: counts(pieces),
      }),
      named("message_stop"),
      END,
    ]),
}
