import { reasons } from "../openai-responses/model-abilities.ts"

/** Who reads a request: all that its words depend on, besides what a server turned out to take. */
export interface Audience {
  readonly isOpenAi: boolean
  /** A model of Anthropic's behind a server that imitates OpenAI, which knows what Claude's words mean. */
  readonly isClaude: boolean
  /** A model of Mistral's, whoever serves it. */
  readonly isMistral: boolean
  /** One of OpenAI's models that reason; others refuse an effort. */
  readonly reasons: boolean
}

const MISTRAL = /(mi(ni)?|magi|dev|code?|vox)stral|[mp]ixtral/i

/** Audiences by model, whose names come from the configuration: they are asked for with every request. */
const known = { openAi: new Map<string, Audience>(), others: new Map<string, Audience>() }

export const audienceOf = (model: string, isOpenAi: boolean): Audience => {
  const audiences = isOpenAi ? known.openAi : known.others
  const audience = audiences.get(model)
  if (audience !== undefined) return audience
  const made = {
    isOpenAi,
    isClaude: !isOpenAi && /claude/i.test(model),
    isMistral: !isOpenAi && MISTRAL.test(model),
    reasons: isOpenAi && reasons(model),
  }
  audiences.set(model, made)
  return made
}
