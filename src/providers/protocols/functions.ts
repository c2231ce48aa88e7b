import { Result } from "effect"
import type { ChatRequest } from "../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, stringAt } from "../../platform/json.ts"
import { malformed, present, unsupported } from "./lowering.ts"
import type { LoweringFault } from "./Protocol.ts"

/** The functions of a chat and how they may be called, for protocols with words of their own for both. */
interface Functions {
  readonly declared: ReadonlyArray<DeclaredFunction>
  readonly choice: Choice
  /** The client wants one call at a time. */
  readonly isSerial: boolean
}

export interface DeclaredFunction {
  /** As the provider takes it. */
  readonly name: string
  readonly description: string | undefined
  /** A JSON schema. */
  readonly parameters: JsonObject | undefined
  /** The tool as it came. */
  readonly tool: JsonObject
}

export interface Choice {
  readonly mode: "auto" | "required" | "none"
  /** Functions that it leaves; all when undefined. */
  readonly only?: ReadonlySet<string>
}

/** Returns the name under which a provider knows a function; undefined for one that it cannot have. */
type ToName = (stated: string) => string | undefined

/** Reads the tools and how they may be called. Functions are the only tools that other protocols know too. */
export const readFunctions = (
  request: ChatRequest,
  toName: ToName,
): Result.Result<Functions, LoweringFault> => {
  const tools = present(request.tools) ?? []
  if (!Array.isArray(tools)) return Result.fail(malformed("tools", "tools is a list."))
  const declared: Array<DeclaredFunction> = []
  for (const [index, tool] of tools.entries()) {
    const one = declaration(tool, `tools[${index}]`, toName)
    if (Result.isFailure(one)) return Result.fail(one.failure)
    declared.push(one.success)
  }
  const choice = readChoice(present(request.tool_choice), toName)
  if (Result.isFailure(choice)) return Result.fail(choice.failure)
  const { mode, only } = choice.success
  if (declared.length === 0 && (mode === "required" || only !== undefined)) {
    return Result.fail(malformed("tool_choice", "tool_choice needs tools."))
  }
  const parallel = present(request.parallel_tool_calls)
  // Without tools it says nothing.
  if (declared.length > 0 && parallel !== undefined && typeof parallel !== "boolean") {
    return Result.fail(malformed("parallel_tool_calls", "parallel_tool_calls is true or false."))
  }
  return Result.succeed({ declared, choice: choice.success, isSerial: parallel === false })
}

const declaration = (
  tool: unknown,
  path: string,
  toName: ToName,
): Result.Result<DeclaredFunction, LoweringFault> => {
  if (!isObject(tool)) return Result.fail(malformed(path, "A tool is an object."))
  if (tool.type !== "function") {
    return Result.fail(
      typeof tool.type === "string"
        ? unsupported(path, "Tools other than functions are")
        : malformed(`${path}.type`, "The type of the tool is missing."),
    )
  }
  const declared = objectAt(tool, "function")
  const name = nameIn(declared, `${path}.function.name`, toName)
  if (Result.isFailure(name)) return Result.fail(name.failure)
  const parameters = present(declared?.parameters)
  if (parameters !== undefined && !isObject(parameters)) {
    return Result.fail(malformed(`${path}.function.parameters`, "Parameters are a JSON schema."))
  }
  const description = stringAt(declared, "description")
  return Result.succeed({ name: name.success, description, parameters, tool })
}

/** A call of an earlier turn. */
interface ReadCall {
  readonly id: string | undefined
  /** As the provider takes it. */
  readonly name: string
  /** As the model wrote them, mostly JSON. */
  readonly args: unknown
}

/** Reads a call that a model made in an earlier turn. */
export const readCall = (
  call: unknown,
  path: string,
  toName: ToName,
): Result.Result<ReadCall, LoweringFault> => {
  if (!isObject(call)) return Result.fail(malformed(path, "A tool call is an object."))
  if (call.type !== "function" && present(call.type) !== undefined) {
    return Result.fail(unsupported(path, "Calls of tools other than functions are"))
  }
  const called = objectAt(call, "function")
  return Result.map(nameIn(called, `${path}.function.name`, toName), (name) => ({
    id: stringAt(call, "id"),
    name,
    args: called?.arguments,
  }))
}

const nameIn = (
  named: JsonObject | undefined,
  path: string,
  toName: ToName,
): Result.Result<string, LoweringFault> => {
  const stated = stringAt(named, "name")
  if (stated === undefined) return Result.fail(malformed(path, "The name is missing."))
  const name = toName(stated)
  return name === undefined
    ? Result.fail(unsupported(path, "This name of a function is"))
    : Result.succeed(name)
}

const readChoice = (choice: unknown, toName: ToName): Result.Result<Choice, LoweringFault> => {
  switch (choice) {
    case undefined:
      return Result.succeed({ mode: "auto" })
    case "auto":
    case "none":
    case "required":
      return Result.succeed({ mode: choice })
  }
  if (typeof choice === "string") return Result.fail(unsupported("tool_choice", "This tool_choice is"))
  if (!isObject(choice)) {
    return Result.fail(malformed("tool_choice", "tool_choice is a text or an object."))
  }
  switch (choice.type) {
    case "function":
      return only("required", [choice], toName)
    case "allowed_tools":
      return readAllowed(choice, toName)
    default:
      return Result.fail(
        typeof choice.type === "string"
          ? unsupported("tool_choice", "This tool_choice is")
          : malformed("tool_choice.type", "The type is missing."),
      )
  }
}

const readAllowed = (choice: JsonObject, toName: ToName): Result.Result<Choice, LoweringFault> => {
  const allowed = objectAt(choice, "allowed_tools")
  const tools = allowed?.tools
  if (!Array.isArray(tools) || tools.length === 0) {
    return Result.fail(malformed("tool_choice.allowed_tools.tools", "The list of tools is missing or empty."))
  }
  switch (allowed?.mode) {
    case "auto":
    case "required":
      return only(allowed.mode, tools, toName)
    default:
      return Result.fail(
        typeof allowed?.mode === "string"
          ? unsupported("tool_choice.allowed_tools.mode", "This mode is")
          : malformed("tool_choice.allowed_tools.mode", "The mode is missing."),
      )
  }
}

const only = (
  mode: Choice["mode"],
  tools: ReadonlyArray<unknown>,
  toName: ToName,
): Result.Result<Choice, LoweringFault> => {
  const names = new Set<string>()
  for (const tool of tools) {
    if (isObject(tool) && typeof tool.type === "string" && tool.type !== "function") {
      return Result.fail(unsupported("tool_choice", "Tools other than functions are"))
    }
    const stated = isObject(tool) ? stringAt(objectAt(tool, "function"), "name") : undefined
    if (stated === undefined)
      return Result.fail(malformed("tool_choice", "The name of a function is missing."))
    const name = toName(stated)
    if (name === undefined) return Result.fail(unsupported("tool_choice", "This name of a function is"))
    names.add(name)
  }
  return Result.succeed({ mode, only: names })
}
