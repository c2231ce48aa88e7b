import { FRAME_BYTES, MAX_PAYLOAD_BYTES, RECORD, sealFrame } from "./frame.ts"
import { type FrameContent, payloadRoom, writePayload } from "./payload.ts"

/** Room for the largest frame, whose characters may take three bytes each while nobody has counted them. */
const BYTES = FRAME_BYTES + 3 * MAX_PAYLOAD_BYTES + 1024

/** Frames that are written in one piece, encoded into one buffer that is used again; `seal` makes them whole. */
export class FrameGroup {
  readonly #buffer = Buffer.allocUnsafeSlow(BYTES)
  #contents: Array<FrameContent> = []
  #ends: Array<number> = []
  #end = 0

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#end)
  }

  get size(): number {
    return this.#end
  }

  get contents(): ReadonlyArray<FrameContent> {
    return this.#contents
  }

  /** Ends of the frames in `bytes`. */
  get ends(): ReadonlyArray<number> {
    return this.#ends
  }

  /** Encodes a frame behind the others; false when there is no room for it. */
  add(content: FrameContent): boolean {
    const start = this.#end + FRAME_BYTES
    if (start + payloadRoom(content) > BYTES) return false
    const end = writePayload(this.#buffer, start, content)
    // No reader takes a larger one.
    if (end - start > MAX_PAYLOAD_BYTES) return false
    this.#contents.push(content)
    this.#ends.push(end)
    this.#end = end
    return true
  }

  /** Numbers the frames for a file that has so many records. */
  seal(records: number): void {
    let start = FRAME_BYTES
    for (const [i, { kind }] of this.#contents.entries()) {
      const end = this.#ends[i] ?? start
      if (kind === RECORD) records += 1
      sealFrame(this.#buffer, kind, records, start, end)
      start = end + FRAME_BYTES
    }
  }

  clear(): void {
    this.#contents = []
    this.#ends = []
    this.#end = 0
  }
}
