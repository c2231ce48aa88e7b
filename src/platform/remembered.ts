/**
 * Returns a function that makes a value of an object once, and forgets it with the object, of which it becomes a private field.
 *
 * A `WeakMap` would hold objects of requests, and all that they refer to, until the next full garbage collection: those of young
 * objects do not look whether a key of an old map is still in use. It was most of what they had to copy.
 */
export const remembered = <From extends object, Value extends {}>(
  make: (from: From) => Value,
): ((from: From) => Value) => {
  class Made extends Itself {
    readonly #value: Value

    constructor(from: From, value: Value) {
      super(from)
      this.#value = value
    }

    static of(from: From): Value | undefined {
      return #value in from ? (from as unknown as Made).#value : undefined
    }
  }
  return (from) => {
    const known = Made.of(from)
    if (known !== undefined) return known
    const value = make(from)
    new Made(from, value)
    return value
  }
}

/** What a class that extends it makes is the object that it is given. */
class Itself {
  constructor(from: object) {
    // biome-ignore lint/correctness/noConstructorReturn: that is what it is for
    return from
  }
}
