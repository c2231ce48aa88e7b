type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/**
 * Limits that vendors tell of with their answers: the header field with what is left of one, and the field that says when
 * it is whole again. Mistral's (`x-ratelimit-remaining-req-minute`) have no such field, and Vertex and Bedrock tell of none.
 * `test/fixtures/limits.json` has an answer of each vendor, and where that is from.
 */
const LIMITS: ReadonlyArray<{ readonly left: string; readonly reset: string }> = [
  { left: "x-ratelimit-remaining-requests", reset: "x-ratelimit-reset-requests" }, // OpenAI, Azure, Groq
  { left: "x-ratelimit-remaining-tokens", reset: "x-ratelimit-reset-tokens" },
  { left: "x-ratelimit-remaining", reset: "x-ratelimit-reset" }, // OpenRouter, Together
  { left: "x-ratelimit-remaining-requests-minute", reset: "x-ratelimit-reset-requests-minute" }, // Cerebras
  { left: "x-ratelimit-remaining-requests-day", reset: "x-ratelimit-reset-requests-day" },
  { left: "x-ratelimit-remaining-tokens-minute", reset: "x-ratelimit-reset-tokens-minute" },
  { left: "anthropic-ratelimit-requests-remaining", reset: "anthropic-ratelimit-requests-reset" },
  { left: "anthropic-ratelimit-tokens-remaining", reset: "anthropic-ratelimit-tokens-reset" },
  { left: "anthropic-ratelimit-input-tokens-remaining", reset: "anthropic-ratelimit-input-tokens-reset" },
  { left: "anthropic-ratelimit-output-tokens-remaining", reset: "anthropic-ratelimit-output-tokens-reset" },
  { left: "ratelimit-remaining", reset: "ratelimit-reset" }, // draft-ietf-httpapi-ratelimit-headers until -06
]

/** Items of `RateLimit: "default";r=0;t=30`, draft-ietf-httpapi-ratelimit-headers since -08. */
const ITEM = /^\s*"[^"]*"\s*(;.*)$/

/**
 * Returns when the limits are whole again of which nothing is left, as the header fields put it; undefined when there are
 * none, as nearly always. What a refusal says of a limit without what is left is of one that is used up.
 */
export const usedUpLimits = (headers: Headers, isRefusal: boolean): ReadonlyArray<string> | undefined => {
  let resets: ReadonlyArray<string> | undefined
  for (const limit of LIMITS) {
    const left = headers[limit.left]
    if (left !== "0" && !(isRefusal && left === undefined)) continue
    const value = headers[limit.reset]
    if (typeof value === "string") resets = [...(resets ?? []), value]
  }
  const fields = headers.ratelimit
  if (fields !== undefined) {
    for (const item of String(fields).split(",")) {
      const parameters = ITEM.exec(item)?.[1]
      if (parameters === undefined || !/;\s*r=0\s*(;|$)/.test(parameters)) continue
      const seconds = /;\s*t=(\d+)\s*(;|$)/.exec(parameters)?.[1]
      if (seconds !== undefined) resets = [...(resets ?? []), seconds]
    }
  }
  return resets
}
