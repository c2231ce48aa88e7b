import type { Principal } from "../auth/Principal.ts"
import type { AnswerRoom } from "../domain/AnswerRoom.ts"
import type { Attribution } from "../domain/Attribution.ts"
import type { Task } from "../domain/Task.ts"

/** A client's request, authenticated and understood. */
export interface InferenceRequest {
  /** The client's own name of the conversation that it is a turn of, from a header. */
  readonly session?: string | undefined
  readonly principal: Principal
  /** Model, route or `provider/model` as the client named it. */
  readonly requestedModel: string
  readonly task: Task
  readonly attribution: Attribution
  /** Header fields that a condition of some route asks for; absent when none does. */
  readonly headers?: ReadonlyMap<string, string> | undefined
  /** The client's own deadline in milliseconds from the request's start; the configured one holds all the same. */
  readonly deadlineMs: number | undefined
  /** Plans only: no upstream call, no ledger row. */
  readonly dryRun: boolean
  /** Holds its answer until the client has it; without one it is not counted. */
  readonly answerRoom?: AnswerRoom | undefined
  /** Goes on when its client leaves, as a run under an Idempotency-Key does. */
  readonly outlivesClient: boolean
}
