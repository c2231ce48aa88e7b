/** Generations by model name. Names come from the configuration, so they are few. */
const generations = new Map<string, number>()

/**
 * Reads a model's generation, and with it its abilities, from its name: Gemini refuses settings that a model does not
 * know, and has no way to ask beforehand. Names without a version (`gemini-flash-latest`) mean the newest.
 */
const generationOf = (model: string): number => {
  const known = generations.get(model)
  if (known !== undefined) return known
  const read = readGeneration(model)
  generations.set(model, read)
  return read
}

const readGeneration = (model: string): number => {
  if (!model.startsWith("gemini-")) return 0
  const version = /^gemini-(\d{1,3})(?:\.(\d{1,3}))?(?:-|$)/.exec(model)
  return version === null ? Number.POSITIVE_INFINITY : generation(Number(version[1]), Number(version[2] ?? 0))
}

const generation = (major: number, minor: number): number => 1000 * major + minor

/**
 * From Gemini 3 on, a function call in the history must carry the signature of the thoughts that led to it. Models that are not
 * called Gemini, such as Gemma, know no signatures.
 */
export const signaturesFor = (model: string): "own" | "complete" | "none" => {
  const own = generationOf(model)
  return own === 0 ? "none" : own >= generation(3, 0) ? "complete" : "own"
}

/** Since Gemini 3, the result of a function may have images and documents beside its JSON. */
export const takesMediaInResults = (model: string): boolean => generationOf(model) >= generation(3, 0)

/** Models that answer with images say so in their names: `gemini-2.5-flash-image`, `gemini-3-pro-image-preview`. */
export const givesImages = (model: string): boolean => /-image(-|$)/.test(model)

/** Before Gemini 3: "Function calling with a response mime type: 'application/json' is unsupported". */
export const answersJsonBesideTools = (model: string): boolean => generationOf(model) >= generation(3, 0)

/** Since Gemini 3: "Multiple candidates is not enabled for this model". */
export const givesManyCandidates = (model: string): boolean => generationOf(model) < generation(3, 0)

/** Since Gemini 2.5: "Penalty is not enabled for this model", for any value but zero. */
export const takesPenalties = (model: string): boolean => generationOf(model) < generation(2, 5)

/** Tells how a model is asked to think more or less; undefined when it does not think. */
export const thinkingOf = (model: string): "level" | "budget" | undefined => {
  const own = generationOf(model)
  if (own < generation(2, 5)) return undefined
  return own >= generation(3, 0) ? "level" : "budget"
}

/** 2.5 Pro and all of Gemini 3 always think. */
export const canStopThinking = (model: string): boolean =>
  thinkingOf(model) === "budget" && !model.includes("-pro")

/** `MINIMAL` is a level of Flash-Lite, and of Flash up to 3.6. */
export const canThinkMinimally = (model: string): boolean =>
  thinkingOf(model) === "level" &&
  (model.includes("flash-lite") || (model.includes("flash") && generationOf(model) <= generation(3, 6)))

/** The first Gemini 3 Pro knew low and high only. */
export const canThinkModerately = (model: string): boolean => !/^gemini-3-pro(-|$)/.test(model)

/** `XHIGH` is there for the models after Gemini 3; a name without a version may stand for one that does not have it. */
export const canThinkMost = (model: string): boolean => {
  const own = generationOf(model)
  return own >= generation(4, 0) && Number.isFinite(own)
}
