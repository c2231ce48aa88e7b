import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { isObject, type JsonObject, objectAt, objectsAt, stringAt } from "../../../platform/json.ts"
import type { SimulatedFailure } from "./embeddings.ts"

export interface SimulatedTool {
  readonly type: "function" | "custom"
  readonly name: string
  readonly description: string
  /** JSON schema of a function's arguments, or of another tool's text. */
  readonly input: JsonObject
}

/**
 * Picks the tools to call; none: a text is the answer. Unless `tool_choice` decides, a user's message calls the tools of
 * whose names it has the most words, or else the one of whose description it has the most; anything else as the last
 * message, such as a tool's result, calls none, which ends a client's loop.
 */
export const calledTools = (
  request: ChatRequest,
): Result.Result<ReadonlyArray<SimulatedTool>, SimulatedFailure> => {
  if (isObject(request.function_call)) {
    return refuse(
      "The simulated provider calls tools, and no functions of before there were tools.",
      "function_call",
    )
  }
  const tools = objectsAt(request, "tools").flatMap(readTool)
  const choice = request.tool_choice ?? "auto"
  if (choice === "none") return Result.succeed([])
  if (choice === "auto") return Result.succeed(mentioned(request, tools))
  if (choice === "required") return must(request, tools)
  const [mode, names] = readChoice(choice)
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  const allowed = names.flatMap((name) => byName.get(name) ?? [])
  if (allowed.length < names.length) return refuse("tool_choice names a tool that tools does not have.")
  return mode === "auto" ? Result.succeed(mentioned(request, allowed)) : must(request, allowed)
}

const refuse = (message: string, param = "tool_choice") =>
  Result.fail({ kind: "bad_request" as const, status: 400, param, message })

const must = (request: ChatRequest, tools: ReadonlyArray<SimulatedTool>) => {
  const called = mentioned(request, tools)
  if (called.length > 0) return Result.succeed(called)
  return tools.length > 0
    ? Result.succeed(tools.slice(0, 1))
    : refuse("tool_choice asks for a call, and tools has none.")
}

const readTool = (tool: JsonObject): ReadonlyArray<SimulatedTool> => {
  const type = tool.type === "custom" ? "custom" : "function"
  const stated = objectAt(tool, type)
  const name = stringAt(stated, "name")
  if (name === undefined) return []
  const description = stringAt(stated, "description") ?? ""
  if (type === "function") {
    return [{ type, name, description, input: { type: "object", ...objectAt(stated, "parameters") } }]
  }
  const grammar = objectAt(objectAt(stated, "format"), "grammar")
  const pattern = grammar?.syntax === "regex" ? { pattern: `^(?:${grammar.definition})$` } : {}
  return [{ type, name, description, input: { type: "string", ...pattern } }]
}

/** Reads the forms of a choice that name tools: one of them, or those that are allowed. */
const readChoice = (choice: unknown): readonly [mode: unknown, names: ReadonlyArray<string>] => {
  const allowed = isObject(choice) ? objectAt(choice, "allowed_tools") : undefined
  const named = allowed === undefined ? [choice].filter(isObject) : objectsAt(allowed, "tools")
  const names = named.flatMap(
    (tool) => stringAt(objectAt(tool, "function") ?? objectAt(tool, "custom"), "name") ?? [],
  )
  return [allowed === undefined ? "required" : allowed.mode, names]
}

/** The most calls of one answer. */
const MAX_CALLS = 8
/** The most characters of a message, and of a tool's description, that are searched. */
const MAX_SEARCHED = 16_384
const MAX_DESCRIBED = 1_000

const mentioned = (
  request: ChatRequest,
  tools: ReadonlyArray<SimulatedTool>,
): ReadonlyArray<SimulatedTool> => {
  const last = request.messages.at(-1)
  if (last?.role !== "user" || tools.length === 0) return []
  const parts =
    typeof last.content === "string" ? [last.content] : (last.content ?? []).map(({ text }) => text ?? "")
  const said = wordsOf(parts.join(" ").slice(0, MAX_SEARCHED), 3)
  const named = best(tools, ({ name }) => shared(said, wordsOf(name.slice(0, MAX_DESCRIBED), 3)))
  if (named.length > 0) return named.slice(0, request.parallel_tool_calls === false ? 1 : MAX_CALLS)
  return best(tools, ({ description }) =>
    shared(said, wordsOf(description.slice(0, MAX_DESCRIBED), 4)),
  ).slice(0, 1)
}

/** Returns all that score highest, if any scores. */
const best = (tools: ReadonlyArray<SimulatedTool>, score: (tool: SimulatedTool) => number) => {
  const scores = tools.map(score)
  const highest = scores.reduce((high, each) => Math.max(high, each), 0)
  return tools.filter((_, index) => highest > 0 && scores[index] === highest)
}

/** Says nothing of what a tool is for. */
const COMMON = new Set(
  "the and for with from this that what when where which your you are will have has can not any all its into about given get gets set use user users used call calls tool function return returns current specified".split(
    " ",
  ),
)

/** Splits a text, or a name in camel or snake case, into the words that tell what it is about. */
const wordsOf = (text: string, shortest: number): ReadonlySet<string> => {
  const words =
    text
      .replaceAll(/(\p{Ll})(\p{Lu})/gu, "$1 $2")
      .toLowerCase()
      .match(/\p{L}+/gu) ?? []
  return new Set(words.filter((word) => word.length >= shortest && !COMMON.has(word)))
}

const shared = (a: ReadonlySet<string>, b: ReadonlySet<string>): number => a.intersection(b).size
