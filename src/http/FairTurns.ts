import { SharedPot } from "../domain/SharedPot.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"
import { onceATurn } from "../platform/once-a-turn.ts"

/** Pieces that may wait, and the share of them that one party may have. */
const MAX_WAITING = 10_000
const PARTY_SHARE = 0.75

/** Lines of parties that no longer wait, which are kept for when they do again: a line is dearer to make than to keep. */
const MAX_IDLE_LINES = 1_000

interface Line {
  readonly party: string
  readonly waiting: Array<() => void>
}

const makeLine = (party: string): Line => ({ party, waiting: [] })

/**
 * Spreads work over turns of the event loop: at most so many pieces begin in each, and what has to wait stands in the line
 * of its party. Every line gives one at a time, so that a party with a thousand pieces delays the others by one of them.
 *
 * The loop hands over what a thousand busy sockets have in one go; without turns the last one's owner waits for the work of
 * all of them.
 */
export class FairTurns {
  readonly #waiting = new SharedPot(MAX_WAITING, PARTY_SHARE)
  readonly #lines = new Map<string, Line>()
  /** Lines in which somebody waits, in the order in which they give. */
  readonly #next: Array<Line> = []
  readonly #perTurn: number
  readonly #tellTurn = onceATurn(() => this.#turn())
  #begun = 0

  /** `perTurn` pieces begin in one turn of the event loop. */
  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  /** Number of parties that it keeps a line for. */
  get size(): number {
    return this.#lines.size
  }

  /** Begins it at once when there is room in this turn. False: too many wait already. */
  take(party: string, begin: () => void): boolean {
    this.#tellTurn()
    if (this.#next.length === 0 && this.#begun < this.#perTurn) {
      this.#begun += 1
      begin()
      return true
    }
    if (this.#waiting.take(party, 1) !== undefined) return false
    const line = getOrInsert(this.#lines, party, makeLine)
    if (line.waiting.push(begin) === 1) this.#next.push(line)
    return true
  }

  #turn(): void {
    this.#begun = 0
    if (this.#next.length === 0) return
    this.#tellTurn()
    while (this.#begun < this.#perTurn) {
      const line = this.#next.shift()
      if (line === undefined) break
      const begin = line.waiting.shift()
      if (line.waiting.length > 0) this.#next.push(line)
      else if (this.#lines.size > MAX_IDLE_LINES) this.#lines.delete(line.party)
      this.#waiting.giveBack(line.party, 1)
      this.#begun += 1
      begin?.()
    }
  }
}
