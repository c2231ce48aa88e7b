import type { Version } from "./frame.ts"
import { SEGMENT_HEADER } from "./payload.ts"

/** One file of a journal, as its writer and its reader know it. */
export interface Segment {
  readonly path: string
  readonly version: Version
  /** Bytes up to here are whole frames. */
  size: number
  records: number
  /** Position of its reader, in bytes and in records. */
  position: number
  read: number
  /** Epoch milliseconds when the first of the records that are not read ended, if there are any. */
  oldestMs: number | undefined
}

export const makeSegment = (path: string, version: Version = 3): Segment => ({
  path,
  version,
  size: 0,
  records: 0,
  position: SEGMENT_HEADER.length,
  read: 0,
  oldestMs: undefined,
})
