import { isObject, type JsonObject } from "../../platform/json.ts"
import { hintsOf, textAt } from "./blocks.ts"
import type { Notes } from "./notes.ts"

/** Tools and how they may be called, in chat's words. */
export const lowerTools = ({ tools, tool_choice: choice }: JsonObject, notes: Notes): JsonObject => {
  if (tools != null && !Array.isArray(tools)) notes.refuse(["tools"], "Expected a list")
  const chosen = choice == null ? {} : lowerChoice(choice, notes)
  // Without tools these say nothing, and some servers refuse them.
  if (tools == null || (Array.isArray(tools) && tools.length === 0)) {
    return chosen.tool_choice === "auto" || chosen.tool_choice === "none" ? {} : chosen
  }
  return {
    ...(Array.isArray(tools) && { tools: tools.map((tool, index) => lowerTool(tool, index, notes)) }),
    ...chosen,
  }
}

/** The client's own tools are functions; one that the vendor runs or defines stays what it is, for who knows it. */
const lowerTool = (tool: unknown, index: number, notes: Notes): unknown => {
  const path = ["tools", index]
  if (!isObject(tool)) {
    notes.refuse(path, "Expected an object")
    return tool
  }
  if (tool.type != null && tool.type !== "custom") return notes.from(tool, path)
  for (const [field, asks] of beyond) if (asks(tool[field])) notes.drop([...path, field])
  const { description, input_schema: parameters, strict } = tool
  if (!isObject(parameters)) notes.refuse([...path, "input_schema"], "Expected a JSON schema")
  return notes.from(
    {
      type: "function",
      function: {
        name: textAt(tool, "name", path, notes),
        ...(description != null && { description }),
        parameters,
        ...(strict != null && { strict }),
      },
      ...hintsOf(tool),
    },
    path,
    { "function.strict": ["strict"] },
  )
}

/** What chat cannot say of a tool. */
const beyond: ReadonlyArray<readonly [field: string, asks: (value: unknown) => boolean]> = [
  ["input_examples", (examples) => Array.isArray(examples) && examples.length > 0],
  ["allowed_callers", (callers) => Array.isArray(callers) && callers.some((each) => each !== "direct")],
  ["defer_loading", (isDeferred) => isDeferred === true],
  ["eager_input_streaming", (isEager) => isEager === true],
]

const lowerChoice = (choice: unknown, notes: Notes): JsonObject => {
  const path = ["tool_choice"]
  if (!isObject(choice)) {
    notes.refuse(path, "Expected an object")
    return {}
  }
  const parallel = choice.disable_parallel_tool_use === true ? { parallel_tool_calls: false } : {}
  switch (choice.type) {
    case "auto":
      return { tool_choice: "auto", ...parallel }
    case "any":
      return { tool_choice: "required", ...parallel }
    case "tool": {
      const name = textAt(choice, "name", path, notes)
      return { tool_choice: { type: "function", function: { name } }, ...parallel }
    }
    case "none":
      return { tool_choice: "none" }
    default:
      notes.refuse([...path, "type"], "Expected auto, any, tool or none")
      return {}
  }
}
