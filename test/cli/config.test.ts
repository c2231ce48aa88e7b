import { readFileSync } from "node:fs"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { config } from "../../src/cli/config.ts"

describe("llm-gateway config schema", () => {
  it.effect("prints docs/gateway.schema.json; print it anew when this fails", () =>
    Effect.gen(function* () {
      yield* Command.runWith(config, { version: "0" })(["schema"])
      const printed = yield* TestConsole.logLines
      const kept = readFileSync(new URL("../../docs/gateway.schema.json", import.meta.url), "utf8")
      assert.strictEqual(`${printed.join("\n")}\n`, kept)
    }).pipe(Effect.provide(NodeServices.layer)),
  )
})
