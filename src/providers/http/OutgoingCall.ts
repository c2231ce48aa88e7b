import { restrictedField } from "../../domain/restricted-fields.ts"
import { fieldsOf, type Task } from "../../domain/Task.ts"
import type { BodyWriter, Fault, Protocol, Wire } from "../protocols/Protocol.ts"

/**
 * One task for one model. Its body is written when it is first sent, and is the same for retries, unless the provider did
 * not take the words and there are others.
 */
export class OutgoingCall {
  readonly task: Task
  readonly model: string
  readonly wire: Wire
  #writer: BodyWriter
  #whole: string | Uint8Array | undefined
  #streamed: string | Uint8Array | undefined

  constructor(task: Task, model: string, wire: Wire, writer: BodyWriter) {
    this.task = task
    this.model = model
    this.wire = wire
    this.#writer = writer
  }

  get protocol(): Protocol {
    return this.wire.protocol
  }

  /** What the words leave out, as the writer names it. */
  get dropped(): ReadonlyArray<string> {
    return this.#writer.dropped?.() ?? []
  }

  /** Header fields that the body needs. */
  get headers(): ReadonlyArray<string> {
    return this.#writer.headers ?? []
  }

  wholeBody(): string | Uint8Array {
    this.#whole ??= this.#writer.write("whole")
    return this.#whole
  }

  streamedBody(): string | Uint8Array {
    this.#streamed ??= this.#writer.write("stream")
    return this.#streamed
  }

  /** Hears why an attempt failed, and returns it: the next one has other words, as long as there are any. */
  refused(fault: Fault): Fault {
    // A model that is not there may be one that the client named itself, which is nobody else's trouble.
    if (fault.kind === "model_not_found" && restrictedField(fieldsOf(this.task)) !== undefined) {
      return { ...fault, kind: "refused" }
    }
    if (fault.kind !== "needs_rewording") return fault
    const other = this.#writer.reworded?.(fault.param ?? "", fault.turns)
    if (other === undefined) return { ...fault, kind: "refused" }
    this.#writer = other
    this.#whole = this.#streamed = undefined
    return fault
  }

  /** Hears that the provider answered. */
  taken(): void {
    this.#writer.taken?.()
  }
}
