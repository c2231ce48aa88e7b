import { Clock, Effect } from "effect"
import type { Dispatcher } from "undici"
import { monotonicMsUnsafe } from "../../platform/monotonic.ts"
import type { Outcome } from "./Outcome.ts"

/** A chat completion, ready to be sent again and again. */
export interface Question {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly stream: boolean
}

const LAST_EVENT = "data: [DONE]"

interface Heard {
  readonly status: number
  readonly firstTokenMs: number | null
  readonly whole: boolean
}

/** Reads an answer to its end; of a stream it keeps when data first came, and whether the last event did. */
const ask = async (
  dispatcher: Dispatcher,
  question: Question,
  signal: AbortSignal,
  nowMs: () => number,
): Promise<Heard> => {
  const { statusCode, body } = await dispatcher.request({
    path: question.path,
    method: "POST",
    headers: question.headers,
    body: question.body,
    signal,
  })
  let firstTokenMs: number | null = null
  let tail = ""
  for await (const chunk of body) {
    // The body of a request without an encoding is in buffers.
    tail = (tail + (chunk as Buffer).toString("latin1")).slice(-256)
    if (firstTokenMs === null && tail.includes("data:")) firstTokenMs = nowMs()
  }
  return {
    status: statusCode,
    firstTokenMs: question.stream ? firstTokenMs : null,
    whole: !question.stream || tail.includes(LAST_EVENT),
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection cut",
  UND_ERR_SOCKET: "connection cut",
  ENOTFOUND: "unknown host",
  EAI_AGAIN: "unknown host",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
}

/** Returns a few words for what went wrong below HTTP. */
const failureOf = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  return WORDS[code] ?? (code || (cause instanceof Error ? cause.message : "failed"))
}

/**
 * Returns an effect that asks once. It never fails: an answer that takes longer than `timeoutMs` is given up and is an
 * outcome like any other.
 */
export const makeQuestioner = (
  dispatcher: Dispatcher,
  question: Question,
  timeoutMs: number,
): Effect.Effect<Outcome> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const nowMs = () => monotonicMsUnsafe(clock)
    return Effect.tryPromise({
      try: (signal) => ask(dispatcher, question, signal, nowMs),
      catch: failureOf,
    }).pipe(
      Effect.map(({ status, firstTokenMs, whole }) => ({
        status,
        firstTokenMs,
        failure: status < 200 || status > 299 ? `HTTP ${status}` : whole ? null : "cut stream",
      })),
      Effect.timeoutOrElse({ duration: timeoutMs, orElse: () => Effect.fail("no answer in time") }),
      Effect.catch((failure) => Effect.succeed({ status: null, firstTokenMs: null, failure })),
      Effect.map((outcome) => ({ ...outcome, endedMs: nowMs() })),
    )
  })
