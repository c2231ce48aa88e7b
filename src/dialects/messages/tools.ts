import { isObject, type JsonObject } from "../../platform/json.ts"
import { hintsOf, textAt } from "./blocks.ts"
import type { Mistakes } from "./mistake.ts"

/** Tools and how they may be called, in chat's words. */
export const lowerTools = ({ tools, tool_choice: choice }: JsonObject, mistakes: Mistakes): JsonObject => {
  if (tools != null && !Array.isArray(tools)) mistakes.add(["tools"], "Expected a list")
  const chosen = choice == null ? {} : lowerChoice(choice, mistakes)
  // Without tools these say nothing, and some servers refuse them.
  if (tools == null || (Array.isArray(tools) && tools.length === 0)) {
    return chosen.tool_choice === "auto" || chosen.tool_choice === "none" ? {} : chosen
  }
  return {
    ...(Array.isArray(tools) && { tools: tools.map((tool, index) => lowerTool(tool, index, mistakes)) }),
    ...chosen,
  }
}

/** The client's own tools are functions; one that the vendor runs or defines stays what it is, for who knows it. */
const lowerTool = (tool: unknown, index: number, mistakes: Mistakes): unknown => {
  const path = ["tools", index]
  if (!isObject(tool)) {
    mistakes.add(path, "Expected an object")
    return tool
  }
  if (tool.type != null && tool.type !== "custom") return tool
  const { description, input_schema: parameters, strict } = tool
  if (!isObject(parameters)) mistakes.add([...path, "input_schema"], "Expected a JSON schema")
  return {
    type: "function",
    function: {
      name: textAt(tool, "name", path, mistakes),
      ...(description != null && { description }),
      parameters,
      ...(strict != null && { strict }),
    },
    ...hintsOf(tool),
  }
}

const lowerChoice = (choice: unknown, mistakes: Mistakes): JsonObject => {
  const path = ["tool_choice"]
  if (!isObject(choice)) {
    mistakes.add(path, "Expected an object")
    return {}
  }
  const parallel = choice.disable_parallel_tool_use === true ? { parallel_tool_calls: false } : {}
  switch (choice.type) {
    case "auto":
      return { tool_choice: "auto", ...parallel }
    case "any":
      return { tool_choice: "required", ...parallel }
    case "tool": {
      const name = textAt(choice, "name", path, mistakes)
      return { tool_choice: { type: "function", function: { name } }, ...parallel }
    }
    case "none":
      return { tool_choice: "none" }
    default:
      mistakes.add([...path, "type"], "Expected auto, any, tool or none")
      return {}
  }
}
