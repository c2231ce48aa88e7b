/** Levels of a tool call's arguments or result. JSON is written by recursion, which must not exhaust the stack at Google. */
export const MAX_VALUE_LEVELS = 64

/** Levels of an answer or an event, which must not exhaust the stack here. */
export const MAX_ANSWER_LEVELS = 256

/** Tells whether objects and lists stand at most this many levels inside one another; it looks no deeper itself. */
export const isNestedWithin = (value: unknown, levels: number): boolean => {
  if (typeof value !== "object" || value === null) return true
  if (levels === 0) return false
  for (const each of Object.values(value)) if (!isNestedWithin(each, levels - 1)) return false
  return true
}
