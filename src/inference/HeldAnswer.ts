import type { AnswerRoom, CallRoom } from "../domain/AnswerRoom.ts"
import type { RequestRecorder } from "./RequestRecorder.ts"

/** The answer to one attempt, which is held until its client has it, and when it first had to wait for room. */
export class HeldAnswer implements CallRoom {
  heldUpAt: number | undefined
  readonly #room: AnswerRoom
  readonly #recorder: RequestRecorder
  readonly #deadlineAt: number

  constructor(room: AnswerRoom, recorder: RequestRecorder, deadlineAt: number) {
    this.#room = room
    this.#recorder = recorder
    this.#deadlineAt = deadlineAt
  }

  goesOn(bytes: number, resume: () => void): boolean {
    const goesOn = this.#room.goesOn(bytes, resume)
    if (!goesOn) {
      this.heldUpAt ??= this.#recorder.now()
      this.#recorder.isHeldUp = true
    }
    return goesOn
  }

  readEnds(resume: () => void): void {
    this.#room.readEnds(resume)
  }

  leftMs(): number {
    return this.#deadlineAt - this.#recorder.now()
  }
}
