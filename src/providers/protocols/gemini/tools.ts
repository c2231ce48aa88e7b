import type { FunctionDeclaration } from "@google/genai"
import { Result } from "effect"
import type { ChatRequest } from "../../../domain/Chat.ts"
import { type Choice, type DeclaredFunction, readFunctions } from "../functions.ts"
import type { LoweringFault } from "../Protocol.ts"
import { toGeminiName } from "./calls.ts"
import type { FunctionCalling, GenerateContentBody } from "./wire.ts"

type ToolSettings = Pick<GenerateContentBody, "tools" | "toolConfig">

/** Lowers the tools and how they may be called. */
export const lowerTools = (request: ChatRequest): Result.Result<ToolSettings, LoweringFault> =>
  Result.map(readFunctions(request, toGeminiName), ({ choice, declared }) => {
    if (declared.length === 0) return {}
    const calling = lowerChoice(choice)
    return {
      tools: [{ functionDeclarations: declared.map(declaration) }],
      ...(calling !== undefined && { toolConfig: { functionCallingConfig: calling } }),
    }
  })

const declaration = ({ description, name, parameters }: DeclaredFunction): FunctionDeclaration => ({
  name,
  ...(description !== undefined && { description }),
  // `{}` is OpenAI's way to say that there are none.
  ...(parameters !== undefined && Object.keys(parameters).length > 0 && { parametersJsonSchema: parameters }),
})

/** Lowers a tool choice. Undefined: the model decides, which is the default of both. */
const lowerChoice = ({ mode, only }: Choice): FunctionCalling | undefined => {
  const names = only === undefined ? {} : { allowedFunctionNames: [...only] }
  switch (mode) {
    case "none":
      return { mode: "NONE" }
    case "required":
      return { mode: "ANY", ...names }
    case "auto":
      // Text or one of these functions; Gemini's AUTO takes no names.
      return only === undefined ? undefined : { mode: "VALIDATED", ...names }
  }
}
