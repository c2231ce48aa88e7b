import type { FunctionDeclaration } from "@google/genai"
import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../../platform/json.ts"
import { malformed, present, unsupported } from "../lowering.ts"
import type { LoweringFault } from "../Protocol.ts"
import { toGeminiName } from "./gemini-name.ts"
import type { FunctionCalling, GenerateContentBody } from "./wire.ts"

type ToolSettings = Pick<GenerateContentBody, "tools" | "toolConfig">

/** Lowers the tools and how they may be called. Functions are the only tools that both sides know. */
export const lowerTools = (request: ChatRequest): Result.Result<ToolSettings, LoweringFault> => {
  const tools = present(request.tools) ?? []
  if (!Array.isArray(tools)) return Result.fail(malformed("tools", "tools is a list."))
  const functionDeclarations: Array<FunctionDeclaration> = []
  for (const [index, tool] of tools.entries()) {
    const declared = declaration(tool, `tools[${index}]`)
    if (Result.isFailure(declared)) return Result.fail(declared.failure)
    functionDeclarations.push(declared.success)
  }
  const calling = lowerChoice(present(request.tool_choice))
  if (Result.isFailure(calling)) return Result.fail(calling.failure)
  if (functionDeclarations.length === 0) {
    return calling.success === undefined || calling.success.mode === "NONE"
      ? Result.succeed({})
      : Result.fail(malformed("tool_choice", "tool_choice needs tools."))
  }
  const parallel = present(request.parallel_tool_calls)
  if (parallel !== undefined && typeof parallel !== "boolean") {
    return Result.fail(malformed("parallel_tool_calls", "parallel_tool_calls is true or false."))
  }
  return Result.succeed({
    tools: [{ functionDeclarations }],
    ...(calling.success !== undefined && { toolConfig: { functionCallingConfig: calling.success } }),
  })
}

const declaration = (tool: unknown, path: string): Result.Result<FunctionDeclaration, LoweringFault> => {
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
  const name = toGeminiName(stated)
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
    // `{}` is OpenAI's way to say that there are none.
    ...(parameters !== undefined &&
      Object.keys(parameters).length > 0 && { parametersJsonSchema: parameters }),
  })
}

/** Lowers a tool choice. Undefined: the model decides, which is the default of both. */
const lowerChoice = (choice: unknown): Result.Result<FunctionCalling | undefined, LoweringFault> => {
  switch (choice) {
    case undefined:
    case "auto":
      return Result.succeed(undefined)
    case "none":
      return Result.succeed({ mode: "NONE" })
    case "required":
      return Result.succeed({ mode: "ANY" })
  }
  if (typeof choice === "string") return Result.fail(unsupported("tool_choice", "This tool_choice is"))
  if (!isObject(choice)) {
    return Result.fail(malformed("tool_choice", "tool_choice is a text or an object."))
  }
  switch (choice.type) {
    case "function":
      return only("ANY", [choice])
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

const lowerAllowed = (choice: JsonObject): Result.Result<FunctionCalling, LoweringFault> => {
  const allowed = objectAt(choice, "allowed_tools")
  const tools = allowed?.tools
  if (!Array.isArray(tools) || tools.length === 0) {
    return Result.fail(malformed("tool_choice.allowed_tools.tools", "The list of tools is missing or empty."))
  }
  switch (allowed?.mode) {
    case "auto":
      // Text or one of these functions; Gemini's AUTO takes no names.
      return only("VALIDATED", tools)
    case "required":
      return only("ANY", tools)
    default:
      return Result.fail(
        typeof allowed?.mode === "string"
          ? unsupported("tool_choice.allowed_tools.mode", "This mode is")
          : malformed("tool_choice.allowed_tools.mode", "The mode is missing."),
      )
  }
}

const only = (
  mode: FunctionCalling["mode"],
  tools: ReadonlyArray<unknown>,
): Result.Result<FunctionCalling, LoweringFault> => {
  const names: Array<string> = []
  for (const tool of tools) {
    if (isObject(tool) && typeof tool.type === "string" && tool.type !== "function") {
      return Result.fail(unsupported("tool_choice", "Tools other than functions are"))
    }
    const stated = isObject(tool) ? stringAt(objectAt(tool, "function"), "name") : undefined
    if (stated === undefined)
      return Result.fail(malformed("tool_choice", "The name of a function is missing."))
    const name = toGeminiName(stated)
    if (name === undefined) return Result.fail(unsupported("tool_choice", "This name of a function is"))
    names.push(name)
  }
  return Result.succeed({ mode, allowedFunctionNames: names })
}
