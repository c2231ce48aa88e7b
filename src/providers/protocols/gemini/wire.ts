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
