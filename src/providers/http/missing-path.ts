import { parseJson } from "../../platform/json.ts"
import { envelope, readError } from "../protocols/openai-chat/said.ts"

/** Longer ones say more than that. */
const MAX_BYTES = 10_000

/**
 * Tells an answer of a server that has no such path from one of a model that it does not have: Ollama's, vLLM's and
 * llama.cpp's, OpenAI's and Groq's, LM Studio's, which comes with a 200, and that of servers made with Express.
 */
export const isMissingPath = (status: number, body: Buffer): boolean => {
  if (status === 405) return true
  if ((status !== 404 && status !== 200) || body.length > MAX_BYTES) return false
  const { message } = readError(envelope(parseJson(body.toString())))
  if (message === undefined) return status === 404
  return /^((file )?not found$|invalid url \(|unknown request url: |unexpected endpoint or method|cannot post \/)/i.test(
    message,
  )
}
