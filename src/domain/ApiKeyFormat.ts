import { crc32 } from "node:zlib"

/**
 * The parts of an API key, whose text is `gwk_<12 base62 id>_<43 base62 secret><6 base62 crc32>`.
 *
 * The fixed prefix is for secret scanners; the checksum covers everything before it, so that typing errors and
 * random guesses are refused without a look at the database. 43 base62 characters are 256 bits and, at 43 bytes,
 * below the 72 that bcrypt reads.
 */
export interface ApiKeyParts {
  /** Public: safe to log, to show and to look up by. */
  readonly id: string
  readonly secret: string
}

const API_KEY_ID_LENGTH = 12
const API_KEY_SECRET_LENGTH = 43

const PREFIX = "gwk_"
const CHECKSUM_LENGTH = 6
export const API_KEY_LENGTH = PREFIX.length + API_KEY_ID_LENGTH + 1 + API_KEY_SECRET_LENGTH + CHECKSUM_LENGTH
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
const SHAPE = /^gwk_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})[0-9A-Za-z]{6}$/

/** The largest multiple of 62 in a byte: bytes from here on are drawn again, or the first letters would be likelier. */
const UNBIASED_BELOW = 248

const checksum = (text: string): string => {
  let rest = crc32(text)
  let digits = ""
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    digits = ALPHABET.charAt(rest % 62) + digits
    rest = Math.floor(rest / 62)
  }
  return digits
}

const randomBase62 = (length: number, randomBytes: (size: number) => Uint8Array): string => {
  let text = ""
  while (text.length < length) {
    for (const byte of randomBytes(length - text.length)) {
      if (byte < UNBIASED_BELOW) text += ALPHABET.charAt(byte % 62)
    }
  }
  return text
}

export const generateApiKeyId = (randomBytes: (size: number) => Uint8Array): string =>
  randomBase62(API_KEY_ID_LENGTH, randomBytes)

export const generateApiKeySecret = (randomBytes: (size: number) => Uint8Array): string =>
  randomBase62(API_KEY_SECRET_LENGTH, randomBytes)

export const formatApiKey = ({ id, secret }: ApiKeyParts): string => {
  const text = `${PREFIX}${id}_${secret}`
  return text + checksum(text)
}

/** Returns undefined for anything that `formatApiKey` did not write. Of a long input it looks at the length alone. */
export const parseApiKey = (token: string): ApiKeyParts | undefined => {
  if (token.length !== API_KEY_LENGTH) return undefined
  const match = SHAPE.exec(token)
  if (match === null) return undefined
  const [, id, secret] = match
  if (id === undefined || secret === undefined) return undefined
  return token.endsWith(checksum(token.slice(0, -CHECKSUM_LENGTH))) ? { id, secret } : undefined
}
