/** Room for answers that are held as a whole until their client has them. */
export interface AnswerRoom {
  /**
   * Counts bytes that have arrived; none only asks. False: no more are to be read until `resume` is called. Each answer has one
   * of its own, which must not call back at once.
   */
  readonly goesOn: (bytes: number, resume: () => void) => boolean
  /** Says that no more of the answer with this `resume` is read. */
  readonly readEnds: (resume: () => void) => void
}

/** The same for one call, which has a time of its own once it is held up: how its provider is has nothing to do with that. */
export interface CallRoom extends AnswerRoom {
  /** Epoch milliseconds; undefined: it never waited. */
  readonly heldUpAt: number | undefined
  readonly leftMs: () => number
}
