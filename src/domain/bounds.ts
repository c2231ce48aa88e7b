/** Rows of one page of a listing. */
export const DEFAULT_PAGE_LIMIT = 100
export const MAX_PAGE_LIMIT = 1000

/** Limits of one API key or team. */
export const MAX_REQUESTS_PER_MINUTE = 1_000_000
export const MAX_TOKENS_PER_MINUTE = 1_000_000_000
export const MAX_CONCURRENCY = 1_000_000

/** Characters in the name of an API key. */
export const MAX_KEY_NAME_LENGTH = 128

/** Models of one API key, and characters in the name of one. */
export const MAX_KEY_MODELS = 100
export const MAX_MODEL_NAME_LENGTH = 256

/** Seconds that a rotated key's old secret may keep working: 30 days. */
export const MAX_GRACE_SECONDS = 30 * 86_400

/** The name of a team, which stands in paths of the API as it is. */
export const TEAM_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/u

/** Tags of one API key or request, and characters in one. */
export const MAX_TAGS = 10
export const MAX_TAG_LENGTH = 64

/** Characters of what a request says about its end user. */
export const MAX_USER_LENGTH = 128

/** Dollars of one budget: whole nano-dollars above are no safe integers. */
export const MAX_BUDGET_USD = 9_000_000

/** Soft limits of one budget. */
export const MAX_BUDGET_ALERTS = 10

/** Seconds that a key which another key issued may live: 7 days. */
export const MAX_CHILD_SECONDS = 7 * 86_400

/** Keys of one key that are alive at the same time. */
export const MAX_LIVE_CHILDREN = 1_000
