import type { Task } from "../../domain/Task.ts"
import type { BodyWriter, Fault, Rewording } from "../protocols/Protocol.ts"

/**
 * One task for one model. Its body is written when it is first sent, and is the same for retries, unless the provider did
 * not take the words and there are others.
 */
export class OutgoingCall {
  readonly task: Task
  readonly model: string
  readonly #writer: BodyWriter
  #other: Rewording | undefined
  #whole: string | Uint8Array | undefined
  #streamed: string | Uint8Array | undefined

  constructor(task: Task, model: string, writer: BodyWriter) {
    this.task = task
    this.model = model
    this.#writer = writer
  }

  wholeBody(): string | Uint8Array {
    this.#whole ??= (this.#other ?? this.#writer).write("whole")
    return this.#whole
  }

  streamedBody(): string | Uint8Array {
    this.#streamed ??= (this.#other ?? this.#writer).write("stream")
    return this.#streamed
  }

  /** Hears why an attempt failed: the next one has other words, where there are any. */
  refused({ kind, param }: Fault): void {
    if (kind !== "needs_rewording" || this.#other !== undefined) return
    this.#other = this.#writer.reworded?.(param ?? "")
    this.#whole = this.#streamed = undefined
  }

  /** Hears that the provider answered. */
  taken(): void {
    this.#other?.taken?.()
  }
}
