import { SharedPot } from "../domain/SharedPot.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"
import { LinkedSet } from "../platform/LinkedSet.ts"

/** A request, and the bytes of its answer that are here. */
export interface AnswerHolder {
  readonly keyId: string
  hasAsked: boolean
  /** Those that were read while there was room for all. */
  answerBytes: number
  /** Those that were read in turn. */
  bytesInTurn: number
}

/** An answer that is read in turn. */
interface Reader {
  readonly holder: AnswerHolder
  /** The same for each of its bytes. */
  readonly resume: () => void
}

/** The answers of one key that are read one after the other. */
class Queue {
  reader: Reader | undefined
  /** The reader waits for room. */
  isPaused = false
  readonly waiting = new LinkedSet<Reader>()
  /** Bytes that the others have whose turn it was. */
  kept = 0
}

/**
 * Bytes of answers that are held as a whole until their clients have them, which keys share. In one half of the room all are read
 * side by side. Where a key has its part of it, its answers are read one after the other into the other half: many in part would
 * leave no room for any to become whole. One answer goes on without room where no other one of its key was read in turn and is
 * still here, so that each comes to its end.
 */
export class AnswerPot {
  readonly #open = new SharedPot(0, 0)
  readonly #inTurn = new SharedPot(0, 0)
  /** By key. */
  readonly #queues = new Map<string, Queue>()

  /** See `SharedPot`. */
  resize(whole: number, keyShare: number): void {
    this.#open.resize(whole / 2, keyShare)
    this.#inTurn.resize(whole / 2, keyShare)
    this.#resumeReaders()
  }

  get taken(): number {
    return this.#open.taken + this.#inTurn.taken
  }

  /**
   * Counts bytes of a holder, none to ask whether an answer may be read at all. False: `resume`, one for each answer, is called
   * when more may be read.
   */
  goesOn(holder: AnswerHolder, bytes: number, resume: () => void): boolean {
    const { keyId } = holder
    holder.hasAsked = true
    const known = this.#queues.get(keyId)
    if (known?.reader?.resume === resume) {
      this.#inTurn.put(keyId, bytes)
      holder.bytesInTurn += bytes
      return this.#readerGoesOn(keyId, known)
    }
    this.#open.put(keyId, bytes)
    holder.answerBytes += bytes
    if (this.#open.hasRoom(keyId)) return true
    const queue = getOrInsert(this.#queues, keyId, () => new Queue())
    if (queue.reader === undefined) return this.#begin(keyId, queue, { holder, resume })
    queue.waiting.add({ holder, resume })
    return false
  }

  /** Says that nothing more of an answer is read: it is here, or was given up. */
  readEnds(holder: AnswerHolder, resume: () => void): void {
    const queue = this.#queues.get(holder.keyId)
    if (queue?.reader?.resume === resume) {
      queue.kept += holder.bytesInTurn
      this.#next(holder.keyId, queue)
    } else
      queue?.waiting.forEach((waiter, link) => {
        if (waiter.resume === resume) queue.waiting.delete(link)
      })
  }

  /** Takes away what a holder has, whose answer may be read on without being counted. */
  leave(holder: AnswerHolder): void {
    if (!holder.hasAsked) return
    const { keyId } = holder
    this.#open.giveBack(keyId, holder.answerBytes)
    this.#inTurn.giveBack(keyId, holder.bytesInTurn)
    const queue = this.#queues.get(keyId)
    if (queue !== undefined) this.#leaveQueue(queue, holder)
    holder.hasAsked = false
    holder.answerBytes = 0
    holder.bytesInTurn = 0
    this.#resumeReaders()
  }

  #leaveQueue(queue: Queue, holder: AnswerHolder): void {
    queue.waiting.forEach((waiter, link) => {
      if (waiter.holder !== holder) return
      queue.waiting.delete(link)
      waiter.resume()
    })
    if (queue.reader?.holder !== holder) {
      queue.kept -= holder.bytesInTurn
      if (queue.reader !== undefined) return
    }
    if (queue.isPaused) queue.reader?.resume()
    this.#next(holder.keyId, queue)
  }

  /** Begins the turn of the one that has waited longest. */
  #next(keyId: string, queue: Queue): void {
    queue.reader = undefined
    queue.isPaused = false
    const { oldest } = queue.waiting
    if (oldest !== undefined) {
      queue.waiting.delete(oldest)
      if (this.#begin(keyId, queue, oldest.value)) oldest.value.resume()
    } else if (queue.kept === 0) this.#queues.delete(keyId)
  }

  /** Tells whether it may read now. */
  #begin(keyId: string, queue: Queue, reader: Reader): boolean {
    queue.reader = reader
    // What it has of an attempt before is in nobody else's way.
    queue.kept -= reader.holder.bytesInTurn
    return this.#readerGoesOn(keyId, queue)
  }

  #readerGoesOn(keyId: string, queue: Queue): boolean {
    queue.isPaused = queue.kept > 0 && !this.#inTurn.hasRoom(keyId)
    return !queue.isPaused
  }

  #resumeReaders(): void {
    for (const [keyId, queue] of this.#queues) {
      if (queue.isPaused && this.#readerGoesOn(keyId, queue)) queue.reader?.resume()
    }
  }
}
