import { assert, it } from "@effect/vitest"
import { carriedReasoning, carryReasoning, isCarriedReasoning } from "../../src/domain/carried-reasoning.ts"

const details = [{ type: "reasoning.text", text: "Grüße 🌍", signature: "c2ln", index: 0 }]

it("what is carried comes back, and is told from what the vendor of the dialect made", () => {
  const text = carryReasoning(details)
  assert.isTrue(isCarriedReasoning(text))
  assert.deepStrictEqual(carriedReasoning(text), details)
  for (const other of ["", "gAAAAABo", "EqQBCkYIARgC", undefined, null, 1]) {
    assert.isFalse(isCarriedReasoning(other))
  }
})

it("what a client made of it is nothing, however deep", () => {
  const text = carryReasoning(details)
  const deep = `${carryReasoning([]).slice(0, -2)}${Buffer.from("[".repeat(1_000_000)).toString("base64url")}`
  for (const changed of [text.slice(0, -5), `${text}AAAA`, deep, carryReasoning([]).slice(0, -2)]) {
    assert.deepStrictEqual(carriedReasoning(changed), [])
  }
})
