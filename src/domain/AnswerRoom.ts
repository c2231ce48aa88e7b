/** Room for an answer that is held as a whole until its client has it. */
export interface AnswerRoom {
  /**
   * Counts bytes that are here; none to ask before the first. False: no more are to be read now, and `resume` is called when they
   * are; one for each answer.
   */
  readonly goesOn: (bytes: number, resume: () => void) => boolean
  /** Says that no more of the answer with this `resume` are read. */
  readonly readEnds: (resume: () => void) => void
}

/** The same for one call, which has a time of its own once it is held up: how its provider is has nothing to do with that. */
export interface CallRoom extends AnswerRoom {
  /** Epoch milliseconds; undefined: it never waited. */
  readonly heldUpAt: number | undefined
  readonly leftMs: () => number
}
