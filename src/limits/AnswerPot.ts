import { SharedPot } from "../domain/SharedPot.ts"
import { getOrInsert } from "../platform/get-or-insert.ts"
import { LinkedSet } from "../platform/LinkedSet.ts"

/** A request, and the bytes of its answer that are here. */
export interface AnswerHolder {
  readonly keyId: string
  answerBytes: number
  /** Those that there was no room for. */
  bytesBeyond: number
}

/**
 * Bytes of answers that are held as a whole until their clients have them, which keys share. Where there is no room they are
 * read on later, but for one of each key, which takes nobody's room: of many that are read in part, some have to come to their
 * end.
 */
export class AnswerPot {
  readonly #pot = new SharedPot(0, 0)
  readonly #waiting = new LinkedSet<{ readonly holder: AnswerHolder; readonly resume: () => void }>()
  /** By key, who goes on without room. */
  readonly #beyond = new Map<string, AnswerHolder>()
  #bytesBeyond = 0

  /** See `SharedPot`. */
  resize(whole: number, keyShare: number): void {
    this.#pot.resize(whole, keyShare)
    this.#wake()
  }

  get taken(): number {
    return this.#pot.taken + this.#bytesBeyond
  }

  /** Counts bytes of a holder. False: `resume` is called when more may be read. */
  goesOn(holder: AnswerHolder, bytes: number, resume: () => void): boolean {
    if (this.#beyond.get(holder.keyId) === holder) {
      this.#bytesBeyond += bytes
      holder.bytesBeyond += bytes
      return true
    }
    this.#pot.put(holder.keyId, bytes)
    holder.answerBytes += bytes
    if (this.#mayGoOn(holder)) return true
    this.#waiting.add({ holder, resume })
    return false
  }

  /** Takes away what a holder has, whose answer may be read on without being counted. */
  leave(holder: AnswerHolder): void {
    if (holder.answerBytes === 0) return
    this.#pot.giveBack(holder.keyId, holder.answerBytes)
    this.#bytesBeyond -= holder.bytesBeyond
    holder.answerBytes = 0
    holder.bytesBeyond = 0
    if (this.#beyond.get(holder.keyId) === holder) this.#beyond.delete(holder.keyId)
    this.#wake(holder)
  }

  #wake(left?: AnswerHolder): void {
    this.#waiting.forEach((waiter, link) => {
      if (waiter.holder !== left && !this.#mayGoOn(waiter.holder)) return
      this.#waiting.delete(link)
      waiter.resume()
    })
  }

  #mayGoOn(holder: AnswerHolder): boolean {
    if (this.#pot.hasRoom(holder.keyId)) return true
    return getOrInsert(this.#beyond, holder.keyId, () => holder) === holder
  }
}
