import { type JsonObject, stringAt } from "../../../platform/json.ts"
import { type Pattern, readPattern } from "./pattern.ts"
import { type Effort, manyOf, numberOf } from "./schema.ts"

/** Longest text that is searched for a pattern. */
const MAX_SEARCHED = 1_000

/**
 * Makes a text that fits a schema: what its format asks for, or "simulated", or what its patterns ask for. Another
 * `variant` gives another text where there is one. What no candidate fits gets the first.
 */
export const simulatedString = (schema: JsonObject, variant: number, effort: Effort): string => {
  const patterns = manyOf(schema.pattern).flatMap((source) => readPattern(String(source), effort) ?? [])
  const minLength = numberOf(schema.minLength) ?? 0
  const maxLength = numberOf(schema.maxLength) ?? Number.POSITIVE_INFINITY
  let guess: string | undefined
  for (const candidate of candidates(schema, patterns, variant, minLength, maxLength)) {
    guess ??= candidate
    const length = lengthOf(candidate)
    if (length < minLength || length > maxLength) continue
    if (length > MAX_SEARCHED || patterns.every((pattern) => pattern.isIn(candidate))) return candidate
    if (effort.left < 0) break
  }
  return guess ?? ""
}

/** JSON schemas count characters, not their halves. */
const lengthOf = (text: string): number => (/[\ud800-\udfff]/.test(text) ? [...text].length : text.length)

function* candidates(
  schema: JsonObject,
  patterns: ReadonlyArray<Pattern>,
  variant: number,
  minLength: number,
  maxLength: number,
): Generator<string> {
  const format = stringAt(schema, "format") ?? stringAt(schema, "contentEncoding") ?? ""
  for (const sample of formats.get(format)?.(variant) ?? []) yield sample
  yield words(variant, minLength, maxLength)
  if (patterns.length === 0) return
  const most = Math.min(minLength, MAX_SEARCHED)
  for (let extra = 0; extra <= most + 1; extra++) {
    const made = patterns.map((pattern) => pattern.make(extra, variant) ?? "")
    // An empty text is the last that one would expect.
    // What looks ahead mostly asks for characters of several kinds.
    const mixed = patterns.map((pattern) => pattern.make(extra, variant, true) ?? "")
    for (const text of [...made, made.join(""), ...mixed]) if (text !== "") yield text
  }
  yield ""
}

const MARK = "simulated"

/** Writes the mark, as often as the length asks for; a variant has its number before, so that no cut takes it. */
const words = (variant: number, minLength: number, maxLength: number): string => {
  const text = variant === 0 ? MARK : `${variant + 1} ${MARK}`
  const length = Math.min(Math.max(text.length, minLength), maxLength)
  return text.padEnd(length, ` ${MARK}`).slice(0, length).replace(/ $/, ".")
}

const two = (variant: number): string => String(1 + (variant % 28)).padStart(2, "0")
const number = (variant: number): string => (variant === 0 ? "" : String(variant + 1))

/** Samples of each format, the usual form first: schemas narrow formats by patterns. */
const formats = new Map<string, (variant: number) => ReadonlyArray<string>>(
  Object.entries({
    "date-time": (i: number) => [
      `2026-01-${two(i)}T00:00:00Z`,
      `2026-01-${two(i)}T00:00:00.000Z`,
      `2026-01-${two(i)}T00:00:00+00:00`,
      `2026-01-${two(i)}T00:00:00`,
    ],
    date: (i: number) => [`2026-01-${two(i)}`],
    time: (i: number) => [`00:00:${two(i)}Z`, `00:00:${two(i)}`, `00:00:${two(i)}.000Z`, `00:${two(i)}`],
    duration: (i: number) => [`PT${i + 1}S`, `P${i + 1}D`],
    email: (i: number) => [`simulated${number(i)}@example.com`],
    "idn-email": (i: number) => [`simulated${number(i)}@example.com`],
    hostname: (i: number) => [`simulated${number(i)}.example.com`],
    "idn-hostname": (i: number) => [`simulated${number(i)}.example.com`],
    uri: (i: number) => [`https://example.com/simulated${number(i)}`],
    url: (i: number) => [`https://example.com/simulated${number(i)}`],
    iri: (i: number) => [`https://example.com/simulated${number(i)}`],
    "uri-reference": (i: number) => [`/simulated${number(i)}`],
    "iri-reference": (i: number) => [`/simulated${number(i)}`],
    "uri-template": (i: number) => [`/simulated${number(i)}/{id}`],
    uuid: (i: number) => [4, 7, 1, 6].map((version) => uuid(version, i)),
    guid: (i: number) => [uuid(4, i)],
    ipv4: (i: number) => [`192.0.2.${1 + (i % 254)}`],
    ipv6: (i: number) => [`2001:db8::${(i + 1).toString(16)}`],
    cidrv4: (i: number) => [`192.0.2.${1 + (i % 254)}/32`],
    cidrv6: (i: number) => [`2001:db8::${(i + 1).toString(16)}/128`],
    "json-pointer": (i: number) => [`/simulated${number(i)}`],
    "relative-json-pointer": (i: number) => [`${i}/simulated`],
    regex: (i: number) => [`^simulated${number(i)}$`],
    byte: (i: number) => [Buffer.from(`simulated${number(i)}`).toString("base64")],
    binary: (i: number) => [Buffer.from(`simulated${number(i)}`).toString("base64")],
    base64: (i: number) => [Buffer.from(`simulated${number(i)}`).toString("base64")],
    base64url: (i: number) => [Buffer.from(`simulated${number(i)}`).toString("base64url")],
    emoji: (i: number) => [String.fromCodePoint(0x1f600 + (i % 64))],
    jwt: (i: number) => [
      [{ alg: "HS256", typ: "JWT" }, { sub: `simulated${number(i)}` }, "simulated"]
        .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
        .join("."),
    ],
    e164: (i: number) => [`+1202555${String(100 + (i % 100)).padStart(4, "0")}`],
  }),
)

const uuid = (version: number, variant: number): string =>
  `00000000-0000-${version}000-8000-${variant.toString(16).padStart(12, "0")}`
