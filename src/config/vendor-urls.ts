import { BaseUrl } from "./base-url.ts"
import { text } from "./setting.ts"

/** Where the APIs of vendors are. */
export const openAiUrl = text("OPENAI_BASE_URL", BaseUrl, "https://api.openai.com/v1")
export const geminiUrl = text("GEMINI_BASE_URL", BaseUrl, "https://generativelanguage.googleapis.com")
export const anthropicUrl = text("ANTHROPIC_BASE_URL", BaseUrl, "https://api.anthropic.com")
