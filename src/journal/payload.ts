import { type Frame, type Kind, RECORD, type Version } from "./frame.ts"
import type { Entry } from "./Journal.ts"

/**
 * Text inside of the frames, in all versions of the format. A record is a request's id, when it ended (epoch
 * milliseconds) and its line, an intent the id and its text, a note of the previous segment that one's name and number of
 * records; a line feed stands between. Version 1 had no time in its
 * records: it was one of the first fields of the line, which was JSON.
 */

/** Suffix of the version that is written. */
export const SEGMENT_SUFFIX = ".gwj3"

/** First bytes of a segment, for people and tools: a name and the version. */
export const SEGMENT_HEADER = Buffer.from("gwjrnl\0\x03", "latin1")

/** The version that a file is written in; undefined for one that is no segment, or of a later version. */
export const versionOf = (name: string): Version | undefined =>
  name.endsWith(SEGMENT_SUFFIX) ? 3 : name.endsWith(".gwj2") ? 2 : name.endsWith(".gwj1") ? 1 : undefined

const LINE_FEED = 10

/** Content of one frame. */
export interface FrameContent {
  readonly kind: Kind
  readonly id: string
  /** Set for a record. */
  readonly endedMs?: number | undefined
  readonly line: string
}

/** Bytes that `writePayload` needs at most. */
export const payloadRoom = ({ id, line }: FrameContent): number => 3 * (id.length + line.length) + 32

/** Writes a payload at `start` and returns where it ends. */
export const writePayload = (buffer: Buffer, start: number, content: FrameContent): number => {
  let end = start + buffer.write(content.id, start)
  buffer[end++] = LINE_FEED
  if (content.kind === RECORD) {
    end += buffer.write(String(content.endedMs ?? ""), end, "latin1")
    buffer[end++] = LINE_FEED
  }
  return end + buffer.write(content.line, end)
}

/** Returns an intent's id, or the name of a previous segment. */
export const idAt = (buffer: Buffer, { start, end }: Frame): string =>
  buffer.toString("utf8", start, feedIn(buffer, start, end))

/** Returns an intent's text, or the number of records of a previous segment. */
export const intentAt = (buffer: Buffer, { start, end }: Frame): string =>
  buffer.toString("utf8", feedIn(buffer, start, end) + 1, end)

export const entryAt = (buffer: Buffer, { start, end }: Frame, version: Version): Entry => {
  const idEnd = feedIn(buffer, start, end)
  const id = buffer.toString("utf8", start, idEnd)
  if (version === 1) {
    const line = buffer.toString("utf8", idEnd + 1, end)
    return { id, endedMs: endedMsOfJson(line), line }
  }
  const timeEnd = feedIn(buffer, idEnd + 1, end)
  const time = buffer.toString("latin1", idEnd + 1, timeEnd)
  return {
    id,
    endedMs: time === "" ? undefined : Number(time),
    line: buffer.toString("utf8", timeEnd + 1, end),
  }
}

/** Whole frames have one: the writer put it there. */
const feedIn = (buffer: Buffer, start: number, end: number): number => {
  const at = buffer.indexOf(LINE_FEED, start)
  return at === -1 || at >= end ? end : at
}

/** Version 1 wrote these fields first. */
const endedMsOfJson = (line: string): number | undefined => {
  const [found, startedAt, latency] =
    /^\{"id":"[^"]*","started_at_ms":(\d+),"latency_ms":(\d+)/.exec(line) ?? []
  return found === undefined ? undefined : Number(startedAt) + Number(latency)
}
