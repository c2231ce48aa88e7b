import { Result } from "effect"
import type { ModelConfig } from "../../../catalog/model.ts"
import { type ChatRequest, type FinishReason, maxOutputTokens } from "../../../domain/Chat.ts"
import type { Usage } from "../../../domain/Usage.ts"
import { isObject, objectAt } from "../../../platform/json.ts"
import { promptTokens, type Spoken, speak } from "../../../tokens/count.ts"
import type { SimulatedFailure } from "./embeddings.ts"
import { simulatedInstance } from "./instance.ts"
import { simulatedString } from "./string.ts"
import { calledTools, type SimulatedTool } from "./tools.ts"

export interface SimulatedAnswer {
  readonly choices: ReadonlyArray<SimulatedChoice>
  readonly usage: Usage
}

export interface SimulatedChoice {
  /** Pieces of the text; null beside calls. */
  readonly content: ReadonlyArray<string> | null
  readonly calls: ReadonlyArray<SimulatedCall>
  readonly finishReason: FinishReason
  readonly tokens: number
}

export interface SimulatedCall {
  readonly id: string
  readonly type: SimulatedTool["type"]
  readonly name: string
  /** Pieces of a function's arguments, or of another tool's input. */
  readonly input: ReadonlyArray<string>
}

/** The most tokens of an answer, over all its choices. */
const MAX_TOKENS = 65_536

/**
 * Answers a chat: with calls of tools, an instance of the schema asked for, or a text. `textTokens` is the length of the
 * first text; further choices have others. Refuses what no model could do.
 */
export const answerTo = (
  request: ChatRequest,
  model: ModelConfig,
  id: string,
  textTokens: number,
): Result.Result<SimulatedAnswer, SimulatedFailure> =>
  Result.map(calledTools(request), (tools) => {
    const inputTokens = promptTokens(request)
    const n = typeof request.n === "number" ? request.n : 1
    const limit = Math.min(
      maxOutputTokens(request) ?? MAX_TOKENS,
      model.maxOutputTokens ?? MAX_TOKENS,
      Math.floor(MAX_TOKENS / n),
    )
    const choose = chooser(request, tools, inputTokens, limit)
    const choices = Array.from({ length: n }, (_, index) =>
      choose(`${id}${index.toString(36).padStart(2, "0")}`, nthLength(textTokens, index)),
    )
    const outputTokens = choices.reduce((sum, { tokens }) => sum + tokens, 0)
    return {
      choices,
      usage: { inputTokens, outputTokens, cachedTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 },
    }
  })

/** Texts have as many tokens as this, and up to the span more. */
const MIN_TEXT = 60
const TEXT_SPAN = 91

/** Turns a draw into the length of a text. */
export const textLength = (draw: number): number => MIN_TEXT + Math.floor(draw * TEXT_SPAN)

/** Returns the length of a further text, which another one shall be. */
const nthLength = (first: number, nth: number): number =>
  MIN_TEXT + ((first - MIN_TEXT + 17 * nth) % TEXT_SPAN)

/** Prepares what all choices have in common. */
const chooser = (
  request: ChatRequest,
  tools: ReadonlyArray<SimulatedTool>,
  inputTokens: number,
  limit: number,
): ((id: string, textTokens: number) => SimulatedChoice) => {
  if (tools.length > 0) return callsOf(tools, limit)
  const schema = schemaOf(request.response_format)
  if (schema !== undefined) {
    const choice = textChoice(sayInstance(schema, limit), request)
    return () => choice
  }
  return (_, textTokens) => textChoice(sayText(inputTokens, textTokens, limit), request)
}

const callsOf = (tools: ReadonlyArray<SimulatedTool>, limit: number) => {
  let left = limit
  const calls: Array<Omit<SimulatedCall, "id">> = []
  let whole = true
  for (const { type, name, input } of tools) {
    if (!whole) break
    left = Math.max(0, left - speak(name).tokens)
    const spoken =
      type === "function"
        ? sayInstance(input, left)
        : speak(simulatedString(input, 0, { left: 20_000 }), left)
    calls.push({ type, name, input: spoken.pieces })
    left -= spoken.tokens
    whole = spoken.whole
  }
  return (id: string): SimulatedChoice => ({
    content: null,
    calls: calls.map((call, index) => ({ id: `call_${id}${index}`, ...call })),
    finishReason: whole ? "tool_calls" : "length",
    tokens: limit - left,
  })
}

/** Makes a choice of a text, up to where the client wants it to stop. */
const textChoice = (spoken: Spoken, { stop }: ChatRequest): SimulatedChoice => {
  const { pieces, tokens, whole } = untilStop(spoken, typeof stop === "string" ? [stop] : (stop ?? []))
  return { content: pieces, calls: [], finishReason: whole ? "stop" : "length", tokens }
}

const untilStop = (spoken: Spoken, stops: ReadonlyArray<string>): Spoken => {
  if (stops.length === 0) return spoken
  const text = spoken.pieces.join("")
  const found = stops.map((stop) => (stop === "" ? -1 : text.indexOf(stop))).filter((at) => at >= 0)
  return found.length === 0 ? spoken : speak(text.slice(0, Math.min(...found)))
}

/** Returns the schema of the JSON asked for, if any is. */
const schemaOf = (format: unknown): unknown => {
  if (!isObject(format)) return undefined
  if (format.type === "json_object") return ANY_OBJECT
  return format.type === "json_schema" ? (objectAt(format, "json_schema")?.schema ?? ANY_OBJECT) : undefined
}

const ANY_OBJECT = {
  type: "object",
  properties: {
    simulated: { const: true },
    message: { const: "No model was asked: this answer comes from the gateway's simulated provider." },
  },
}

const sayInstance = (schema: unknown, limit: number): Spoken => {
  const { json, whole } = simulatedInstance(schema)
  const spoken = speak(json, limit)
  return { ...spoken, whole: whole && spoken.whole }
}

const MARK = "[simulated]"

interface Phrases {
  readonly mark: ReadonlyArray<string>
  readonly before: ReadonlyArray<string>
  readonly after: ReadonlyArray<string>
  readonly filler: ReadonlyArray<string>
}

let known: Phrases | undefined
const phrases = (): Phrases => {
  known ??= {
    mark: speak(MARK).pieces,
    before: speak(
      " No model was asked: this answer comes from the gateway's simulated provider. Your prompt had about ",
    ).pieces,
    after: speak(" tokens.").pieces,
    filler: speak(" The words that follow only fill the length of a usual answer.").pieces,
  }
  return known
}

/** Says a text of so many tokens: the mark first, whole under any limit, and nothing of the prompt. */
const sayText = (inputTokens: number, wanted: number, limit: number): Spoken => {
  const { mark, before, after, filler } = phrases()
  const tokens = Math.min(wanted, limit)
  const whole = wanted <= limit
  if (tokens < mark.length) return { pieces: [MARK], tokens, whole }
  const pieces = [...mark, ...before, ...(String(inputTokens).match(/\d{1,3}/g) ?? []), ...after]
  while (pieces.length < tokens) pieces.push(...filler)
  return { pieces: pieces.slice(0, tokens), tokens, whole }
}
