import type { Content, Part } from "@google/genai"
import { isObject, objectAt, stringAt } from "../../../platform/json.ts"

/** Signatures of thoughts: opaque texts with which Gemini recognizes its own earlier turns. */

/**
 * The signatures that go out. `own`: those that the client sent. `complete`: those, and a stand-in for each call that
 * needs one and has none. `renewed`: the stand-in for every call, and no other. `none`: no signature at all.
 */
export type Signatures = "own" | "complete" | "renewed" | "none"

/** Google documents it for calls that Gemini did not make itself: without it, Gemini 3 refuses the history. */
const STAND_IN = "skip_thought_signature_validator"

/** Reads a signature where Google's own OpenAI-compatible API puts it: beside a call, a text or an image. */
export const signatureOf = (bearer: unknown): string | undefined =>
  isObject(bearer)
    ? stringAt(objectAt(objectAt(bearer, "extra_content"), "google"), "thought_signature")
    : undefined

/** Writes a signature to where `signatureOf` finds it when it comes back. */
export const extraContent = (signature: string) => ({ google: { thought_signature: signature } })

export type ExtraContent = ReturnType<typeof extraContent>

/** Returns contents with these signatures. `unsigned`: the calls among them that need one and have none. */
export const withSignatures = (
  contents: ReadonlyArray<Content>,
  unsigned: ReadonlySet<Part>,
  signatures: Signatures,
): ReadonlyArray<Content> => {
  if (signatures === "own") return contents
  const sign = (part: Part): Part => {
    if (signatures === "complete") return unsigned.has(part) ? { ...part, thoughtSignature: STAND_IN } : part
    const needed =
      part.functionCall !== undefined && (unsigned.has(part) || part.thoughtSignature !== undefined)
    if (signatures === "renewed" && needed) return { ...part, thoughtSignature: STAND_IN }
    const { thoughtSignature: _, ...bare } = part
    return bare
  }
  return contents.map((content) => ({ ...content, parts: (content.parts ?? []).map(sign) }))
}
