/** What a model's name tells. */
interface Generation {
  /** 4005 of `claude-haiku-4-5`; 0 of a model that is not called Claude, infinite of a name without a version. */
  readonly number: number
  readonly family: string
}

/** Generations by model name. Names come from the configuration, so they are few. */
const generations = new Map<string, Generation>()

/**
 * Reads a model's generation, and with it its abilities, from its name: Claude refuses settings that a model does not
 * know, and has no way to ask beforehand. Names without a version mean the newest. What is not called Claude is another
 * vendor's behind the same protocol, and taken for one of the generation that all of those imitate.
 */
const generationOf = (model: string): Generation => {
  const known = generations.get(model)
  if (known !== undefined) return known
  const read = readGeneration(model)
  generations.set(model, read)
  return read
}

/** Matches `claude-opus-4-20250514` as well as `claude-haiku-4-5` and OpenRouter's `claude-3.7-sonnet`, after what a cloud puts before. */
const NAME = /^claude-(?:([a-z]+)-)?(\d{1,2})(?:[-.](\d{1,2}))?(?:-([a-z]+))?(?:[-@:]|$)/

const readGeneration = (model: string): Generation => {
  const start = model.indexOf("claude-")
  if (start === -1) return { number: 0, family: "" }
  const name = model.slice(start)
  const version = NAME.exec(name)
  if (version === null) return { number: Number.POSITIVE_INFINITY, family: name.split("-")[1] ?? "" }
  const [, before, major, minor = 0, after] = version
  return { number: generation(Number(major), Number(minor)), family: before ?? after ?? "" }
}

const generation = (major: number, minor: number): number => 1000 * major + minor

/** Fable and Mythos think always, and take no order to call a tool. */
const isMythical = ({ family }: Generation): boolean => family === "fable" || family === "mythos"

/**
 * Tells how a model is asked to think: as much as it likes, under an effort, since 4.6; within a budget since 3.7; undefined when
 * it does not think. Since 4.7: "thinking.type.enabled is not supported for this model".
 */
export const thinkingOf = (model: string): "adaptive" | "budget" | undefined => {
  const { number } = generationOf(model)
  if (number >= generation(4, 6)) return "adaptive"
  return number === 0 || number >= generation(3, 7) ? "budget" : undefined
}

/** Tells whether a model thinks without being asked to: all since 5, Fable and Mythos. */
export const thinksUnasked = (model: string): boolean => {
  const own = generationOf(model)
  return own.number >= generation(5, 0) || isMythical(own)
}

/** Tells how a model is asked not to think; undefined for one that always does: Fable, Mythos, and Opus since 5.5. */
export const stopOf = (model: string): "disabled" | "between_tools" | undefined => {
  const own = generationOf(model)
  if (isMythical(own)) return undefined
  if (own.number < generation(5, 5) || own.family === "haiku") return "disabled"
  return own.family === "sonnet" ? "between_tools" : undefined
}

/** Since 4.7 there is an effort between high and the utmost. */
export const takesExtraEffort = (model: string): boolean => generationOf(model).number >= generation(4, 7)

/** Since 5.5, and of Fable and Mythos: "tool_choice: type "tool" and "any" are not supported for this model". Haiku takes them. */
export const takesOrders = (model: string): boolean => {
  const own = generationOf(model)
  return !isMythical(own) && (own.number < generation(5, 5) || own.family === "haiku")
}

/** Since 4.7, `temperature`, `top_p` and `top_k` are refused unless they say nothing. */
export const takesSampling = (model: string): boolean => generationOf(model).number < generation(4, 7)

/** Answers by a schema came with 4.5, and with Opus 4.1. */
export const answersBySchema = (model: string): boolean => {
  const { family, number } = generationOf(model)
  return number === 0 || number >= generation(4, family === "opus" ? 1 : 5)
}
