import type {
  Content,
  FunctionCallingConfigMode,
  FunctionDeclaration,
  GenerationConfig,
  ThinkingConfig,
  ThinkingLevel,
} from "@google/genai"

/** The REST body of `:generateContent`; enum values are their names. */
export interface GenerateContentBody {
  readonly contents: Array<Content>
  readonly systemInstruction?: Content
  readonly generationConfig?: GenerationSettings
  readonly tools?: ReadonlyArray<{ readonly functionDeclarations: ReadonlyArray<FunctionDeclaration> }>
  readonly toolConfig?: { readonly functionCallingConfig: FunctionCalling }
}

export type GenerationSettings = Omit<GenerationConfig, "thinkingConfig"> & {
  thinkingConfig?: ThinkingSettings
}

export type ThinkingSettings = Omit<ThinkingConfig, "thinkingLevel"> & { thinkingLevel?: `${ThinkingLevel}` }

export interface FunctionCalling {
  readonly mode: `${FunctionCallingConfigMode}`
  readonly allowedFunctionNames?: ReadonlyArray<string>
}

/** Why a part of a request cannot be put into Gemini's words. */
export interface Refusal {
  /** True: another provider may take it, or at least has to judge it. False: nobody can make sense of it. */
  readonly unable: boolean
  readonly param: string
  readonly reason: string
}

export const unable = (param: string, what: string, by: "provider" | "model" = "provider"): Refusal => ({
  unable: true,
  param,
  reason: `${what} not supported with this ${by}.`,
})

export const malformed = (param: string, reason: string): Refusal => ({ unable: false, param, reason })

/** OpenAI's clients send `null` for what they do not want. */
export const asked = <Value>(value: Value | null | undefined): Value | undefined => value ?? undefined
