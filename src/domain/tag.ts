import { MAX_TAG_LENGTH } from "./bounds.ts"

export const TAG_RULE = `1 to ${MAX_TAG_LENGTH} characters, no commas, no control characters and no spaces around it`

/** Lists of tags have commas between tags, and may have spaces there. */
export const isTag = (text: string): boolean =>
  text.length <= MAX_TAG_LENGTH && /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp},]+$/u.test(text) && text.trim() === text
