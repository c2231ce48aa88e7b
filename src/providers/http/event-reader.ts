import type { ChunkSink } from "../Provider.ts"
import { badResponse } from "../protocols/fault.ts"
import type { Fault, StreamReader } from "../protocols/Protocol.ts"
import { type SseEvent, SseParser } from "./sse.ts"
import type { BodyConsumer, Enough } from "./UpstreamExchange.ts"

/** Events and blank lines of one answer that say nothing: many times the tokens that a model thinks without showing them. */
const MAX_SILENT_EVENTS = 1_000_000

/** The end of a stream, as far as its bytes tell. */
export interface StreamEnd {
  /** Undefined after the provider's terminal event. */
  readonly fault: Fault | undefined
  /** The provider's words that the fault was read from. */
  readonly said: Buffer
}

/**
 * Turns the bytes of one streamed answer into chunks in the sink: parse, read, write, all within the call that brings
 * the bytes. The bound holds for one event, which is all that is kept here, and for what the whole answer says, reasoning and
 * calls included, which a sink may have to keep. Who says nothing without end is cut off. A sink without room gets the
 * events of the chunk at hand and nothing further.
 */
export const readEvents = (
  reader: StreamReader,
  sink: ChunkSink,
  maxBytes: number,
): BodyConsumer<StreamEnd> => {
  const parser = new SseParser(maxBytes)
  let characters = 0
  let silent = 0
  /** Some count behind their terminal event, of which the rest is nobody's. */
  const countLate = (events: ReadonlyArray<SseEvent>): void => {
    for (const event of events) {
      const reading = reader.read(event)
      if (reading._tag !== "Chunks") return
      for (const chunk of reading.chunks) if (chunk.usageOnly) sink.write(chunk)
    }
  }
  return {
    onBytes: (bytes) => {
      const { events, tooLarge } = parser.push(bytes)
      let room = true
      let read = 0
      for (const event of events) {
        read += 1
        const reading = reader.read(event)
        if (reading._tag === "Fault") return faulty(reading.fault, event)
        const before = characters
        for (const chunk of reading.chunks) {
          characters += chunk.generated
          if (characters > maxBytes) return faulty(badResponse("answer too large"))
          room = sink.write(chunk)
        }
        if (reading._tag === "Done") {
          countLate(events.slice(read))
          return complete
        }
        if (characters === before) silent += 1
      }
      if (silent + parser.empty > MAX_SILENT_EVENTS) return faulty(badResponse("says nothing without end"))
      if (tooLarge) return faulty(badResponse("event too large"))
      return room ? "more" : "pause"
    },
    onEnd: () => {
      const rest = parser.rest()
      const reading = reader.end(rest)
      if (reading._tag === "Fault") return { fault: reading.fault, said: Buffer.from(rest) }
      for (const chunk of reading.chunks) sink.write(chunk)
      return complete.result
    },
  }
}

const nothing = Buffer.alloc(0)

const complete: Enough<StreamEnd> = { result: { fault: undefined, said: nothing }, connection: "keep" }

const faulty = (fault: Fault, event?: SseEvent): Enough<StreamEnd> => ({
  result: { fault, said: event?.bytes ?? nothing },
  connection: "close",
})
