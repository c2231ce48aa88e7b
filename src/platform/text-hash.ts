/** So much of a text tells it from others. */
const MAX_CHARACTERS = 2_048

/** Adds a text to a number below 2^53. */
export const addText = (hash: number, text: string, maxCharacters = MAX_CHARACTERS): number => {
  let low = (hash >>> 0) ^ text.length
  let high = Math.floor(hash / 0x1_0000_0000)
  const until = Math.min(text.length, maxCharacters)
  for (let i = 0; i < until; i++) {
    const unit = text.charCodeAt(i)
    low = Math.imul(low ^ unit, 0x01000193)
    high = Math.imul(high ^ unit, 0x85ebca6b)
  }
  return (high >>> 11) * 0x1_0000_0000 + (low >>> 0)
}

/** Returns a number from 0 to 1 that is the same for the same text, and evenly spread over texts. */
export const pointOf = (text: string): number => {
  const hash = addText(addText(0, text), "point")
  const low = Math.imul((hash >>> 0) ^ (hash >>> 15), 0x2c1b3c6d) >>> 0
  return ((low ^ (low >>> 13)) >>> 0) / 0x1_0000_0000
}
