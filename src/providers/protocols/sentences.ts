/** Matches how a vendor's own sentence ends: a few words without a verb, then its end, a sum, or advice. */
const ENDING = String.raw`( ?\(\w+\))?( (to|for|in|on|of|at|by|until|because|due|or|your|yet|left|available|remaining|details|again|now)( (?!(is|are|was|were|be|must|should|does|do|not|cannot|unsupported|invalid)\b)[\w@/'’-]+){0,12})?[\u4e00-\u9fff]{0,20}\s*($|[.!]($|\s|please|visit)|[。！]|: ?[$¥-]?[\d.,]+\s*$|[,;:，；]?\s*(please|visit|possibly|balance|current|请)|\s[-–—(])`

/** Recognizes what is said of a value or file, with whose text such a sentence may begin. */
const OF_A_VALUE =
  /\.[a-z]\w{1,4}: |\b(is|are) not (an? valid (?!model)|of type|one of|an? allowed)|\bmust be (an?|one|of|either)\b|\bunsupported file\b/i

/** Recognizes sentences about the gateway's account or key. */
interface Sentences {
  /** Matches one where a status, code or type says the same. */
  readonly says: RegExp
  /** Matches one that nothing else backs: it has to be a sentence of its own, and not the beginning of a client's text. */
  readonly alone: RegExp
}

export const sentences = (source: string): Sentences => ({
  says: new RegExp(`^${source}`, "i"),
  alone: new RegExp(`^${source}${ENDING}`, "i"),
})

export const isOfValue = (sentence: string): boolean => OF_A_VALUE.test(sentence)
