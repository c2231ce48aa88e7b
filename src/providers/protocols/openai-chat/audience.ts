/** Who reads a request: all that its words depend on, besides what a server turned out to take. */
export interface Audience {
  readonly isOpenAi: boolean
  /** A model of Anthropic's behind a server that imitates OpenAI, which knows what Claude's words mean. */
  readonly isClaude: boolean
  /** One of OpenAI's reasoning models, or made since. */
  readonly reasons: boolean
}

export const audienceOf = (model: string, isOpenAi: boolean): Audience => ({
  isOpenAi,
  isClaude: !isOpenAi && /claude/i.test(model),
  reasons: isOpenAi && isReasoning(model),
})

/** Recognizes fine-tuned ones too: o1, o4-mini, gpt-5. */
export const isReasoning = (model: string): boolean => /^(ft:)?(o\d|gpt-([5-9]|\d\d))/.test(model)
