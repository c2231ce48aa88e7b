/** Returns the code of a system call that failed, such as `ENOSPC`; `unknown` for any other cause. */
export const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : "unknown"
