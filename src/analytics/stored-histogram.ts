import type { LatencyHistogram } from "../domain/latency-histogram.ts"

/** Bytes of one entry: the bucket's number in two, its count in four, in network order. */
const ENTRY = 6

/**
 * Sums stored histograms, any number of them one after the other. They are summed here and not in the
 * database because it is the bulk of a usage query: a month of hundreds of keys has a million entries, which take a
 * few milliseconds as bytes and several hundred as rows.
 */
export const storedHistogram = (bytes: Uint8Array): LatencyHistogram => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const counts: Array<number> = []
  for (let at = 0; at + ENTRY <= bytes.byteLength; at += ENTRY) {
    const bucket = view.getUint16(at)
    while (counts.length <= bucket) counts.push(0)
    counts[bucket] = (counts[bucket] ?? 0) + view.getUint32(at + 2)
  }
  return counts.map((requests, bucket) => [bucket, requests] as const).filter(([, requests]) => requests > 0)
}
