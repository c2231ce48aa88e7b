import { Result } from "effect"
import type { ChatMessage, ChatRequest } from "../../domain/Chat.ts"
import { isObject } from "../../platform/json.ts"
import { malformed, present, unsupported } from "./lowering.ts"
import type { LoweringFault } from "./Protocol.ts"

/**
 * How much a client wants a model to think, for protocols with words of their own for it: as tokens; as an effort; as much as
 * the model likes, or only between calls of tools, with what is said of the effort beside it; or nothing said.
 */
export type WantedThinking =
  | { readonly _tag: "Tokens"; readonly tokens: number; readonly display?: Display }
  | { readonly _tag: "Effort"; readonly effort: WantedEffort }
  | { readonly _tag: "Adaptive"; readonly effort?: WantedEffort; readonly display?: Display }
  | { readonly _tag: "BetweenTools"; readonly effort?: WantedEffort }
  | undefined

type Display = "summarized" | "omitted"

const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const
export type WantedEffort = (typeof efforts)[number]

/** Reads Anthropic's `thinking` and OpenAI's `reasoning_effort`; the former decides where it says how much. */
export const readThinking = (request: ChatRequest): Result.Result<WantedThinking, LoweringFault> => {
  const thinking = present(request.thinking)
  const effort = Result.map(readEffort(present(request.reasoning_effort)), (read) =>
    read === undefined ? {} : { effort: read },
  )
  if (thinking === undefined) {
    return Result.map(effort, ({ effort: wanted }) =>
      wanted === undefined ? undefined : { _tag: "Effort", effort: wanted },
    )
  }
  if (!isObject(thinking)) return Result.fail(malformed("thinking", "thinking is an object."))
  const { type, budget_tokens: tokens, display } = thinking
  const shown: { readonly display?: Display } =
    display === "summarized" || display === "omitted" ? { display } : {}
  switch (type) {
    case "disabled":
      return Result.succeed({ _tag: "Effort", effort: "none" })
    case "between_tools":
      return Result.map(effort, (said) => ({ _tag: "BetweenTools", ...said }))
    case "adaptive":
      return Result.map(effort, (said) => ({ _tag: "Adaptive", ...said, ...shown }))
    case "enabled":
      if (tokens === undefined) return Result.map(effort, (said) => ({ _tag: "Adaptive", ...said, ...shown }))
      return typeof tokens === "number" && Number.isInteger(tokens) && tokens > 0
        ? Result.succeed({ _tag: "Tokens", tokens, ...shown })
        : Result.fail(malformed("thinking.budget_tokens", "budget_tokens is a positive integer."))
    default:
      return Result.fail(
        typeof type === "string"
          ? unsupported("thinking", "This type of thinking is")
          : malformed("thinking.type", "The type is missing."),
      )
  }
}

const readEffort = (effort: unknown): Result.Result<WantedEffort | undefined, LoweringFault> => {
  if (effort === undefined) return Result.succeed(undefined)
  const known = efforts.find((each) => each === effort)
  if (known !== undefined) return Result.succeed(known)
  return Result.fail(
    typeof effort === "string"
      ? unsupported("reasoning_effort", "This effort is")
      : malformed("reasoning_effort", "reasoning_effort is a text."),
  )
}

/** Tells whether a model is to think at all. */
export const asksToThink = (
  wanted: { readonly _tag: string; readonly effort?: WantedEffort } | undefined,
): boolean => wanted !== undefined && wanted.effort !== "none"

/** Names the field in which a client says so. */
export const thinkingField = (request: ChatRequest): string =>
  present(request.thinking) === undefined ? "reasoning_effort" : "thinking"

/** Leaves out thoughts that a model had in its content: Mistral's, and Claude's where others pass them on without a signature. */
export const withoutThoughts = (content: ChatMessage["content"]): ChatMessage["content"] =>
  Array.isArray(content)
    ? content.filter((part) => !["thinking", "redacted_thinking", "reasoning"].includes(part?.type))
    : content
