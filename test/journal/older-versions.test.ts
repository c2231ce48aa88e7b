import { copyFileSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ledgerEntry } from "../../src/ledger/ledger-entry.ts"
import { numberedRecord } from "../ledger/records.ts"
import { recoveredFrom, scratchDirectory } from "./files.ts"

/** Left by older versions in the middle of three requests: two have their record, the third called two models. */
const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

describe.each(["00000001.gwj1", "00000001.gwj2"])("a journal of an older version, %s,", (name) => {
  it.live("is read after an upgrade, with its records, their age and the requests that were cut off", () =>
    Effect.gen(function* () {
      const directory = join(yield* scratchDirectory, "dead")
      mkdirSync(directory)
      copyFileSync(fixture(name), join(directory, name))
      const { entries, lost } = yield* recoveredFrom(directory)
      const given = [1, 2].map(numberedRecord)
      assert.deepStrictEqual(
        entries.map(({ id, endedMs, line }) => ({ id, endedMs, record: pick(line) })),
        given.map((record) => ({
          id: record.id,
          endedMs: record.startedAt + record.latencyMs,
          record: pick(ledgerEntry(record).line),
        })),
      )
      assert.deepStrictEqual(
        lost.map(({ id, attempts }) => ({ id, models: attempts.map(({ model }) => model) })),
        [{ id: numberedRecord(3).id, models: ["gpt-5-mini", "gpt-5"] }],
      )
    }),
  )
})

/** What the database needs of a line, whichever columns a version knows. */
const pick = (line: string) => {
  const { id, started_at_ms, latency_ms, status, cost_nano_usd } = JSON.parse(line)
  return { id, started_at_ms, latency_ms, status, cost_nano_usd }
}
