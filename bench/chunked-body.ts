/** Takes the frames of `transfer-encoding: chunked` off a body that arrives in pieces. */
export class ChunkedBody {
  /** A size line that has not arrived whole. */
  #line = ""
  /** Characters to come of the chunk that is being read, its closing CRLF included. */
  #left = 0
  #last = false

  /** True once the empty chunk at the end has arrived. */
  get ended(): boolean {
    return this.#last && this.#left === 0
  }

  /** Returns what of the body is in the next piece. */
  read(piece: string): string {
    const text = this.#line + piece
    this.#line = ""
    let data = ""
    let at = 0
    while (at < text.length && !this.ended) {
      if (this.#left > 0) {
        data += text.slice(at, Math.min(at + this.#left - 2, text.length))
        const taken = Math.min(this.#left, text.length - at)
        at += taken
        this.#left -= taken
        continue
      }
      const lineEnd = text.indexOf("\r\n", at)
      if (lineEnd < 0) {
        this.#line = text.slice(at)
        break
      }
      const size = Number.parseInt(text.slice(at, lineEnd), 16)
      this.#last = size === 0
      this.#left = size + 2
      at = lineEnd + 2
    }
    return data
  }
}
