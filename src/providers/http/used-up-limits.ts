type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/**
 * Limits that vendors tell of with their answers: the header field with what is left of one, and the field that says when
 * it is whole again. Mistral's (`x-ratelimit-remaining-req-minute`) have no such field, and Vertex and Bedrock tell of none.
 * `test/fixtures/limits.json` has an answer of each vendor, and where that is from.
 */
const LIMITS: ReadonlyArray<readonly [left: string, reset: string]> = [
  ["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"], // OpenAI, Azure, Groq
  ["x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
  ["x-ratelimit-remaining", "x-ratelimit-reset"], // OpenRouter, Together
  ["x-ratelimit-remaining-requests-minute", "x-ratelimit-reset-requests-minute"], // Cerebras
  ["x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day"],
  ["x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"],
  ["anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"],
  ["anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"],
  ["anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"],
  ["anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"],
  ["ratelimit-remaining", "ratelimit-reset"], // draft-ietf-httpapi-ratelimit-headers until -06
]

/** Items of `RateLimit: "default";r=0;t=30`, draft-ietf-httpapi-ratelimit-headers since -08. */
const ITEM = /^\s*"[^"]*"\s*(;.*)$/

/**
 * Returns when the limits are whole again of which nothing is left, as the header fields put it; undefined when there are
 * none, as nearly always. What a refusal says of a limit without what is left is of one that is used up.
 */
export const usedUpLimits = (headers: Headers, isRefusal: boolean): ReadonlyArray<string> | undefined => {
  let resets: ReadonlyArray<string> | undefined
  for (const [left, reset] of LIMITS) {
    const remaining = headers[left]
    if (remaining !== "0" && !(isRefusal && remaining === undefined)) continue
    const value = headers[reset]
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
