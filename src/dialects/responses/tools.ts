import { isObject, type JsonObject, objectsAt, stringAt } from "../../platform/json.ts"
import type { Beyond } from "./beyond.ts"
import { chatName } from "./namespaces.ts"

/**
 * Puts tools into chat's words, in which a tool stands in a field named like its type. A search beside tools of the client's own
 * is spared: agents offer it with every request, and get on without it.
 */
export const chatTools = (tools: ReadonlyArray<unknown>, beyond: Beyond): ReadonlyArray<JsonObject> => {
  const hasOwn = tools.some((tool) => isObject(tool) && OWN.has(tool.type))
  return tools.flatMap((tool, index) => {
    const own = isObject(tool) ? tool : {}
    const at = `tools[${index}]`
    if (hasOwn && isSearch(own)) {
      beyond.spare(at)
      return []
    }
    const made = (tool: JsonObject, namespace: unknown, at: string) =>
      chatTool(tool, namespace, at, beyond).map((each) =>
        beyond.from(each, at, () => ({ "function.strict": [`${at}.strict`] })),
      )
    if (own.type !== "namespace") return made(own, undefined, at)
    if (own.description) beyond.drop(`${at}.description`)
    return objectsAt(own, "tools").flatMap((each, inner) => made(each, own.name, `${at}.tools[${inner}]`))
  })
}

/** What chat has of a tool. */
const known: ReadonlySet<string> = new Set(["type", "name", "description", "parameters", "strict", "format"])

const OWN: ReadonlySet<unknown> = new Set(["function", "custom", "namespace"])

const isSearch = ({ type }: JsonObject): boolean => typeof type === "string" && type.startsWith("web_search")

const chatTool = (
  tool: JsonObject,
  namespace: unknown,
  at: string,
  beyond: Beyond,
): ReadonlyArray<JsonObject> => {
  const { description, format, parameters, strict, type } = tool
  const name = chatName(namespace, stringAt(tool, "name") ?? "")
  const named = { name, ...(description != null && { description }) }
  if (type === "function" || type === "custom") beyond.dropOthers(tool, known, `${at}.`)
  switch (type) {
    case "function":
      return [
        {
          type,
          function: {
            ...named,
            ...(parameters != null && { parameters }),
            ...(strict != null && { strict }),
          },
        },
      ]
    case "custom":
      return [{ type, custom: { ...named, ...(isObject(format) && { format: chatFormat(format) }) } }]
    default:
      beyond.refuse(`${at}.type`, "Tools of this type")
      return []
  }
}

export const chatToolChoice = (choice: unknown, beyond: Beyond): unknown => {
  if (!isObject(choice)) return choice
  switch (choice.type) {
    case "function":
    case "custom":
      return inOwnField(choice)
    case "allowed_tools":
      if (objectsAt(choice, "tools").some(({ type }) => !OWN.has(type))) {
        beyond.refuse("tool_choice.tools", "This choice of tools")
        return undefined
      }
      return {
        type: "allowed_tools",
        allowed_tools: { mode: choice.mode, tools: objectsAt(choice, "tools").map(inOwnField) },
      }
    default:
      beyond.refuse("tool_choice.type", "This choice of a tool")
      return undefined
  }
}

const inOwnField = ({ name, namespace, type }: JsonObject): JsonObject => ({
  type,
  [String(type)]: { name: typeof name === "string" ? chatName(namespace, name) : name },
})

/** Chat keeps a grammar one level deeper. */
const chatFormat = ({ type, ...rest }: JsonObject): JsonObject =>
  type === "grammar" ? { type, grammar: rest } : { type, ...rest }
