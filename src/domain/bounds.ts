/** Rows of one page of a listing. */
export const DEFAULT_PAGE_LIMIT = 100
export const MAX_PAGE_LIMIT = 1000

/** Requests per minute of one API key. */
export const MAX_REQUESTS_PER_MINUTE = 1_000_000

/** Characters in the name of an API key. */
export const MAX_KEY_NAME_LENGTH = 128

/** Models of one API key, and characters in the name of one. */
export const MAX_KEY_MODELS = 100
export const MAX_MODEL_NAME_LENGTH = 256

/** Seconds that a rotated key's old secret may keep working: 30 days. */
export const MAX_GRACE_SECONDS = 30 * 86_400
