import type { Effort } from "./schema.ts"

/**
 * Regular expressions of JSON schemas, read into a tree, of which texts are made and against which they are matched. They
 * are a client's, so the engine of JavaScript never runs them: it may need forever for a short text. What is not read
 * (back references, flags) makes no pattern.
 */
type Node =
  | {
      readonly _tag: "Char"
      readonly takes: (char: string) => boolean
      readonly samples: () => ReadonlyArray<string>
    }
  | { readonly _tag: "Sequence"; readonly nodes: ReadonlyArray<Node> }
  | { readonly _tag: "Choice"; readonly nodes: ReadonlyArray<Node> }
  | { readonly _tag: "Repeat"; readonly node: Node; readonly min: number; readonly max: number }
  | { readonly _tag: "Look"; readonly node: Node; readonly behind: boolean; readonly negated: boolean }
  | { readonly _tag: "Start" | "End" | "Boundary" | "Inside" }

export interface Pattern {
  /**
   * Makes a text of the pattern's form: the first of every choice, and `extra` more repetitions than there must be. Another
   * `variant` takes other characters, and `mixed` a letter, a capital, a digit and a sign in turn. Undefined: it is too long.
   */
  readonly make: (extra: number, variant: number, mixed?: boolean) => string | undefined
  /** Tells whether the pattern is found in a text; false as well when that takes too long to tell. */
  readonly isIn: (text: string) => boolean
}

const MAX_SOURCE = 2_000
const MAX_MADE = 4_000
const MAX_STEPS = 20_000
const READING = 10

export const readPattern = (source: string, effort: Effort): Pattern | undefined => {
  effort.left -= READING + source.length
  if (source.length > MAX_SOURCE || effort.left < 0) return undefined
  const root = new Parser(source).read()
  return (
    root && {
      make: (extra, variant, mixed = false) => make(root, extra, variant, mixed, effort),
      isIn: (text) => isIn(root, text, effort),
    }
  )
}

/** Samples of a class of characters are sought among these, in this order. */
const CHARACTERS = [
  ..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. /:@+,;!?#$%&*()[]{}<>=~^|\\'\"`\t\n\u00e9\u00df\u03b1\u0436\u05d0\u0639\u3042\u4e2d\uac00\u20ac\u2192\u{1f600}",
]

const UNREADABLE = Symbol("unreadable")

class Parser {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  read(): Node | undefined {
    try {
      const node = this.#choice(0)
      return this.#at < this.#source.length ? undefined : node
    } catch (cause) {
      if (cause === UNREADABLE || cause instanceof SyntaxError) return undefined
      throw cause
    }
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#source) ?? undefined
    if (match !== undefined) this.#at += match[0].length
    return match
  }

  #choice(depth: number): Node {
    if (depth > 50) throw UNREADABLE
    const nodes = [this.#sequence(depth)]
    while (this.#take(/\|/y)) nodes.push(this.#sequence(depth))
    return nodes.length === 1 && nodes[0] !== undefined ? nodes[0] : { _tag: "Choice", nodes }
  }

  #sequence(depth: number): Node {
    const nodes: Array<Node> = []
    while (this.#at < this.#source.length && !/[|)]/.test(this.#source[this.#at] ?? "")) {
      nodes.push(this.#repeated(this.#one(depth)))
    }
    return { _tag: "Sequence", nodes }
  }

  #repeated(node: Node): Node {
    const match = this.#take(/(?:([*+?])|\{(\d{1,9})(,(\d{1,9})?)?\})\??/y)
    if (match === undefined) return node
    const [, sign, least = "0", open, most] = match
    if (sign !== undefined) {
      return {
        _tag: "Repeat",
        node,
        min: sign === "+" ? 1 : 0,
        max: sign === "?" ? 1 : Number.POSITIVE_INFINITY,
      }
    }
    const max =
      open === undefined ? Number(least) : most === undefined ? Number.POSITIVE_INFINITY : Number(most)
    return { _tag: "Repeat", node, min: Number(least), max }
  }

  #one(depth: number): Node {
    if (this.#take(/\^/y)) return { _tag: "Start" }
    if (this.#take(/\$/y)) return { _tag: "End" }
    if (this.#take(/\\b/y)) return { _tag: "Boundary" }
    if (this.#take(/\\B/y)) return { _tag: "Inside" }
    const group = this.#take(/\((?:\?(?:(<?)([=!])|:|<[A-Za-z_$][\w$]*>))?/y)
    if (group !== undefined) {
      const node = this.#choice(depth + 1)
      if (!this.#take(/\)/y)) throw UNREADABLE
      return group[2] === undefined
        ? node
        : { _tag: "Look", node, behind: group[1] === "<", negated: group[2] === "!" }
    }
    const char = this.#take(
      /\[\^?(?:\\[\s\S]|[^\]\\])*\]|\\(?:[pP]\{[\w=]+\}|u\{[\da-fA-F]+\}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|[^1-9k])|[^\\()[\]{}*+?|]|[\]{}]/uy,
    )
    if (char === undefined) throw UNREADABLE
    return character(char[0])
  }
}

/** Reads a character or a class of them. Its expression is only ever asked about one, which takes no time. */
const character = (source: string): Node => {
  if (source !== "." && [...source].length === 1) {
    return { _tag: "Char", takes: (char) => char === source, samples: () => [source] }
  }
  const one = compile(`^(?:${source})$`)
  const takes = (char: string) => one.test(char)
  let samples: ReadonlyArray<string> | undefined
  const findSamples = () => {
    const found = CHARACTERS.filter(takes)
    return found.length > 0 ? found : coded(source)
  }
  return {
    _tag: "Char",
    takes,
    samples: () => {
      samples ??= findSamples()
      return samples
    },
  }
}

const compile = (source: string): RegExp => {
  try {
    return new RegExp(source, "u")
  } catch {
    // Escapes of what needs none are an error only with the flag.
    return new RegExp(source)
  }
}

/** Returns the character that an escape by number stands for; none for a class without samples. */
const coded = (source: string): ReadonlyArray<string> => {
  const code = Number.parseInt(/^\\[ux]\{?([\da-fA-F]+)\}?$/.exec(source)?.[1] ?? "", 16)
  return code <= 0x10ffff ? [String.fromCodePoint(code)] : []
}

/** Kinds of characters that a password is asked for. */
const KINDS = [/[a-z]/, /[A-Z]/, /[0-9]/, /[!-/:-@]/]

const make = (
  root: Node,
  extra: number,
  variant: number,
  mixed: boolean,
  effort: Effort,
): string | undefined => {
  const most = Math.min(MAX_MADE, effort.left)
  let left = most
  const write = (node: Node): string => {
    if (left-- < 0) return ""
    switch (node._tag) {
      case "Char": {
        const all = node.samples()
        const kind = mixed ? KINDS[left % KINDS.length] : undefined
        const ofKind = kind === undefined ? [] : all.filter((char) => kind.test(char))
        const samples = ofKind.length > 0 ? ofKind : all
        return samples[variant % samples.length] ?? ""
      }
      case "Sequence":
        return node.nodes.map(write).join("")
      case "Choice":
        return node.nodes[0] === undefined ? "" : write(node.nodes[0])
      case "Repeat": {
        let text = ""
        const times = Math.min(node.max, node.min + extra)
        for (let i = 0; i < times && left > 0; i++) text += write(node.node)
        return text
      }
      default:
        return ""
    }
  }
  const text = write(root)
  effort.left -= most - left
  return left < 0 ? undefined : text
}

const isIn = (root: Node, text: string, effort: Effort): boolean => {
  const chars = [...text]
  const most = Math.min(MAX_STEPS, effort.left)
  let left = most
  /** Tells whether `node` takes some characters from `at` on, after which `then` takes the rest. */
  const match = (node: Node, at: number, then: (at: number) => boolean): boolean => {
    if (left-- < 0) return false
    switch (node._tag) {
      case "Char": {
        const char = chars[at]
        return char !== undefined && node.takes(char) && then(at + 1)
      }
      case "Sequence": {
        const step = (index: number, from: number): boolean => {
          const next = node.nodes[index]
          return next === undefined ? then(from) : match(next, from, (after) => step(index + 1, after))
        }
        return step(0, at)
      }
      case "Choice":
        return node.nodes.some((each) => match(each, at, then))
      case "Repeat": {
        const more = (count: number, from: number): boolean =>
          (count < node.max &&
            match(
              node.node,
              from,
              (after) => (after > from || count < node.min) && more(count + 1, after),
            )) ||
          (count >= node.min && then(from))
        return more(0, at)
      }
      case "Look": {
        const found = node.behind
          ? chars.some((_, from) => from <= at && match(node.node, from, (after) => after === at))
          : match(node.node, at, () => true)
        return left >= 0 && found !== node.negated && then(at)
      }
      case "Start":
        return at === 0 && then(at)
      case "End":
        return at === chars.length && then(at)
      default:
        return (isWord(chars[at - 1]) !== isWord(chars[at])) === (node._tag === "Boundary") && then(at)
    }
  }
  let found = false
  for (let from = 0; !found && left >= 0 && from <= chars.length; from++) {
    found = match(root, from, () => true)
  }
  effort.left -= most - left
  return found
}

const isWord = (char: string | undefined): boolean => char !== undefined && /^\w$/.test(char)
