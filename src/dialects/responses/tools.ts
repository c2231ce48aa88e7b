import { isObject, type JsonObject, objectsAt } from "../../platform/json.ts"
import type { Beyond } from "./beyond.ts"

/** Puts tools into chat's words, in which a tool stands in a field named like its type. */
export const chatTools = (tools: ReadonlyArray<unknown>, beyond: Beyond): ReadonlyArray<JsonObject> =>
  tools.flatMap((tool, index): ReadonlyArray<JsonObject> => {
    const own = isObject(tool) ? tool : {}
    switch (own.type) {
      case "function":
        return [{ type: "function", function: present(own, ["name", "description", "parameters", "strict"]) }]
      case "custom":
        return [
          {
            type: "custom",
            custom: {
              ...present(own, ["name", "description"]),
              ...(isObject(own.format) && { format: chatFormat(own.format) }),
            },
          },
        ]
      default:
        beyond.refuse(`tools[${index}].type`, "Tools of this type")
        return []
    }
  })

export const chatToolChoice = (choice: unknown, beyond: Beyond): unknown => {
  if (!isObject(choice)) return choice
  switch (choice.type) {
    case "function":
    case "custom":
      return inOwnField(choice)
    case "allowed_tools":
      return {
        type: "allowed_tools",
        allowed_tools: { mode: choice.mode, tools: objectsAt(choice, "tools").map(inOwnField) },
      }
    default:
      beyond.refuse("tool_choice.type", "This choice of a tool")
      return undefined
  }
}

const inOwnField = ({ type, name }: JsonObject): JsonObject => ({ type, [String(type)]: { name } })

/** Chat keeps a grammar one level deeper. */
const chatFormat = ({ type, ...rest }: JsonObject): JsonObject =>
  type === "grammar" ? { type, grammar: rest } : { type, ...rest }

const present = (object: JsonObject, names: ReadonlyArray<string>): JsonObject =>
  Object.fromEntries(names.flatMap((name) => (object[name] == null ? [] : [[name, object[name]]])))
