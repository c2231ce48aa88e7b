/** What is asked in the playground and what came of it. In memory alone: it outlasts the screen, and not who is signed in. */
import { computed, effect, type Signal, signal } from "@preact/signals"
import type { InferResponse as InferResponseSchema, InferStreamEvent } from "../src/api/InferApi.ts"
import { ApiError, refusalOf } from "./api.ts"
import { chosenKey } from "./chosen-key.ts"
import { session } from "./session.ts"
import { eventsOf } from "./sse.ts"

export type InferResponse = typeof InferResponseSchema.Type

interface Turn {
  readonly id: number
  readonly role: "user" | "assistant"
  readonly text: Signal<string>
}

let turnsMade = 0
export const newTurn = (role: Turn["role"], text = ""): Turn => ({
  id: turnsMade++,
  role,
  text: signal(text),
})

export const model = signal("auto")
export const system = signal("")
export const turns = signal<ReadonlyArray<Turn>>([newTurn("user")])
export const temperature = signal("")
export const maxTokens = signal("")
export const isStreamed = signal(true)

/** The body of the call, as it stands in the form. */
export const body = computed(() => ({
  model: model.value.trim() || "auto",
  messages: [
    ...(system.value === "" ? [] : [{ role: "system", content: system.value }]),
    ...turns.value.map(({ role, text }) => ({ role, content: text.value })),
  ],
  ...(temperature.value !== "" && { temperature: Number(temperature.value) }),
  ...(maxTokens.value !== "" && { max_tokens: Number(maxTokens.value) }),
  ...(isStreamed.value && { stream: true }),
}))

export interface Run {
  readonly state: "waiting" | "answering" | "answered" | "stopped" | "failed"
  readonly text: string
  readonly images: ReadonlyArray<string>
  /** As this page saw it, from when it was sent. */
  readonly firstMs?: number
  readonly lastMs?: number
  readonly requestId?: string
  readonly answer?: InferResponse
  readonly error?: ApiError
}

export const run = signal<Run | undefined>(undefined)
export const isRunning = computed(() => run.value?.state === "waiting" || run.value?.state === "answering")

let abort: AbortController | undefined

export const stop = (): void => abort?.abort()

/** Sends what stands in the form, and shows the answer while it comes. */
export const ask = async (): Promise<void> => {
  const own = new AbortController()
  abort?.abort()
  abort = own
  const sentAt = performance.now()
  const change = (changes: Partial<Run>): void => {
    if (abort === own && run.value !== undefined) run.value = { ...run.value, ...changes }
  }
  run.value = { state: "waiting", text: "", images: [] }
  try {
    const response = await fetch("/infer", {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": chosenKey.value },
      body: JSON.stringify({ ...body.value, explain: true }),
      signal: own.signal,
    })
    const requestId = response.headers.get("x-request-id")
    if (requestId !== null) change({ requestId })
    if (!response.ok) throw await refusalOf(response)
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true
    if (!isStream || response.body === null) finish(change, await response.json())
    else await readStream(response.body, change, sentAt)
    change({ state: "answered" })
  } catch (error) {
    change(own.signal.aborted ? { state: "stopped" } : { state: "failed", error: failureOf(error) })
  }
  change({ lastMs: performance.now() - sentAt })
}

const readStream = async (
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  change: (changes: Partial<Run>) => void,
  sentAt: number,
): Promise<void> => {
  let text = ""
  const images: Array<string> = []
  let firstMs: number | undefined
  for await (const data of eventsOf(stream)) {
    if (data === "[DONE]") return
    const event: typeof InferStreamEvent.Type = JSON.parse(data)
    if ("error" in event) {
      throw new ApiError(event.error.status, event.error.code, event.error.detail)
    }
    if ("output" in event) finish(change, event)
    else {
      firstMs ??= performance.now() - sentAt
      if ("delta" in event) text += event.delta
      else images.push(...event.images)
      change({ state: "answering", text, images: [...images], firstMs })
    }
  }
  throw new ApiError(0, "broken", "The answer broke off before its end.")
}

const finish = (change: (changes: Partial<Run>) => void, answer: InferResponse): void =>
  change({ answer, text: answer.output, images: answer.images ?? [], requestId: answer.request_id })

const failureOf = (error: unknown): ApiError =>
  error instanceof ApiError
    ? error
    : new ApiError(0, "unreachable", "The connection to the gateway broke. Is it still running?")

/** Goes on with what was answered. */
export const takeUpAnswer = (): Turn => {
  const next = newTurn("user")
  turns.value = [...turns.value, newTurn("assistant", run.value?.text ?? ""), next]
  return next
}

const startAnew = (): void => {
  stop()
  abort = undefined
  model.value = "auto"
  for (const field of [system, temperature, maxTokens]) field.value = ""
  turns.value = [newTurn("user")]
  isStreamed.value = true
  run.value = undefined
}

const operator = computed(() => session.value?.operator.name)
// Who signs in next does not read what was asked before.
effect(() => {
  operator.value
  startAnew()
})
