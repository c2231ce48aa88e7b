import { getHeapStatistics } from "node:v8"

/**
 * Memory that a body takes while its request runs, in times its size: its bytes, their text and the values in it, and
 * what is sent on.
 */
const COPIES = 4

/** Returns the bytes of bodies, and those of answers, for which there is memory: a quarter of the heap's limit, and room for two at least. */
export const bodyBytesInFlight = (maxBodyBytes: number): number =>
  Math.max(2 * maxBodyBytes, Math.floor(getHeapStatistics().heap_size_limit / 4 / COPIES))
