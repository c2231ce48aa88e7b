/** Returns a map's value, made and kept when there is none: what engines are getting as `Map.getOrInsertComputed`. */
export const getOrInsert = <Key, Value extends {}>(
  map: Map<Key, Value>,
  key: Key,
  make: (key: Key) => Value,
): Value => {
  const known = map.get(key)
  if (known !== undefined) return known
  const value = make(key)
  map.set(key, value)
  return value
}
