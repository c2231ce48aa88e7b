import type { Fault } from "../Protocol.ts"
import type { Said } from "./said.ts"

/** Says which other words of past turns a refusal asks for; undefined when it is about something else. */
export const refusedOfTurns = (status: number, { message, param }: Said): Fault["turns"] => {
  if (status !== 400 && status !== 422) return undefined
  const said = [param, message?.slice(0, 1000)].join(" ")
  if (MISSES_REASONING.test(said)) return "miss_reasoning"
  if (!REFUSES.test(said)) return undefined
  return REASONING.test(said) ? "have_reasoning" : OTHERS.test(said) ? "have_fields" : undefined
}

/** DeepSeek: "The reasoning_content in the thinking mode must be passed back to the API."; Kimi: "… is missing in …". */
const MISSES_REASONING =
  /\breasoning[_ ]content\b.{0,80}\b(missing|required|must be (passed|sent|provided|included|present|returned))\b|\bmust (include|have|contain)\b.{0,40}\breasoning[_ ]content\b/is

const REFUSES =
  /\b(unsupported|unexpected|unknown|unrecognized|invalid value|additional propert(y|ies)|not (yet )?(supported|permitted|allowed)|extra (inputs|fields))\b/i

/** A path into the messages, as Groq, Cerebras, Mistral and OpenAI have it. */
const IN_MESSAGES = /\bmessages\b.{0,100}?/.source

/** `reasoning` alone may be a field of the request. Mistral's thoughts and references are parts of the content. */
const REASONING = new RegExp(
  String.raw`\breasoning_(content|details)\b|${IN_MESSAGES}\breasoning\b|${IN_MESSAGES}['"\x60](thinking|reference)['"\x60]`,
  "is",
)

/** What answers have beside it, and clients send back as it came. */
const OTHERS = new RegExp(
  String.raw`${IN_MESSAGES}\b(annotations|audio|citations|executed_tools|extra_content|function_call|images|index|prefix|provider_specific_fields|refusal|thinking_blocks)\b`,
  "is",
)
