import { Effect } from "effect"
import { RequestId } from "../../src/domain/Ids.ts"
import { openFileJournal } from "../../src/journal/file-journal.ts"
import { tell } from "../ledger/tell.ts"

/**
 * A process that has a journal, for tests of what its death and its limits do. It tells what it did on its output.
 * `endless DIR`: appends numbered records for ever and names each when it was taken.
 * `fill DIR COUNT BYTES`: appends, says how many were taken, takes all of them out again and says how many they were.
 */
const [, , role, directory = "", count = "0", bytes = "100"] = process.argv

const endless = Effect.gen(function* () {
  const journal = yield* openFileJournal({ directory, maxBytes: 1e9, segmentBytes: 64 * 1024 })
  while ((yield* journal.inherit) !== undefined);
  for (let i = 0; ; i++) {
    const id = RequestId.make(`${process.pid}-${i}`)
    const refusal = journal.append({ id, line: JSON.stringify({ id, x: "y".repeat((i * 37) % 900) }) })
    if (refusal !== undefined) throw new Error(refusal)
    tell(id)
    // Some of it is shipped meanwhile.
    if (i % 50 === 49) {
      for (const { id } of yield* journal.peek(10)) tell(`shipped ${id}`)
      yield* journal.acknowledge
    }
    if (i % 20 === 0) yield* Effect.sleep(1)
  }
})

const fill = Effect.gen(function* () {
  const journal = yield* openFileJournal({ directory, maxBytes: 1e9 })
  let taken = 0
  for (let i = 0; i < Number(count); i++) {
    const id = RequestId.make(String(i))
    if (journal.append({ id, line: JSON.stringify({ i, x: "y".repeat(Number(bytes)) }) }) === undefined)
      taken++
  }
  console.log(`taken ${taken} ${journal.fault() ?? "no fault"}`)
  let shipped = 0
  while (journal.taken() > journal.settled()) {
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
