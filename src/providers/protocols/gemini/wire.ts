import type {
  Content,
  FunctionCallingConfigMode,
  FunctionDeclaration,
  GenerationConfig,
  ImageConfig,
  Part,
  SafetySetting,
  ServiceTier,
  ThinkingConfig,
  ThinkingLevel,
} from "@google/genai"
import type { LoweringFault } from "../Protocol.ts"

/** The REST body of `:generateContent`; enum values are their names. */
export interface GenerateContentBody {
  readonly contents: ReadonlyArray<Content>
  readonly systemInstruction?: { readonly parts: ReadonlyArray<Part>; readonly role: "user" }
  readonly generationConfig?: GenerationSettings
  readonly tools?: ReadonlyArray<{ readonly functionDeclarations: ReadonlyArray<FunctionDeclaration> }>
  readonly toolConfig?: { readonly functionCallingConfig: FunctionCalling }
  readonly safetySettings?: ReadonlyArray<SafetySetting>
  readonly serviceTier?: Exclude<`${ServiceTier}`, "unspecified">
}

export type GenerationSettings = Omit<GenerationConfig, "responseModalities" | "thinkingConfig"> & {
  responseModalities?: ReadonlyArray<"TEXT" | "IMAGE">
  imageConfig?: Pick<ImageConfig, "aspectRatio" | "imageSize">
}

export type ThinkingSettings = Omit<ThinkingConfig, "thinkingLevel"> & { thinkingLevel?: `${ThinkingLevel}` }

export interface FunctionCalling {
  readonly mode: `${FunctionCallingConfigMode}`
  readonly allowedFunctionNames?: ReadonlyArray<string>
}

export const unsupported = (
  param: string,
  subject: string,
  by: "provider" | "model" = "provider",
): LoweringFault => ({
  kind: "unsupported",
  param,
  reason: `${subject} not supported with this ${by}.`,
})

export const malformed = (param: string, reason: string): LoweringFault => ({
  kind: "malformed",
  param,
  reason,
})

/** Returns a value that is there; OpenAI's clients send `null` for what they do not want. */
export const present = <Value>(value: Value | null | undefined): Value | undefined => value ?? undefined
