/**
 * Bytes that arrive in pieces. One piece stays uncopied; more are copied into one growing buffer, so that what
 * arrives byte by byte costs its size and not an object per byte, and nothing is copied more than a few times.
 */
export class GrowingBuffer {
  #bytes: Buffer = empty
  #length = 0

  get length(): number {
    return this.#length
  }

  append(piece: Buffer): void {
    const length = this.#length + piece.length
    if (this.#length === 0) {
      this.#bytes = piece
    } else {
      if (length > this.#bytes.length) {
        const grown = Buffer.allocUnsafe(Math.max(2 * length, 4096))
        this.#bytes.copy(grown, 0, 0, this.#length)
        this.#bytes = grown
      }
      piece.copy(this.#bytes, this.#length)
    }
    this.#length = length
  }

  /** Returns all bytes; the buffer starts anew, and never writes to these again. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#length)
    this.#bytes = empty
    this.#length = 0
    return bytes
  }
}

const empty = Buffer.alloc(0)
