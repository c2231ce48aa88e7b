import type { ChatChunk } from "../domain/Chat.ts"
import type { Outcome, Progress } from "./Outcome.ts"

/**
 * Receiver of a streamed answer's events: `begin`, then any number of chunks, then `end`. Called from socket
 * callbacks; no fiber takes part in a chunk.
 */
export interface AnswerSink {
  /** Called once, before any chunk. `progress` tells at any later moment how far the request is. */
  readonly begin: (progress: () => Progress) => void
  /** Takes the next chunk of the answer. False: no room, wait for `onRoom`. */
  readonly chunk: (chunk: ChatChunk) => boolean
  /** Called once the outcome is decided, before it is recorded: what is not open by then is opened by `end` only. */
  readonly settle: () => void
  /** Takes the end. Never called for a request that failed before its response was opened. */
  readonly end: (outcome: Outcome) => void
  /** True once the response's head is out: no failure can become an HTTP status any more. */
  readonly opened: boolean
  /** True while the client's connection takes no more. */
  readonly full: boolean
  /** True when `end` repeats the whole text, which then has to be kept. */
  readonly needsText: boolean
  /** Called when there is room again after `chunk` returned false. */
  onRoom: () => void
}
