import { randomUUID } from "node:crypto"

declare global {
  /** Part of ECMAScript, and not yet of TypeScript's library. */
  interface JSON {
    rawJSON(text: string): object
    isRawJSON(value: unknown): value is { readonly rawJSON: string }
  }
}

/** Finds a long number; one within a string is a false alarm. */
const LONG_NUMBER = /[:,[]\s*-?\d{16}/

/**
 * Parses JSON that is written again: integers beyond 2^53, such as an id in a tool call or a bound in a schema, become
 * objects that `JSON.stringify` writes digit by digit. Throws what `JSON.parse` throws. `longNumber` is false where the
 * caller knows that there is no such integer.
 *
 * A reviver would be called for every value, which makes one such integer twenty times as dear as the whole text. So
 * these integers are written into the text as objects of a kind of their own, which are replaced afterwards.
 */
export const parseExactJson = (text: string, longNumber = LONG_NUMBER.test(text)): unknown => {
  const marked = longNumber ? markIntegers(text) : text
  const json: unknown = JSON.parse(marked)
  return marked === text ? json : replaceMarked(json)
}

/** Returns the nearest number to one that is kept as its digits, and everything else as it is. */
export const roundedNumber = (value: unknown): unknown =>
  JSON.isRawJSON(value) ? Number(value.rawJSON) : value

/** The one name in an object that stands for an integer: a client does not know it. */
const MARK = randomUUID()

/** An integer of fewer digits is below 2^53. */
const LONG_DIGITS = 16

/**
 * Writes an object in the place of every integer that would be rounded. An object may stand wherever a number may and
 * nowhere else, so that the text is as valid as it was.
 */
const markIntegers = (text: string): string => {
  const { length } = text
  let marked = ""
  let copied = 0
  let at = 0
  while (at < length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = stringEnd(text, at + 1)
    } else if (isDigit(code)) {
      const start = at
      at = digitsEnd(text, at)
      if (at - start < LONG_DIGITS || code === ZERO || isWithinNumber(text, start)) continue
      const from = text.charCodeAt(start - 1) === MINUS ? start - 1 : start
      at = numberEnd(text, at)
      const number = text.slice(from, at)
      if (!Number.isInteger(Number(number)) || Number.isSafeInteger(Number(number))) continue
      marked += `${text.slice(copied, from)}{"${MARK}":"${number}"}`
      copied = at
    } else {
      at++
    }
  }
  return marked + text.slice(copied)
}

/** Tells digits after a point or an exponent. */
const isWithinNumber = (text: string, start: number): boolean => {
  const before = text[start - 1] === "-" ? text[start - 2] : text[start - 1]
  return before === "." || before === "e" || before === "E" || before === "+"
}

/** Returns the offset after a number whose leading digits end at `at`. */
const numberEnd = (text: string, at: number): number => {
  let end = text[at] === "." ? digitsEnd(text, at + 1) : at
  if (text[end] === "e" || text[end] === "E") {
    end++
    if (text[end] === "+" || text[end] === "-") end++
    end = digitsEnd(text, end)
  }
  return end
}

const digitsEnd = (text: string, start: number): number => {
  let at = start
  while (isDigit(text.charCodeAt(at))) at++
  return at
}

/** Offset after the closing quote of the string whose text begins at `start`; the text's length if none closes it. */
const stringEnd = (text: string, start: number): number => {
  let at = start
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote === -1) return text.length
    let escapes = 0
    while (quote - escapes > at && text.charCodeAt(quote - escapes - 1) === BACKSLASH) escapes++
    at = quote + 1
    if (escapes % 2 === 0) return at
  }
}

const QUOTE = 0x22
const MINUS = 0x2d
const ZERO = 0x30
const BACKSLASH = 0x5c
const isDigit = (code: number): boolean => code >= ZERO && code <= 0x39

type Container = Record<string, unknown>

/** Puts its digits in the place of every object that stands for an integer. Without recursion, however deep. */
const replaceMarked = (json: unknown): unknown => {
  const root: Container = { json }
  const waiting: Array<Container> = [root]
  const visit = (parent: Container, key: string | number): void => {
    // A list has its indices for names.
    const value = parent[key as string]
    if (typeof value !== "object" || value === null) return
    const child = value as Container
    const digits = child[MARK]
    if (typeof digits === "string") parent[key as string] = JSON.rawJSON(digits)
    else waiting.push(child)
  }
  for (let parent = waiting.pop(); parent !== undefined; parent = waiting.pop()) {
    if (Array.isArray(parent)) for (let index = 0; index < parent.length; index++) visit(parent, index)
    else for (const key of Object.keys(parent)) visit(parent, key)
  }
  return root.json
}
