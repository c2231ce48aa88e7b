/** What `/metrics` shows: names as Prometheus stores them (`…_bucket` of a histogram), each with the labels it has. */
export type Samples = ReadonlyMap<string, ReadonlySet<string>>

const LINE = /^(\w+)(?:\{(.*)\})? \S+$/gm
const LABEL = /(\w+)="(?:[^"\\]|\\.)*"/g

export const samplesOf = (exposition: string): Samples => {
  const samples = new Map<string, Set<string>>()
  for (const [, name = "", labels = ""] of exposition.matchAll(LINE)) {
    const known = samples.get(name) ?? new Set()
    for (const [, label = ""] of labels.matchAll(LABEL)) known.add(label)
    samples.set(name, known)
  }
  return samples
}
