/** A result that leaves more of its buffer unused is copied: it may be kept for long. */
const MAX_WASTE_BYTES = 64 * 1024

/**
 * Bytes that arrive in pieces. One piece stays uncopied; more are copied into one growing buffer, so that what
 * arrives byte by byte costs its size and not an object per byte, and nothing is copied more than a few times.
 */
export class GrowingBuffer {
  #bytes: Buffer = empty
  #length = 0
  #expected = 0

  get length(): number {
    return this.#length
  }

  /** Makes room for so many bytes at once, as soon as there are two pieces. */
  expect(bytes: number): void {
    this.#expected = bytes
  }

  append(piece: Buffer): void {
    const length = this.#length + piece.length
    if (this.#length === 0) {
      this.#bytes = piece
    } else {
      if (length > this.#bytes.length) {
        const grown = Buffer.allocUnsafe(
          length <= this.#expected ? this.#expected : Math.max(2 * length, 4096),
        )
        this.#bytes.copy(grown, 0, 0, this.#length)
        this.#bytes = grown
      }
      piece.copy(this.#bytes, this.#length)
    }
    this.#length = length
  }

  /** Returns all bytes; the buffer starts anew, and never writes to these again. */
  take(): Buffer {
    const wasted = this.#bytes.length - this.#length > MAX_WASTE_BYTES
    const used = this.#bytes.subarray(0, this.#length)
    const bytes = wasted ? Buffer.from(used) : used
    this.#bytes = empty
    this.#length = 0
    this.#expected = 0
    return bytes
  }
}

const empty = Buffer.alloc(0)
