import { getHeapStatistics } from "node:v8"

/**
 * Memory that a body takes while its request runs, in times its size: its bytes, their text and the values in it, and
 * what is sent on.
 */
const COPIES = 4

/**
 * Returns the bytes of bodies for which there is memory, and those of whole answers: a quarter of the heap's limit, and room for
 * two bodies at least.
 */
export const bodyBytesInFlight = (maxBodyBytes: number): number =>
  Math.max(2 * maxBodyBytes, Math.floor(getHeapStatistics().heap_size_limit / 4 / COPIES))
