import { SharedPot } from "../domain/SharedPot.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"

/** Answers of one key that are read at once where half of its room is taken. */
const READERS = 2

/** A request, and the bytes of its answers that are here. */
export interface AnswerHolder {
  readonly keyId: string
  /** It has something here, or waits for it. */
  hasAsked: boolean
  /** Bytes that were read while there was room for all. */
  answerBytes: number
  /** Bytes that were read in turn. */
  bytesInTurn: number
}

/** The turn of one request: two attempts at once have one together. */
class Turn {
  /** Of its answers, those that are not at their end. */
  readonly resumes = new Set<() => void>()
  isPaused = true
}

/** The requests of one key whose answers are read in turn. */
class Queue {
  readonly turns = new Map<AnswerHolder, Turn>()
  /** Bytes of those whose turn is over: their clients have yet to take them. */
  kept = 0
}

/**
 * Bytes of answers that are held as a whole until their clients have them, which keys share. Half of the room is for answers that
 * are read side by side. Where a key has its part of that, its answers are read in turn, a few at a time, as far as there is any
 * room: many in part would leave none for one to become whole. The first in turn goes on without room unless others whose turn
 * is over are still here, so that each comes to its end.
 */
export class AnswerPot {
  readonly #sideBySide = new SharedPot(0, 0)
  readonly #all = new SharedPot(0, 0)
  /** By key. */
  readonly #queues = new Map<string, Queue>()

  /** See `SharedPot`. */
  resize(whole: number, keyShare: number): void {
    this.#sideBySide.resize(whole / 2, keyShare)
    this.#all.resize(whole, keyShare)
    this.#advanceAll()
  }

  get taken(): number {
    return this.#all.taken
  }

  /** See `AnswerRoom`. */
  goesOn(holder: AnswerHolder, bytes: number, resume: () => void): boolean {
    const { keyId } = holder
    holder.hasAsked = true
    this.#all.put(keyId, bytes)
    const known = this.#queues.get(keyId)
    const running = known?.turns.get(holder)
    if (known !== undefined && running?.isPaused === false) {
      holder.bytesInTurn += bytes
      running.resumes.add(resume)
      running.isPaused = !this.#hasRoom(known, holder)
      return !running.isPaused
    }
    this.#sideBySide.put(keyId, bytes)
    holder.answerBytes += bytes
    if (this.#sideBySide.hasRoom(keyId)) return true
    if (running !== undefined) {
      running.resumes.add(resume)
      return false
    }
    const queue = getOrInsert(this.#queues, keyId, () => new Queue())
    const turn = new Turn()
    turn.resumes.add(resume)
    queue.turns.set(holder, turn)
    // What it has of an attempt before waits for no client, and is in nobody's way any more.
    queue.kept -= holder.bytesInTurn
    turn.isPaused = queue.turns.size > READERS || !this.#hasRoom(queue, holder)
    const goesOn = !turn.isPaused
    if (holder.bytesInTurn > 0) this.#advance(keyId, queue)
    return goesOn
  }

  /** See `AnswerRoom`. */
  readEnds(holder: AnswerHolder, resume: () => void): void {
    const queue = this.#queues.get(holder.keyId)
    if (queue === undefined) return
    const turn = queue.turns.get(holder)
    if (turn?.resumes.delete(resume) === true && turn.resumes.size === 0) {
      queue.turns.delete(holder)
      queue.kept += holder.bytesInTurn
    }
    this.#advance(holder.keyId, queue)
  }

  /** Takes away what a holder has, whose answers may be read on without being counted. */
  leave(holder: AnswerHolder): void {
    if (!holder.hasAsked) return
    const { answerBytes, bytesInTurn, keyId } = holder
    this.#sideBySide.giveBack(keyId, answerBytes)
    this.#all.giveBack(keyId, answerBytes + bytesInTurn)
    const queue = this.#queues.get(keyId)
    const turn = queue?.turns.get(holder)
    if (queue !== undefined && !queue.turns.delete(holder)) queue.kept -= bytesInTurn
    holder.hasAsked = false
    holder.answerBytes = 0
    holder.bytesInTurn = 0
    this.#advanceAll()
    if (turn !== undefined) for (const resume of turn.resumes) resume()
  }

  #advanceAll(): void {
    for (const [keyId, queue] of this.#queues) this.#advance(keyId, queue)
  }

  /** Lets those read whose turn it is, as far as there is room. */
  #advance(keyId: string, queue: Queue): void {
    let ahead = 0
    for (const [holder, turn] of queue.turns) {
      if (ahead === READERS) {
        this.#letBack(queue, holder, turn)
        return
      }
      ahead += 1
      if (!turn.isPaused || !this.#hasRoom(queue, holder)) continue
      turn.isPaused = false
      for (const resume of turn.resumes) resume()
    }
    if (queue.turns.size === 0 && queue.kept === 0) this.#queues.delete(keyId)
  }

  /**
   * Has one that is not in turn yet be read side by side again, where there is room for that meanwhile: those ahead may have slow
   * providers. One alone, and the next when another one is at its end: all together would be back with a piece each.
   */
  #letBack(queue: Queue, holder: AnswerHolder, turn: Turn): void {
    // What it has of an attempt before may be more than there is room for.
    if (holder.bytesInTurn > 0 || !this.#sideBySide.hasRoom(holder.keyId)) return
    queue.turns.delete(holder)
    for (const resume of turn.resumes) resume()
  }

  #hasRoom({ kept, turns }: Queue, holder: AnswerHolder): boolean {
    const isFirst = turns.keys().next().value === holder
    return (isFirst && kept === 0) || this.#all.hasRoom(holder.keyId)
  }
}
