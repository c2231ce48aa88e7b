import type { Effect } from "effect"
import type { ModelConfig } from "../config/GatewayConfig.ts"
import type { ChatRequest, Completion } from "../domain/Chat.ts"
import type { ProviderError } from "../domain/ProviderError.ts"

/**
 * The seam to one LLM provider. A call is exactly one upstream attempt: no retry, no fallback and no logging in
 * here; interruption aborts the upstream socket. `stream` joins `complete` when streaming lands; both take the
 * same call.
 */
export interface Provider {
  readonly name: string
  readonly simulated: boolean
  readonly models: ReadonlyMap<string, ModelConfig>
  readonly complete: (call: ProviderCall) => Effect.Effect<Completion, ProviderError>
}

export interface ProviderCall {
  readonly model: string
  readonly request: ChatRequest
  /** Time this attempt has left, at most the configured upstream timeouts apply within it. */
  readonly timeoutMs: number
}
