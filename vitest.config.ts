import { join } from "node:path"
import { defineConfig } from "vitest/config"

// Tests start about a hundred processes, half of whose time is compiling the same modules.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "node_modules/.cache/node-compile")

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    // Most tests wait for processes, sockets and databases rather than compute.
    maxWorkers: 4,
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
