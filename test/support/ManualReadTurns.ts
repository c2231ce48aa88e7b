import { ReadTurns } from "../../src/platform/ReadTurns.ts"

/** Lets a reader go on after each chunk only when it is told to. */
export class ManualReadTurns extends ReadTurns {
  readonly paused: Array<() => void> = []

  override goesOn(_bytes: number, resume: () => void): boolean {
    this.paused.push(resume)
    return false
  }

  /** Lets all readers go on until nobody pauses any more, and returns how often one paused. */
  async runToEnd(isOver: () => boolean): Promise<number> {
    let pauses = 0
    while (!isOver()) {
      for (const resume of this.paused.splice(0)) {
        pauses += 1
        resume()
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    return pauses
  }
}
