/** JSON is written out by recursion, and what others nest must not exhaust the stack, here or at Google. */

/** Of a tool call's arguments or result within a request. */
export const MAX_VALUE_LEVELS = 64

/** Of an answer or an event. */
export const MAX_ANSWER_LEVELS = 256

/** Whether objects and lists stand at most this many levels inside one another; it looks no deeper itself. */
export const isNestedWithin = (value: unknown, levels: number): boolean => {
  if (typeof value !== "object" || value === null) return true
  if (levels === 0) return false
  for (const each of Object.values(value)) if (!isNestedWithin(each, levels - 1)) return false
  return true
}
