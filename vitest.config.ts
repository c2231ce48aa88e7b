import { availableParallelism } from "node:os"
import { join } from "node:path"
import { defineConfig } from "vitest/config"
import { measureSlowness } from "./test/support/measure-slowness.ts"

// Tests start dozens of processes, half of whose time is compiling the same modules.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules/.cache/node-compile")

// Bounds in seconds are chosen for a quiet machine: `test/support/slowness.ts`. TEST_SLOWNESS says it instead of measuring.
const given = Number(process.env.TEST_SLOWNESS)
const slowness = given >= 1 ? given : await measureSlowness()
if (slowness > 1.5) {
  console.error(
    `This machine is busy or slow: bounds of time in tests are ${slowness.toFixed(1)} times longer.`,
  )
}

/**
 * Each measured when nothing else runs: the less a busy machine gets through, the fewer requests share a batch of the ledger, and
 * what a body costs grows with what others have in the caches and with what they leave the collector's threads.
 */
const ALONE = ["test/bench/guard.test.ts", "test/http/body-budget.test.ts"]

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: "all", include: ["test/**/*.test.ts"], exclude: ALONE, sequence: { groupOrder: 0 } },
      },
      ...ALONE.map((file, at) => ({
        extends: true as const,
        test: { name: `alone ${at + 1}`, include: [file], sequence: { groupOrder: at + 1 } },
      })),
    ],
    globalSetup: ["test/support/global-setup.ts"],
    setupFiles: ["test/support/after-each-file.ts"],
    // One more than cores: they start gateways, databases and browsers, so that more would hardly end sooner, and would leave what
    // they started too little to answer in time.
    maxWorkers: Math.min(4, availableParallelism() + 1),
    isolate: false,
    testTimeout: 120_000 * slowness,
    hookTimeout: 120_000 * slowness,
    // Of what runs in the tests' own process: main.ts, cli.ts and process-policy.ts only ever run in one of their own.
    coverage: { provider: "v8", include: ["src/**"], reporter: ["text", "html"], reportOnFailure: true },
    env: { TEST_SLOWNESS: String(slowness) },
  },
})
