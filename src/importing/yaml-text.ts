/** Writes YAML for people to go on with: blocks, and quotes only where they are needed. Every YAML parser reads it back. */

export type YamlValue = string | number | boolean | ReadonlyArray<YamlValue> | YamlMapping

/** Undefined members are left out. */
export interface YamlMapping {
  readonly [name: string]: YamlValue | undefined
}

/** Words that some version of YAML takes for something else than a text. */
const WORDS = /^(null|true|false|yes|no|on|off|y|n)$/i
const PLAIN = /^[A-Za-z_][\w./@+-]*( [\w./@+-]+)*$/

const unprintable = /[\u007f-\u009f\u2028\u2029\ufeff\ud800-\udfff]/g

const text = (value: string): string =>
  PLAIN.test(value) && !WORDS.test(value)
    ? value
    : JSON.stringify(value).replace(unprintable, (char) =>
        char.length > 1 ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
      )

/** A number, where it can be without an exponent, which some versions of YAML take for a text. */
const number = (value: number): string => {
  const decimals = value.toFixed(12).replace(/\.?0+$/, "")
  return String(value).includes("e-") && Number(decimals) === value ? decimals : String(value)
}

const scalar = (value: string | number | boolean): string =>
  typeof value === "string" ? text(value) : typeof value === "number" ? number(value) : String(value)

const isScalar = (value: YamlValue): value is string | number | boolean => typeof value !== "object"

const isList = (value: YamlValue): value is ReadonlyArray<YamlValue> => Array.isArray(value)

const LINE = 180

/** Returns a value in one line; undefined where it is better read in several. */
const inline = (value: YamlValue, room: number): string | undefined => {
  if (isScalar(value)) return scalar(value)
  const entries = isList(value) ? value : Object.values(value).filter((each) => each !== undefined)
  if (entries.length === 0) return isList(value) ? "[]" : "{}"
  if (!entries.every(isScalar)) return undefined
  const flow = isList(value)
    ? `[${value.map((each) => quotedInFlow(each)).join(", ")}]`
    : `{ ${members(value)
        .map(([name, each]) => `${text(name)}: ${quotedInFlow(each)}`)
        .join(", ")} }`
  return flow.length <= room ? flow : undefined
}

const quotedInFlow = (value: YamlValue): string => (isScalar(value) ? scalar(value) : "")

const members = (value: YamlMapping): ReadonlyArray<readonly [string, YamlValue]> =>
  Object.entries(value).flatMap(([name, each]) => (each === undefined ? [] : [[name, each] as const]))

const lines = (value: YamlValue, indent: string): ReadonlyArray<string> => {
  if (isScalar(value)) return [`${indent}${scalar(value)}`]
  if (isList(value)) {
    return value.flatMap((each) => {
      const one = inline(each, LINE - indent.length - 2)
      if (one !== undefined) return [`${indent}- ${one}`]
      const [first = "", ...rest] = lines(each, `${indent}  `)
      return [`${indent}- ${first.trimStart()}`, ...rest]
    })
  }
  return members(value).flatMap(([name, each]) => {
    const key = `${indent}${text(name)}:`
    const one = inline(each, LINE - key.length - 1)
    return one === undefined ? [key, ...lines(each, `${indent}  `)] : [`${key} ${one}`]
  })
}

/** Writes a document; an empty mapping is an empty text. */
export const yamlText = (document: YamlMapping): string =>
  members(document)
    .map(([name, value]) => `${lines({ [name]: value }, "").join("\n")}\n`)
    .join("\n")
