/** How one request of a load test ended. Milliseconds are of the clock that does not jump. */
export interface Outcome {
  /** HTTP status; null when no answer began. */
  readonly status: number | null
  /** Why it counts as failed: `HTTP 429`, `connection refused`, `cut stream`…; null when it is good. */
  readonly failure: string | null
  /** When a stream's first event with data arrived. */
  readonly firstTokenMs: number | null
  readonly endedMs: number
}
