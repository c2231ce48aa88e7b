import Anthropic, { type ClientOptions } from "@anthropic-ai/sdk"
import { OpenAiWorld } from "./openai-sdk-world.ts"

/** The version that Anthropic's own client speaks today, and the one before. */
export const OLD_VERSION = { "anthropic-version": "2023-06-01" }

/** The same gateway and fake upstream as OpenAI's client has, with Anthropic's own client in front. */
export class AnthropicWorld {
  readonly world: OpenAiWorld

  private constructor(world: OpenAiWorld) {
    this.world = world
  }

  static async start(options: Parameters<typeof OpenAiWorld.start>[0] = {}): Promise<AnthropicWorld> {
    return new AnthropicWorld(await OpenAiWorld.start(options))
  }

  get upstream() {
    return this.world.upstream
  }

  /** Without retries unless asked for. */
  client(options: ClientOptions = {}): Anthropic {
    return new Anthropic({
      apiKey: this.world.key,
      baseURL: this.world.gateway.url,
      maxRetries: 0,
      ...options,
    })
  }

  /** The wire itself, for what the client would hide. */
  post(body: unknown, headers: Readonly<Record<string, string>> = {}, path = "/messages"): Promise<Response> {
    return this.world.post(path, body, headers)
  }

  stop(): Promise<void> {
    return this.world.stop()
  }
}

export const hello = (model: string) => ({
  model,
  max_tokens: 100,
  messages: [{ role: "user" as const, content: "Hi" }],
})
