/** Edits in which a name may differ from what was meant, for each of its characters. */
const EDITS_PER_CHARACTER = 0.3

/** Returns the name that was probably meant, whatever its case; undefined when none is near. */
export const nearestName = (name: string, known: Iterable<string>): string | undefined => {
  let nearest: string | undefined
  let fewest = name.length * EDITS_PER_CHARACTER + 1
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= fewest) continue
    const edits = editsBetween(name.toLowerCase(), candidate.toLowerCase())
    if (edits < fewest) [nearest, fewest] = [candidate, edits]
  }
  return nearest
}

/** Counts the characters to put in, take out or replace to make one text of the other (Levenshtein's distance). */
const editsBetween = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const [above = 0, left = 0, diagonal = 0] = [row[j], next[j - 1], row[j - 1]]
      next.push(Math.min(above + 1, left + 1, diagonal + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
