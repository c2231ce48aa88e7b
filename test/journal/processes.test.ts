import { execFile, fork } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { FileJournal } from "../../src/journal/FileJournal.ts"
import { quiet } from "../ledger/logged.ts"
import { drain, scratchDirectory } from "./files.ts"

const program = fileURLToPath(new URL("./appending-process.ts", import.meta.url))

/** Runs the process until it is killed, which it is after `meanwhile`; what it said that it had taken and shipped. */
const runAndKill = async (directory: string, meanwhile: () => Promise<unknown>) => {
  const child = fork(program, ["endless", directory], {
    execArgv: [],
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  })
  const said: Array<string> = []
  child.stdout?.setEncoding("utf8").on("data", (text: string) => said.push(text))
  await once(child.stdout ?? child, "data")
  await meanwhile()
  child.kill("SIGKILL")
  await once(child, "close")
  // The last line may be cut off.
  const lines = said.join("").split("\n").slice(0, -1)
  const shipped = lines
    .filter((line) => line.startsWith("shipped "))
    .map((line) => line.slice("shipped ".length))
  return { taken: lines.filter((line) => !line.startsWith("shipped ")), shipped }
}

/** A small generator, so that a failure can be repeated. */
const seeded = (seed: number) => {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

const recoverAll = Effect.fnUntraced(function* (directory: string) {
  const journal = yield* FileJournal.open({ directory, maxBytes: 1e9 })
  const ids: Array<string> = []
  for (;;) {
    const orphan = yield* journal.recoverOrphan
    if (orphan === undefined) return ids
    ids.push(...(yield* drain(orphan)).map(({ id }) => id))
    yield* orphan.remove
  }
})

describe("a process that is killed with SIGKILL", () => {
  it.live("loses nothing that it took, and leaves nothing twice", () =>
    Effect.gen(function* () {
      const seed = Number(process.env.JOURNAL_SEED ?? Math.trunc(performance.timeOrigin))
      const random = seeded(seed)
      for (let round = 0; round < 8; round++) {
        const directory = join(yield* scratchDirectory, "journal")
        const { taken, shipped } = yield* Effect.promise(() =>
          runAndKill(directory, () => setTimeout(random() * 300)),
        )
        const found = yield* Effect.scoped(recoverAll(directory))
        const all = new Set([...found, ...shipped])
        assert.strictEqual(new Set(found).size, found.length, `seed ${seed}`)
        assert.deepStrictEqual(
          taken.filter((id) => !all.has(id)),
          [],
          `seed ${seed}, round ${round}`,
        )
        assert.isAbove(taken.length, 0)
      }
    }).pipe(quiet),
  )

  it.live("has its journal taken over by those that live on, once, and only then", () =>
    Effect.gen(function* () {
      const directory = join(yield* scratchDirectory, "journal")
      const living = yield* FileJournal.open({ directory, maxBytes: 1e9 })
      const other = yield* FileJournal.open({ directory, maxBytes: 1e9 })
      const looking = Effect.gen(function* () {
        for (let i = 0; i < 10; i++) {
          yield* Effect.promise(() => setTimeout(30))
          assert.isUndefined(yield* living.recoverOrphan)
        }
      })
      const scopeOfTest = yield* Scope.Scope
      const dead = yield* Effect.promise(() =>
        runAndKill(directory, () => Effect.runPromise(Scope.provide(looking, scopeOfTest))),
      )
      const scope = yield* Scope.make()
      const orphan = yield* Scope.provide(living.recoverOrphan, scope)
      assert.isUndefined(yield* other.recoverOrphan)
      const found = orphan === undefined ? [] : yield* drain(orphan)
      const ids = new Set([...found.map(({ id }): string => id), ...dead.shipped])
      assert.isTrue(dead.taken.every((id) => ids.has(id)))
      yield* Scope.close(scope, Exit.void)
    }).pipe(quiet),
  )
})

const run = promisify(execFile)

describe("a process at its limits", () => {
  it.live("keeps a backlog larger than its memory on the disk", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      // 150 MB in 64 MB.
      const { stdout } = yield* Effect.promise(() =>
        run(process.execPath, ["--max-old-space-size=64", program, "fill", directory, "30000", "5000"]),
      )
      assert.strictEqual(stdout, "taken 30000 no fault\nshipped 30000\n")
      assert.deepStrictEqual(existsSync(directory), true)
    }),
  )

  it.live("goes on when the system lets no file grow further, and takes out what it took", () =>
    Effect.gen(function* () {
      const directory = yield* scratchDirectory
      // Blocks of 1 KiB: no file over 256 KiB.
      const { stdout } = yield* Effect.promise(() =>
        run("bash", [
          "-c",
          `ulimit -f 256; exec "$@"`,
          "bash",
          process.execPath,
          program,
          "fill",
          directory,
          "900",
          "400",
        ]),
      )
      const [, taken = "", fault, shipped] = /^taken (\d+) (\w+)\nshipped (\d+)\n$/.exec(stdout) ?? []
      assert.strictEqual(fault, "EFBIG")
      assert.strictEqual(taken, shipped)
      assert.isAbove(Number(taken), 400)
      assert.isBelow(Number(taken), 900)
    }),
  )
})
