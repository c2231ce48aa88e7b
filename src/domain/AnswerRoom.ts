/** Room for an answer that is held as a whole until its client has it. */
export interface AnswerRoom {
  /** Counts bytes that are here. False: no more are to be read now, and `resume` is called when they are. */
  readonly goesOn: (bytes: number, resume: () => void) => boolean
}
