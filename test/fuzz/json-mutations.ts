import type { Dice } from "./Dice.ts"

/** A JSON value that can also be what no program would write: names that stand twice, numbers that are none. */
type Tree = string | { readonly items: Array<Tree> } | { readonly fields: Array<[name: string, value: Tree]> }

const treeOf = (value: unknown): Tree => {
  if (Array.isArray(value)) return { items: value.map(treeOf) }
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  return { fields: Object.entries(value).map(([name, of]) => [JSON.stringify(name), treeOf(of)]) }
}

const textOf = (tree: Tree): string => {
  if (typeof tree === "string") return tree
  return "items" in tree
    ? `[${tree.items.map(textOf).join()}]`
    : `{${tree.fields.map(([name, value]) => `${name}:${textOf(value)}`).join()}}`
}

const nastyValues: ReadonlyArray<Tree> = [
  "null",
  "true",
  "false",
  "0",
  "-0",
  "-1",
  "1.5",
  "1e400",
  "-1e400",
  "1e-400",
  "9007199254740993",
  "-12345678901234567890",
  `${"9".repeat(500)}`,
  '""',
  '" "',
  '"\\u0000"',
  '"\\ud800"',
  '"\\udfff\\ud800"',
  '"\u{1f600}"',
  '"\u202e\ufeff\u2028"',
  '"__proto__"',
  '"auto"',
  '"data:image/png;base64,AAAA"',
  '"data:;base64,"',
  '"http://169.254.169.254/latest/meta-data"',
  '"NaN"',
  `"${"x".repeat(300)}"`,
  `"${"\\\\".repeat(200)}"`,
  "NaN",
  "Infinity",
  "undefined",
  "01",
  "+1",
  ".5",
  "1.",
  "0x10",
  "'a'",
  "",
  "[",
  "}",
  "{}",
  "[]",
  "[[]]",
  "[{}]",
  '{"":""}',
  '{"__proto__":{"a":1}}',
  '{"constructor":{"prototype":{}}}',
  '{"toString":1,"valueOf":1,"toJSON":1,"then":1,"length":-1}',
  '{"rawJSON":"1"}',
  "[".repeat(300) + "]".repeat(300),
  `${'{"a":'.repeat(200)}1${"}".repeat(200)}`,
  `[${Array(400).fill("0").join()}]`,
  `[${Array(60).fill("12345678901234567").join()}]`,
  `{${Array.from({ length: 1_100 }, (_, i) => `"f${i}":0`).join()}}`,
]

const nastyNames = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "toJSON",
  "then",
  "length",
  "hasOwnProperty",
  "",
  "0",
  "4294967296",
  "-1",
  "model",
  "messages",
  "prompt",
  "input",
  "stream",
  "stream_options",
  "max_tokens",
  "max_completion_tokens",
  "tools",
  "tool_calls",
  "tool_choice",
  "response_format",
  "n",
  "stop",
  "role",
  "content",
  "type",
  "text",
  "image_url",
  "url",
  "system",
  "source",
  "signature",
  "thinking",
  "cache_control",
  "input_schema",
  "output_config",
  "stop_sequences",
  "encrypted_content",
  "\u0000",
  "\ud800",
  "x".repeat(200),
]

/** Every object and list of a tree, the outermost first. */
const containersOf = (tree: Tree): ReadonlyArray<Exclude<Tree, string>> => {
  if (typeof tree === "string") return []
  const inner = "items" in tree ? tree.items : tree.fields.map(([, value]) => value)
  return [tree, ...inner.flatMap(containersOf)]
}

const nasty = (dice: Dice, whole: Tree): Tree =>
  // A piece of the body in another place, or something that is never there.
  dice.chance(0.2) ? dice.pick([whole, ...containersOf(whole)]) : dice.pick(nastyValues)

const mutateFields = (dice: Dice, fields: Array<[string, Tree]>, whole: Tree): void => {
  const at = dice.below(fields.length + 1)
  const name = JSON.stringify(dice.pick(nastyNames))
  const field = fields[at]
  switch (dice.below(6)) {
    case 0:
      fields.splice(at, 1)
      return
    case 1:
      if (field !== undefined) fields.push([field[0], nasty(dice, whole)])
      return
    case 2:
      if (field !== undefined) field[0] = name
      return
    case 3:
      // The same name, written in another way.
      if (field !== undefined) field[0] = field[0].replace(/[a-z]/, (letter) => escaped(letter))
      return
    case 4:
      fields.splice(at, 0, [name, nasty(dice, whole)])
      return
    default:
      if (field !== undefined) field[1] = nasty(dice, whole)
  }
}

const escaped = (letter: string): string => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`

const mutateItems = (dice: Dice, items: Array<Tree>, whole: Tree): void => {
  const at = dice.below(items.length + 1)
  const item = items[at]
  switch (dice.below(4)) {
    case 0:
      items.splice(at, 1)
      return
    case 1:
      if (item !== undefined) for (let i = dice.below(50); i > 0; i--) items.splice(at, 0, item)
      return
    case 2:
      items.splice(at, 0, nasty(dice, whole))
      return
    default:
      items[at] = nasty(dice, whole)
  }
}

const LONGEST = 200_000

/** Changes a few things of a value's structure, and writes it. */
export const mutatedJson = (dice: Dice, value: unknown): string => {
  const tree = treeOf(value)
  for (let left = dice.below(4); left > 0; left--) {
    // What is put in may be the whole again: a copy, since nothing may stand within itself.
    const whole = treeOf(value)
    const container = dice.pick([...containersOf(tree), { items: [] }])
    if ("items" in container) mutateItems(dice, container.items, whole)
    else mutateFields(dice, container.fields, whole)
  }
  return textOf(tree).slice(0, LONGEST)
}

/** Changes a few bytes anywhere. */
export const mutatedBytes = (dice: Dice, bytes: Uint8Array): Buffer => {
  let mutated = Buffer.from(bytes)
  for (let left = 1 + dice.below(4); left > 0; left--) {
    const at = dice.below(mutated.length + 1)
    const [before, after] = [mutated.subarray(0, at), mutated.subarray(at)]
    switch (dice.below(5)) {
      case 0:
        mutated = before
        break
      case 1:
        mutated = Buffer.concat([before, after.subarray(1 + dice.below(20))])
        break
      case 2:
        mutated = Buffer.concat([before, Buffer.from([dice.below(256)]), after])
        break
      case 3:
        mutated = Buffer.concat([before, after.subarray(0, dice.below(40)), after])
        break
      default:
        mutated = Buffer.concat([before, Buffer.from([dice.below(256)]), after.subarray(1)])
    }
  }
  return mutated
}
