import { Effect } from "effect"
import { FileJournal } from "../../src/journal/FileJournal.ts"
import { type Entry, type Journal, type Refusal, sizeOf } from "../../src/journal/Journal.ts"
import { tell } from "../ledger/tell.ts"

/**
 * A process that has a journal, for tests of what its death and its limits do. It tells what it did on its output.
 * `endless DIR`: appends numbered records for ever and names each when it was taken.
 * `fill DIR COUNT BYTES`: appends, says how many were taken, takes all of them out again and says how many they were.
 */
const [, , role, directory = "", count = "0", bytes = "100"] = process.argv

/** Ends when the journal has it. */
const append = (journal: Journal, entry: Entry) =>
  Effect.callback<Refusal | undefined>((resume) =>
    journal.append(entry, (refusal) => resume(Effect.succeed(refusal))),
  )

const endless = Effect.gen(function* () {
  const journal = yield* FileJournal.open({ directory, maxBytes: 1e9, segmentBytes: 64 * 1024 })
  while ((yield* journal.recoverOrphan) !== undefined);
  for (let i = 0; ; i++) {
    const together = Array.from({ length: 1 + (i % 5) }, (_, n) => `${process.pid}-${i}-${n}`)
    yield* Effect.forEach(
      together,
      Effect.fnUntraced(function* (id) {
        const line = JSON.stringify({ id, x: "y".repeat((i * 37) % 900) })
        // More than one request under way: they share a write.
        journal.recordIntent(`${id}-call`, "{}", () => {})
        const refusal = yield* append(journal, { id, endedMs: i, line })
        if (refusal !== undefined) throw new Error(refusal)
        tell(id)
        journal.release(`${id}-call`)
      }),
      { concurrency: "unbounded", discard: true },
    )
    // Some of it is shipped meanwhile.
    if (i % 50 === 49) {
      for (const { id } of yield* journal.peek(10)) tell(`shipped ${id}`)
      yield* journal.acknowledge
    }
    if (i % 20 === 0) yield* Effect.sleep(1)
  }
})

const fill = Effect.gen(function* () {
  const journal = yield* FileJournal.open({ directory, maxBytes: 1e9 })
  let taken = 0
  for (let i = 0; i < Number(count); i++) {
    const line = JSON.stringify({ i, x: "y".repeat(Number(bytes)) })
    if (journal.appendNow({ id: String(i), endedMs: i, line }) === undefined) taken++
  }
  console.log(`taken ${taken} ${journal.fault() ?? "no fault"}`)
  let shipped = 0
  while (sizeOf(journal) > 0) {
    shipped += (yield* journal.peek(500)).length
    yield* journal.acknowledge
  }
  console.log(`shipped ${shipped}`)
})

Effect.runPromise(Effect.scoped(role === "endless" ? endless : fill)).then(
  () => process.exit(0),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
