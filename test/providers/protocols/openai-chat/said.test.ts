import { assert, describe, it } from "vitest"
import { readError } from "../../../../src/providers/protocols/openai-chat/said.ts"

describe("what an error says", () => {
  it("is bounded, since a provider may say anything, and much is looked for in it", () => {
    const long = "input token count ".repeat(10_000)
    for (const error of [
      { message: long },
      { error: { message: long } },
      { detail: [{ loc: ["body"], msg: long }] },
    ]) {
      const { message = "", sentence = "" } = readError(error)
      assert.isAbove(message.length, 1_000)
      assert.isAtMost(Math.max(message.length, sentence.length), 4_000)
    }
  })
})
