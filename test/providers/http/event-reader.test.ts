import { assert, describe, it } from "@effect/vitest"
import { readEvents, type StreamEnd } from "../../../src/providers/http/event-reader.ts"
import { gemini } from "../../../src/providers/protocols/gemini/protocol.ts"
import { openAiChat } from "../../../src/providers/protocols/openai-chat/protocol.ts"
import { errorSamples } from "../../support/fake-upstream-errors.ts"

/** One stream from its bytes, in two chunks cut at `cut`, to its end. */
const end = (protocol: keyof typeof protocols, text: string, cut: number): StreamEnd => {
  const consumer = readEvents(
    protocols[protocol].openStream("m", 0),
    { write: () => true, onRoom: () => {} },
    100_000,
  )
  const bytes = Buffer.from(text)
  for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
    const taken = consumer.onBytes(piece)
    if (taken !== "more" && taken !== "pause") return taken.result
  }
  return consumer.onEnd()
}

const protocols = { gemini, openai: openAiChat({ isOpenAi: false }) }

/** Said, and so far as the events tell, complete or about to be. */
const said = {
  gemini: `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text: "a" }] }, finishReason: "STOP" }] })}`,
  openai: `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "a" }, finish_reason: "stop" }] })}`,
}

describe("a bare JSON error after the events", () => {
  it.each(["gemini", "openai"] as const)(
    "is classified however it ends and wherever it is cut: %s",
    (protocol) => {
      const { body } = errorSamples.overloaded[protocol]
      for (const json of [JSON.stringify(body), JSON.stringify(body, null, 2)]) {
        for (const line of ["\n", "\r\n"]) {
          for (const blank of ["", line, line + line]) {
            for (const before of [line + line, line]) {
              const text = said[protocol] + before + json.replaceAll("\n", line) + blank
              for (let cut = 0; cut <= text.length; cut++) {
                assert.strictEqual(end(protocol, text, cut).fault?.kind, "overloaded", JSON.stringify(text))
              }
            }
          }
        }
      }
    },
  )

  it("is what was said, for whoever has to look for a key in it", () => {
    const error = JSON.stringify(errorSamples.overloaded.gemini.body)
    assert.include(end("gemini", `${said.gemini}\n\n${error}\n\n`, 0).said.toString(), error)
  })
})

describe("nothing without end", () => {
  it.each([
    ["blank lines", "\n"],
    ["comments", ":\n\n"],
    ["events without a content", "data: {}\n\n"],
    [
      "contents that are empty",
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "" } }] })}\n\n`,
    ],
  ])("is cut off after a million: %s", (_, nothing) => {
    const consumer = readEvents(
      protocols.openai.openStream("m", 0),
      { write: () => true, onRoom: () => {} },
      100_000_000,
    )
    const bytes = Buffer.from(nothing.repeat(10_000))
    for (let i = 0; i < 100; i++) assert.strictEqual(consumer.onBytes(bytes), "more", `${i}`)
    const taken = consumer.onBytes(bytes)
    assert(taken !== "more" && taken !== "pause")
    assert.strictEqual(taken.result.fault?.kind, "bad_response")
  })
})

describe("what is no event", () => {
  it("does not keep a stream from its end", () => {
    for (const noise of [": comment\n\n", "event: ping\n\n", "id: 1\nretry: 3\n\n", "\n\n"]) {
      assert.isUndefined(end("gemini", `${said.gemini}\n\n${noise}`, 0).fault)
      assert.isUndefined(end("openai", `${said.openai}\n\n${noise}data: [DONE]\n\n`, 0).fault)
    }
  })
})

it("an answer that says more than fits is none, be it words, reasoning or a call's arguments", () => {
  const long = "x".repeat(60_000)
  const call = { index: 0, id: "c", type: "function", function: { name: "f", arguments: long } }
  for (const delta of [{ content: long }, { reasoning_content: long }, { tool_calls: [call] }]) {
    const event = `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`
    assert.isUndefined(end("openai", `${event}data: [DONE]\n\n`, 0).fault)
    assert.strictEqual(end("openai", event + event, 0).fault?.kind, "bad_response")
  }
})
