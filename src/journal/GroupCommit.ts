import { onceATurn } from "../platform/once-a-turn.ts"
import { FrameGroup } from "./FrameGroup.ts"
import type { Done } from "./Journal.ts"
import type { FrameContent } from "./payload.ts"
import type { SegmentWriter } from "./SegmentWriter.ts"

/**
 * Writes everything that one turn of the event loop brings with one system call, when the turn has ended: what many
 * sockets brought at once shares it, and a lone request waits for nothing, since the loop looks at its immediates before
 * it sleeps. Who waits goes on after the write, whatever became of those who asked.
 */
export class GroupCommit {
  readonly #writer: SegmentWriter
  /** Called for each frame that is in the file. */
  readonly #onWritten: (content: FrameContent) => void
  readonly #group = new FrameGroup()
  #waiting: Array<Done> = []
  /** Those whose frames are written, or refused by the disk, and who go on at the end of the turn. */
  #written: Array<Done> = []
  #refused: Array<Done> = []
  readonly #flushSoon = onceATurn(() => this.flush())

  constructor(writer: SegmentWriter, onWritten: (content: FrameContent) => void) {
    this.#writer = writer
    this.#onWritten = onWritten
  }

  /** Bytes that wait to be written. */
  get bytes(): number {
    return this.#group.size
  }

  append(content: FrameContent, done: Done): void {
    if (this.#writer.isPausing() || !this.#add(content)) {
      done("disk")
      return
    }
    this.#waiting.push(done)
    this.#flushSoon()
  }

  /** Writes one frame at once, after those that wait; false when the disk did not take it. */
  appendNow(content: FrameContent): boolean {
    this.#write()
    if (!this.#group.add(content)) return false
    const taken = this.#writer.append(this.#group) === 1
    this.#group.clear()
    if (taken) this.#onWritten(content)
    return taken
  }

  /** Writes what waits at once, and lets go on who waits for it. */
  flush(): void {
    this.#write()
    const written = this.#written
    const refused = this.#refused
    this.#written = []
    this.#refused = []
    for (const done of written) done(undefined)
    for (const done of refused) done("disk")
  }

  #write(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    const { contents } = this.#group
    const whole = this.#writer.append(this.#group)
    for (const content of whole === contents.length ? contents : contents.slice(0, whole))
      this.#onWritten(content)
    this.#written.push(...waiting.slice(0, whole))
    this.#refused.push(...waiting.slice(whole))
    this.#waiting = []
    this.#group.clear()
  }

  #add(content: FrameContent): boolean {
    if (this.#group.add(content)) return true
    // Who waits for those before goes on at the end of the turn all the same.
    this.#write()
    return this.#group.add(content)
  }
}
