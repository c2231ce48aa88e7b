/** End of one request of a load test. Milliseconds are of the clock that does not jump. */
export interface Outcome {
  /** HTTP status; null when no answer began. */
  readonly status: number | null
  /** Why it counts as failed: `HTTP 429`, `connection refused`, `cut stream`…; null when it is good. */
  readonly failure: string | null
  /** Arrival of a stream's first event with data. */
  readonly firstTokenMs: number | null
  readonly endedMs: number
}
