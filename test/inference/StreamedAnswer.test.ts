import { assert, describe, it } from "@effect/vitest"
import { StreamedBody } from "../../src/idempotency/StreamedBody.ts"
import type { StreamWriter } from "../../src/inference/Exchange.ts"
import { StreamedAnswer } from "../../src/inference/StreamedAnswer.ts"
import { event, piece } from "./world.ts"

/** Text alone is for the client. */
const writer: StreamWriter = {
  needsText: false,
  headers: () => ({}),
  chunk: ({ event, text }) => (text === "" ? undefined : event),
  end: () => event("end"),
}

const answer = () => {
  const body = new StreamedBody()
  const open = () => ({ status: 200, headers: {}, body })
  return new StreamedAnswer({ inputTokens: 1, writer, body, now: () => 0, open })
}

describe("a provider is held back", () => {
  it("by a client that does not read, also while what it sends is not for the client", () => {
    const stream = answer()
    const text = "x".repeat(1_000)
    let taken = 0
    while (stream.write(piece(text, { event: event(text) }))) taken++
    assert.isBelow(taken, 100)
    assert.isFalse(stream.write(piece("", { generated: 10 })))
  })

  it("while it sends nothing but what says nothing", () => {
    const stream = answer()
    const nothing = piece("", { event: event("x".repeat(1_000)), semantic: false })
    let taken = 0
    while (stream.write(nothing)) taken++
    assert.isBelow(taken, 100)
  })
})
