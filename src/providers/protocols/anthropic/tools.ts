import type { Tool, ToolChoice } from "@anthropic-ai/sdk/resources/messages"
import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../../platform/json.ts"
import { malformed, present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { toClaudeName } from "./calls.ts"
import { cacheMark } from "./content-blocks.ts"
import type { CommonBody } from "./wire.ts"

export type ToolSettings = Pick<CommonBody, "tools" | "tool_choice">

/** A choice, and the functions that it leaves; all when undefined. */
interface Choice {
  readonly type: "auto" | "any" | "none"
  readonly only?: ReadonlySet<string>
}

/** Lowers the tools and how they may be called. Functions are the only tools that both sides know. */
export const lowerTools = (request: ChatRequest): Result.Result<ToolSettings, LoweringFault> => {
  const listed = present(request.tools) ?? []
  if (!Array.isArray(listed)) return Result.fail(malformed("tools", "tools is a list."))
  const declared: Array<Tool> = []
  for (const [index, tool] of listed.entries()) {
    const one = declaration(tool, `tools[${index}]`)
    if (Result.isFailure(one)) return Result.fail(one.failure)
    declared.push(one.success)
  }
  const choice = lowerChoice(present(request.tool_choice))
  if (Result.isFailure(choice)) return Result.fail(choice.failure)
  const { only, type } = choice.success
  if (declared.length === 0) {
    return type === "any" || only !== undefined
      ? Result.fail(malformed("tool_choice", "tool_choice needs tools."))
      : Result.succeed({})
  }
  const parallel = present(request.parallel_tool_calls)
  if (parallel !== undefined && typeof parallel !== "boolean") {
    return Result.fail(malformed("parallel_tool_calls", "parallel_tool_calls is true or false."))
  }
  const tools = only === undefined ? declared : declared.filter(({ name }) => only.has(name))
  if (tools.length === 0) return Result.fail(malformed("tool_choice", "tool_choice names no tool of tools."))
  const toolChoice = choiceOf(type, only, parallel === false)
  return Result.succeed({ tools, ...(toolChoice !== undefined && { tool_choice: toolChoice }) })
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

/** Returns the choice; undefined: the model decides, which is the default of both. */
const choiceOf = (
  type: Choice["type"],
  only: Choice["only"],
  oneAtATime: boolean,
): ToolChoice | undefined => {
  if (type === "none") return { type }
  const alone = oneAtATime ? { disable_parallel_tool_use: true } : {}
  const [name, ...others] = only ?? []
  if (type === "any" && name !== undefined && others.length === 0) return { type: "tool", name, ...alone }
  return type === "auto" && !oneAtATime ? undefined : { type, ...alone }
}

const declaration = (tool: unknown, path: string): Result.Result<Tool, LoweringFault> => {
  if (!isObject(tool)) return Result.fail(malformed(path, "A tool is an object."))
  if (tool.type !== "function") {
    return Result.fail(
      typeof tool.type === "string"
        ? unsupported(path, "Tools other than functions are")
        : malformed(`${path}.type`, "The type of the tool is missing."),
    )
  }
  const declared = objectAt(tool, "function")
  const stated = stringAt(declared, "name")
  if (stated === undefined) return Result.fail(malformed(`${path}.function.name`, "The name is missing."))
  const name = toClaudeName(stated)
  if (name === undefined)
    return Result.fail(unsupported(`${path}.function.name`, "This name of a function is"))
  const description = stringAt(declared, "description")
  const parameters = present(declared?.parameters)
  if (parameters !== undefined && !isObject(parameters)) {
    return Result.fail(malformed(`${path}.function.parameters`, "Parameters are a JSON schema."))
  }
  return Result.succeed({
    name,
    ...(description !== undefined && { description }),
    // Claude wants to be told that it is an object, which it always is.
    input_schema: { ...parameters, type: "object" },
    ...cacheMark(declared ?? {}),
    ...cacheMark(tool),
  })
}

const lowerChoice = (choice: unknown): Result.Result<Choice, LoweringFault> => {
  switch (choice) {
    case undefined:
    case "auto":
      return Result.succeed({ type: "auto" })
    case "none":
      return Result.succeed({ type: "none" })
    case "required":
      return Result.succeed({ type: "any" })
  }
  if (typeof choice === "string") return Result.fail(unsupported("tool_choice", "This tool_choice is"))
  if (!isObject(choice)) {
    return Result.fail(malformed("tool_choice", "tool_choice is a text or an object."))
  }
  switch (choice.type) {
    case "function":
      return only("any", [choice])
    case "allowed_tools":
      return lowerAllowed(choice)
    default:
      return Result.fail(
        typeof choice.type === "string"
          ? unsupported("tool_choice", "This tool_choice is")
          : malformed("tool_choice.type", "The type is missing."),
      )
  }
}

const lowerAllowed = (choice: JsonObject): Result.Result<Choice, LoweringFault> => {
  const allowed = objectAt(choice, "allowed_tools")
  const tools = allowed?.tools
  if (!Array.isArray(tools) || tools.length === 0) {
    return Result.fail(malformed("tool_choice.allowed_tools.tools", "The list of tools is missing or empty."))
  }
  switch (allowed?.mode) {
    case "auto":
      return only("auto", tools)
    case "required":
      return only("any", tools)
    default:
      return Result.fail(
        typeof allowed?.mode === "string"
          ? unsupported("tool_choice.allowed_tools.mode", "This mode is")
          : malformed("tool_choice.allowed_tools.mode", "The mode is missing."),
      )
  }
}

const only = (type: Choice["type"], tools: ReadonlyArray<unknown>): Result.Result<Choice, LoweringFault> => {
  const names = new Set<string>()
  for (const tool of tools) {
    if (isObject(tool) && typeof tool.type === "string" && tool.type !== "function") {
      return Result.fail(unsupported("tool_choice", "Tools other than functions are"))
    }
    const stated = isObject(tool) ? stringAt(objectAt(tool, "function"), "name") : undefined
    if (stated === undefined)
      return Result.fail(malformed("tool_choice", "The name of a function is missing."))
    const name = toClaudeName(stated)
    if (name === undefined) return Result.fail(unsupported("tool_choice", "This name of a function is"))
    names.add(name)
  }
  return Result.succeed({ type, only: names })
}
