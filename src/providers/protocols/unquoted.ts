/** Longer sentences of vendors are lists of what a request has. */
const MAX_LENGTH = 4_000

/** Matches what stands in quotes. An apostrophe within a word is none. */
const QUOTED = /"[^"]*"|`[^`]*`|(?<![\p{L}\p{N}])'[^']*'(?![\p{L}\p{N}])|“[^”]*”|‘[^’]*’|「[^」]*」|«[^»]*»/gu

/** Empties the quotes of a sentence, in which a vendor may repeat a client's words: those say nothing of the vendor. */
export const unquoted = (text: string): string => text.slice(0, MAX_LENGTH).replace(QUOTED, "''")
