import type { Tool, ToolChoice } from "@anthropic-ai/sdk/resources/messages"
import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { objectAt } from "../../../platform/json.ts"
import { type Choice, type DeclaredFunction, readFunctions } from "../functions.ts"
import { malformed } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { toClaudeName } from "./calls.ts"
import { cacheMark } from "./content-blocks.ts"
import type { CommonBody } from "./wire.ts"

export type ToolSettings = Pick<CommonBody, "tools" | "tool_choice">

/** Lowers the tools and how they may be called. */
export const lowerTools = (request: ChatRequest): Result.Result<ToolSettings, LoweringFault> =>
  Result.flatMap(readFunctions(request, toClaudeName), ({ choice, declared, isSerial }) => {
    if (declared.length === 0) return Result.succeed({})
    const { only } = choice
    const left = only === undefined ? declared : declared.filter(({ name }) => only.has(name))
    if (left.length === 0) {
      return Result.fail(malformed("tool_choice", "tool_choice names no tool of tools."))
    }
    const toolChoice = lowerChoice(choice, isSerial)
    return Result.succeed({
      tools: left.map(declaration),
      ...(toolChoice !== undefined && { tool_choice: toolChoice }),
    })
  })

const declaration = ({ description, name, parameters, tool }: DeclaredFunction): Tool => ({
  name,
  ...(description !== undefined && { description }),
  // Claude wants to be told that it is an object, which it always is.
  input_schema: { ...parameters, type: "object" },
  ...cacheMark(objectAt(tool, "function") ?? {}),
  ...cacheMark(tool),
})

/** Lowers a tool choice. Undefined: the model decides, which is the default of both. */
const lowerChoice = ({ mode, only }: Choice, isSerial: boolean): ToolChoice | undefined => {
  if (mode === "none") return { type: "none" }
  const alone = isSerial ? { disable_parallel_tool_use: true } : {}
  if (mode === "auto") return isSerial ? { type: "auto", ...alone } : undefined
  const [name, ...others] = only ?? []
  return name !== undefined && others.length === 0
    ? { type: "tool", name, ...alone }
    : { type: "any", ...alone }
}

/**
 * Declares the functions that were called in a conversation whose request has no tools (any more): without, Claude does not
 * take the calls.
 */
export const toolsOfHistory = (called: ReadonlySet<string>): ToolSettings =>
  called.size === 0
    ? {}
    : {
        tools: [...called].map((name) => ({ name, input_schema: { type: "object" } })),
        tool_choice: { type: "none" },
      }
