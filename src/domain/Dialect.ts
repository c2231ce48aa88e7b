/**
 * Protocols that clients and providers speak: OpenAI's chat completions and Responses, Anthropic's Messages. Chat is the
 * gateway's common language: what crosses from one to another goes by it. Gemini's is spoken by no client.
 */
export type Dialect = "chat" | "messages" | "responses"
