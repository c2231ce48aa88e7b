import { assert, it } from "@effect/vitest"
import { cpuMs } from "../../support/cpu-time.ts"
import { scaled } from "../../support/slowness.ts"
import { translate } from "./read-events.ts"

it("tens of thousands of blocks that wait for each other cost in proportion", () => {
  const delta = (said: object) => ({ choices: [{ index: 0, delta: said }] })
  const redacted = { type: "reasoning.encrypted", data: "x", format: "anthropic-claude-v1" }
  const chunks = Array.from({ length: 40_000 }, (_, index) => [
    delta({ tool_calls: [{ index, id: `c${index}`, function: { name: "f", arguments: "{" } }] }),
    delta({ reasoning_details: [redacted] }),
  ]).flat()
  let events = ""
  const ms = cpuMs(() => {
    events = translate(chunks)
  })
  assert.strictEqual(events.match(/^event: content_block_start$/gm)?.length, 80_000)
  // Looked for among each other, they took twenty seconds.
  assert.isBelow(ms, scaled(3_000))
})
