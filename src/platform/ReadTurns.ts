import { onceATurn } from "./once-a-turn.ts"

/** Bytes that are read in one turn of the event loop, about two milliseconds' work, by whoever reads much. */
const BYTES_PER_TURN = 1024 * 1024

/** Chunks that are too small to matter, and not worth to be counted. */
const SMALL_CHUNK_BYTES = 8 * 1024

/** The most that one socket brings at once. */
const LARGEST_CHUNK_BYTES = 64 * 1024

/**
 * Bounds how much is read in a turn of the event loop from all sockets together. The loop would hand over what hundreds of
 * them have, up to two megabytes each, before anybody else gets a turn.
 */
export class ReadTurns {
  readonly #paused: Array<() => void> = []
  readonly #tellTurn = onceATurn(() => this.#turn())
  #left = BYTES_PER_TURN

  /** Counts a chunk. False: its reader pauses now, and goes on in a later turn, when `resume` is called. */
  goesOn(bytes: number, resume: () => void): boolean {
    if (bytes < SMALL_CHUNK_BYTES) return true
    this.#tellTurn()
    this.#left -= bytes
    // While others wait, each brings one chunk in its turn.
    if (this.#left > 0 && this.#paused.length === 0) return true
    this.#paused.push(resume)
    return false
  }

  #turn(): void {
    this.#left = BYTES_PER_TURN
    if (this.#paused.length === 0) return
    this.#tellTurn()
    for (const resume of this.#paused.splice(0, BYTES_PER_TURN / LARGEST_CHUNK_BYTES)) resume()
  }
}
