/**
 * Header fields in which clients name the conversation that a request is a turn of, the first that is there: Claude Code's,
 * those of coding agents (Codex, pi, OpenCode) and of OpenRouter's clients, and LiteLLM's.
 */
const SESSION_HEADERS = [
  "x-claude-code-session-id",
  "x-session-id",
  "x-session-affinity",
  "session-id",
  "session_id",
  "x-litellm-session-id",
] as const

/** Returns a client's own name of its conversation; undefined where it has none. */
export const sessionHeader = ({
  headers,
}: {
  readonly headers: Readonly<Record<string, string | undefined>>
}): string | undefined => {
  for (const name of SESSION_HEADERS) {
    const value = headers[name]
    if (value !== undefined && value !== "") return value
  }
  return undefined
}
