/** The costs that are committed, and how far a run may be above them. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Costs } from "./guard-measure.ts"

const file = join(import.meta.dirname, "guard.json")

interface Committed extends Costs {
  readonly node: string
}

// The file is written by `writeCommitted` alone.
export const readCommitted = (): Committed => JSON.parse(readFileSync(file, "utf8")) as Committed

export const writeCommitted = (costs: Costs): void =>
  writeFileSync(file, `${JSON.stringify({ node: process.version, ...costs }, null, 2)}\n`)

/** Bytes may be so many times the committed ones, reads and writes so many more. */
const TIMES_BYTES = 1.05
const MORE_CALLS = 0.3

/** Returns a line for each cost that is above what is committed by more than its tolerance. */
export const exceeded = (found: Costs, committed: Costs): ReadonlyArray<string> =>
  (["whole", "stream"] as const).flatMap((kind) =>
    (["bytes", "reads", "writes"] as const).flatMap((figure) => {
      const [now, before] = [found[kind][figure], committed[kind][figure]]
      const most = figure === "bytes" ? before * TIMES_BYTES : before + MORE_CALLS
      return now <= most
        ? []
        : [
            `${kind}: ${now.toFixed(2)} ${figure} a request, ${before.toFixed(2)} are committed in bench/guard.json`,
          ]
    }),
  )
