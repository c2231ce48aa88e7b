/** Returns a function that makes a value of an object once, and forgets it with the object. */
export const remembered = <From extends object, Value extends {}>(
  make: (from: From) => Value,
): ((from: From) => Value) => {
  const made = new WeakMap<From, Value>()
  return (from) => {
    const known = made.get(from)
    if (known !== undefined) return known
    const value = make(from)
    made.set(from, value)
    return value
  }
}
