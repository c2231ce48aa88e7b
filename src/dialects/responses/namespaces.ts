import { isObject, type JsonObject, objectsAt, stringAt } from "../../platform/json.ts"

/** Tools that stand in a namespace, as Codex sends its own and those of MCP servers. Chat has names alone, so both become one. */

/** OpenAI's bound on a name in chat. */
const MAX_NAME = 64

/** Names a tool in chat. Of a name that would be too long its end is kept, which tells tools apart. */
export const chatName = (namespace: unknown, name: string): string => {
  if (typeof namespace !== "string" || namespace === "") return name
  return `${namespace}${namespace.endsWith("__") ? "" : "__"}${name}`.slice(-MAX_NAME)
}

export interface ToolName {
  readonly name: string
  readonly namespace?: string
}

/** Returns what tools of a request are called in it, by their names in chat; of those in namespaces alone. */
export const namesOf = ({ tools }: JsonObject): ReadonlyMap<string, ToolName> => {
  const names = new Map<string, ToolName>()
  for (const tool of Array.isArray(tools) ? tools : []) {
    const namespace = isObject(tool) && tool.type === "namespace" ? stringAt(tool, "name") : undefined
    if (namespace === undefined) continue
    for (const inner of objectsAt(tool, "tools")) {
      const name = stringAt(inner, "name") ?? ""
      names.set(chatName(namespace, name), { name, namespace })
    }
  }
  return names
}
