export interface ModelConfig {
  readonly name: string
  /** What the model is for; a request of one kind is never sent to a model of the other. */
  readonly kind: "chat" | "embedding"
  readonly contextWindow?: number
  readonly maxOutputTokens?: number
  /** Absent = unknown price: cost is null with a reason. */
  readonly price?: Price
}

/** One price row. Nano-dollars per million tokens (0.05 USD per million = 50_000_000), all integers. */
export interface Price {
  readonly inputNanoPer1M: number
  readonly cachedInputNanoPer1M: number
  readonly outputNanoPer1M: number
  /** Where the row comes from and the day it was read, e.g. `third-party list` and `2026-11-23`. */
  readonly source: string
  readonly asOf: string
}
